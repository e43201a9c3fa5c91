#pragma once

#include "gateway/errors.h"
#include "llm/chat_request.h"
#include "llm/outcome.h"
#include "llm/usage.h"
#include "net/asio.h"
#include "quota/ledger.h"
#include "route/decide.h"
#include "store/answer_cache.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gateway {

class Session;

/// What a request asks, for the cache of answers.
struct Question {
    std::string_view protocol;  ///< of the client: answers are kept as it reads them
    std::string_view
        call_type;          ///< LiteLLM's word: completion, text_completion, responses, embedding
    std::string_view body;  ///< one JSON object
    std::span<const llm::Member> members;
    bool keepable = true;  ///< its answer is the same for who asks again
    /// Its answer repeats the members that do not change it otherwise (user, metadata, …).
    bool repeated = false;
    std::string headers{};  ///< complete lines of the client's that go along to the upstream
};

/// One call as it goes on.
struct Trial {
    quota::Reservation& reservation;
    bool last;        ///< nobody is left after it: it gets the whole rest of the time
    bool& committed;  ///< content has reached the client
    /// The target's money pays for an answer of so many tokens, not for what it was asked before.
    std::optional<std::uint64_t> affordable{};
    bool begun = false;  ///< the upstream may have seen it
    /// Of an attempt of several calls what the last one used: the others are booked. Absent: the
    /// record's usage.
    std::optional<llm::Usage> last_call{};
};

/// What a client wants of a target, whatever the kind of endpoint: a chat, embeddings, an
/// image, speech. Made by the handler from the request, outlives every attempt at it; used
/// on the request's thread only.
class Job {
public:
    virtual ~Job() = default;

    /// Makes one upstream call of `candidate` and, if it serves, brings the answer to the
    /// client. nullopt: the client has its whole answer; else the failure. Fills in the
    /// session's current step, `served_by` and usage of its record.
    virtual net::Task<std::optional<llm::Failure>> call(Session& session,
                                                        const route::Candidate& candidate,
                                                        Trial& trial) = 0;

    /// The client wants its answer in pieces: limits of time are those of a stream, and it
    /// hears from us while it waits.
    virtual bool stream() const { return false; }
    /// Even a stream's first piece, and each further one, takes as long as a whole answer.
    virtual bool slow() const { return false; }
    /// It is a chat: it may be asked without hints that a target refuses.
    virtual bool chats() const { return false; }
    /// The request has this member at its top level.
    virtual bool has(std::string_view) const { return false; }

    /// Whether an answer of at most so many tokens is one to this request.
    virtual bool may_be_shorter(std::uint64_t) const { return false; }

    /// Content has reached the client in an attempt that broke, and another target may carry it on.
    virtual bool can_go_on() const { return false; }
    /// Why `target` can't be asked as things stand now, beyond what was decided; empty: it can.
    virtual std::string_view unfit(const config::Target&) const { return {}; }
    /// nullopt: answers of this kind are never kept.
    virtual std::optional<Question> question(const Session&) const { return std::nullopt; }
    /// Brings a kept answer to the client. False: it can't be given in the form that is asked for.
    virtual net::Task<bool> give(Session& session, const store::KeptAnswer& answer);

    /// The whole answer of a stream, just before its end goes out; empty where its protocol does
    /// not state it.
    virtual void answered(Session&, std::string_view) {}
    /// The last frames of a stream that broke after content, where they depend on what the
    /// client has seen; nullopt: those of its protocol. `error` is OpenAI's error body.
    virtual std::optional<std::string> broken(std::string_view) { return std::nullopt; }
};

}  // namespace gateway
