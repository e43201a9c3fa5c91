#pragma once

#include "gateway/gateway.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

/// What a box says of its workspaces (GET /status).
struct BoxRuns {
    struct Run {
        std::string id;
        std::string workspace;
    };
    std::vector<std::string> workspaces;  ///< those in which a run is under way
    std::vector<Run> runs;

    static BoxRuns read(std::string_view status);
    bool busy(std::string_view workspace) const;
    /// The run in `workspace`; empty: none is known.
    std::string run_in(std::string_view workspace) const;
};

/// A box's own API, beside its OpenAI adapter. Lives in one request or task, on its worker.
class Box {
public:
    struct Reply {
        int status = 0;
        std::string body;
    };

    /// `ways` has `target`; both outlive it, and so does `abort`.
    Box(Lane& lane, const config::Target& target, std::shared_ptr<Ways> ways,
        net::AbortHandle& abort)
        : lane_(lane), target_(target), ways_(std::move(ways)), abort_(abort) {}

    net::Task<base::Result<Reply>> ask(std::string method, std::string path, std::string body,
                                       base::Duration within);
    net::Task<base::Result<BoxRuns>> runs();
    /// Ends the run in `workspace`, if there is one.
    net::Task<> cancel(std::string workspace);

private:
    Lane& lane_;
    const config::Target& target_;
    std::shared_ptr<Ways> ways_;
    net::AbortHandle& abort_;
};

/// A request has left its run: the box ends it when the connection closes. Looks whether it
/// did, ends it if not, and only then gives `place` (may be null) free. Returns at once.
void end_run(Lane& lane, std::shared_ptr<Ways> ways, const config::Target& target,
             std::string workspace, std::unique_ptr<WaitingLine::Place> place);

/// A relative path with everything encoded that would mean something else in a URL.
std::string url_path(std::string_view path);

}  // namespace gateway
