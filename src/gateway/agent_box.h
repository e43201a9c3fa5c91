#pragma once

#include "gateway/call.h"

namespace gateway {

/// A client that waits for a stream hears that its agent works; any other hears nothing. False:
/// it has left.
net::Task<bool> say_working(Session& session, const config::Target& target);

/// The workspace that a client names for an agent; empty: it names none.
std::string_view named_workspace(const net::Headers& headers);

/// Why `name` can't be a workspace: it must be a relative path that stays where it is. Empty: it
/// can.
std::string_view unfit_workspace(std::string_view name);

llm::Failure bad_workspace(std::string_view name, std::string_view why);

/// Waits until no other request of ours is in the workspace `line`. A waiter that leaves is gone.
/// busy: too many wait, or the deadline came first.
net::Task<std::expected<std::unique_ptr<WaitingLine::Place>, llm::Failure>> enter_workspace(
    Session& session, const config::Target& target, const std::string& line, base::Time by);

/// One attempt's stay in a workspace of an agent box. Where it ends before the answer does, the
/// box is asked to end the run, and the workspace stays taken until it is idle.
class BoxVisit {
public:
    BoxVisit(Session& session, const config::Target& target) : session_(session), target_(target) {}
    ~BoxVisit();
    BoxVisit(const BoxVisit&) = delete;
    BoxVisit& operator=(const BoxVisit&) = delete;

    /// The target is an agent box.
    bool wanted() const {
        return target_.agent != config::AgentKind::none && !target_.native.has_value();
    }
    /// The call has ended so: passes it on.
    std::optional<llm::Failure> over(std::optional<llm::Failure> failure) {
        if (!failure) begun_ = false;
        return failure;
    }

private:
    friend net::Task<std::expected<OpenCall, llm::Failure>> call_box(Session&,
                                                                     const config::Target&, Trial&,
                                                                     BoxVisit&, Outgoing);
    Session& session_;
    const config::Target& target_;
    std::string workspace_;
    std::unique_ptr<WaitingLine::Place> place_;  ///< of a workspace that the client named
    bool begun_ = false;                         ///< a run may be under way
};

/// Calls a box: in the workspace that the client named, when it is free, or in a fresh one. A
/// workspace that somebody else keeps busy is waited for within the attempt's time.
net::Task<std::expected<OpenCall, llm::Failure>> call_box(Session& session,
                                                          const config::Target& target,
                                                          Trial& trial, BoxVisit& visit,
                                                          Outgoing outgoing);

/// What stands before a box's own paths: its base without the OpenAI adapter's part.
std::string box_root(const config::Target& target);

}  // namespace gateway
