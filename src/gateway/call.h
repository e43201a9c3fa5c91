#pragma once

#include "gateway/job.h"
#include "gateway/session.h"
#include "llm/dialect.h"
#include "net/upstream.h"

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gateway {

/// Time limits of one attempt, absolute except for the gap between chunks.
struct Limits {
    base::Time connect_by;
    base::Time first_by;  ///< first content (streams) or the answer's head
    base::Time attempt_by;
    base::Duration gap;
};

/// A waiting stream hears from us this often.
inline constexpr base::Duration kHeartbeat{5'000};

/// One upstream request, without host and key.
struct Outgoing {
    std::string path;  ///< below the target's base: "/chat/completions"
    std::string_view body;
    std::string_view content_type = "application/json";
    std::string_view accept = "application/json";
    std::string_view method = "POST";
    std::string_view headers{};                ///< further complete lines, each ending in CRLF
    bool at_root = false;                      ///< `path` does not stand below the base's path
    std::span<const net::BodyPiece> pieces{};  ///< what follows `body`: files
    /// The upstream answers in pieces, whose time limits are those of a stream. As the client
    /// asked unless said.
    std::optional<bool> streams{};
};

/// A call whose reply has begun with a 2xx status.
struct OpenCall {
    device::Lease lease{};  ///< of the engine behind it, if it is one of ours
    std::unique_ptr<net::UpstreamReply> reply{};
    Limits limits{};
};

/// Starts the target's engine if it is one of ours, connects, sends, waits for the head, books
/// what its headers say. A refusal is read and classified; a target without its engine is
/// skipped. `first_content`: the limits of a stream.
net::Task<std::expected<OpenCall, llm::Failure>> open_call(Session& session,
                                                           const config::Target& target,
                                                           Trial& trial, Outgoing outgoing);

/// The reply states that it is of `type` ("text/event-stream", "audio/").
bool has_type(const net::ResponseHead& head, std::string_view type);

/// A target as a dialect sees it. `drop` receives the members that it is not sent; it and the
/// candidate outlive what is returned.
llm::Upstream upstream_of(Session& session, const route::Candidate& candidate,
                          std::vector<std::string>& drop);

/// The target has no word for something in the request: it is skipped.
llm::Failure no_word(Session& session, const base::Error& error);

/// The whole body of a reply, within the attempt's limits and kMaxAnswer.
net::Task<std::expected<std::string, llm::Failure>> read_whole(OpenCall& call);
inline constexpr std::size_t kMaxAnswer = 64u << 20;

/// What the break of a call means: an engine that was ended on purpose is nobody's failure, and one
/// whose caller is gone or has lost patience is told so.
llm::Failure broken_off(OpenCall& call, const base::Error& error);

/// A transport error as an outcome of the attempt.
llm::Failure transport_failure(const base::Error& error);
llm::Failure client_left();

}  // namespace gateway
