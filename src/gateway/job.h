#pragma once

#include "gateway/errors.h"
#include "llm/outcome.h"
#include "net/asio.h"
#include "quota/ledger.h"
#include "route/decide.h"

#include <optional>
#include <string>
#include <string_view>

namespace gateway {

class Session;

/// One call as it goes on.
struct Trial {
    quota::Reservation& reservation;
    bool last;           ///< nobody is left after it: it gets the whole rest of the time
    bool& committed;     ///< content has reached the client
    bool begun = false;  ///< the upstream may have seen it
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
    /// The request has this member at its top level.
    virtual bool has(std::string_view) const { return false; }

    /// Content has reached the client in an attempt that broke, and another target may carry it on.
    virtual bool can_go_on() const { return false; }
    /// Why `target` can't be asked as things stand now, beyond what was decided; empty: it can.
    virtual std::string_view unfit(const config::Target&) const { return {}; }

    /// The last frames of a stream that broke after content, where they depend on what the
    /// client has seen; nullopt: those of its protocol. `error` is OpenAI's error body.
    virtual std::optional<std::string> broken(std::string_view) { return std::nullopt; }
};

}  // namespace gateway
