#include "gateway/box_client.h"

#include "base/percent.h"
#include "gateway/agent_box.h"
#include "llm/fields.h"
#include "llm/json.h"

#include <algorithm>

namespace gateway {
namespace {

using base::Result;

constexpr std::size_t kMostReply = 1u << 20;
constexpr base::Duration kConnect{5'000};
constexpr base::Duration kStatusTime{5'000};
/// A box that was hung up on ends its run within this time.
constexpr base::Duration kFirstLook{300};
constexpr base::Duration kLook{1'000};
constexpr int kLooks = 10;

/// Workspaces are told by their names or by their paths in the box.
bool same_workspace(std::string_view told, std::string_view name) {
    for (const std::string_view root : {"/workspaces/", "/workspace/"})
        if (told.starts_with(root)) told.remove_prefix(root.size());
    return told == name;
}

/// Outlives the request: has all that it needs.
net::Task<> see_it_end(Lane& lane, std::shared_ptr<Ways> ways, const config::Target& target,
                       std::string workspace, std::unique_ptr<WaitingLine::Place> place,
                       std::shared_ptr<net::AbortHandle> abort) {
    Box box(lane, target, ways, *abort);
    net::Timer timer(lane.worker.loop.get_executor());
    for (int look = 0; look < kLooks && !abort->aborted(); ++look) {
        timer.expires_after(look == 0 ? kFirstLook : kLook);
        abort->attach(&timer);
        co_await timer.async_wait(net::kAwait);
        abort->attach(nullptr);
        const auto runs = co_await box.runs();
        if (!runs || !runs->busy(workspace)) break;
        co_await box.cancel(workspace);
    }
    place.reset();
}

}  // namespace

BoxRuns BoxRuns::read(std::string_view status) {
    BoxRuns found;
    llm::for_each_element(llm::json::member(status, "busyWorkspaces"), [&](std::string_view one) {
        found.workspaces.push_back(llm::json::text(one).value_or(""));
    });
    llm::for_each_element(llm::json::member(status, "runs"), [&](std::string_view run) {
        const std::string status = llm::text_of(run, "status");
        if (status.empty() || status == "running")
            found.runs.push_back({llm::text_of(run, "runId"), llm::text_of(run, "workspace")});
    });
    return found;
}

bool BoxRuns::busy(std::string_view workspace) const {
    return std::ranges::any_of(
        workspaces, [&](const std::string& one) { return same_workspace(one, workspace); });
}

std::string BoxRuns::run_in(std::string_view workspace) const {
    const auto run = std::ranges::find_if(
        runs, [&](const Run& one) { return same_workspace(one.workspace, workspace); });
    return run == runs.end() ? std::string() : run->id;
}

net::Task<Result<Box::Reply>> Box::ask(std::string method, std::string path, std::string body,
                                       base::Duration within) {
    const Way& way = ways_->to(target_);
    const std::string whole = box_root(target_) + path;
    const base::Time now = base::Clock::now();
    auto sent =
        co_await lane_.upstream.send({.origin = way.origin,
                                      .method = method,
                                      .target = whole,
                                      .headers = way.headers,
                                      .body = body},
                                     now + std::min(kConnect, within), now + within, abort_);
    if (!sent) co_return std::unexpected(sent.error());
    auto rest = co_await (*sent)->rest(kMostReply, now + within);
    if (!rest) co_return std::unexpected(rest.error());
    co_return Reply{(*sent)->head().status, std::move(*rest)};
}

net::Task<Result<BoxRuns>> Box::runs() {
    auto reply = co_await ask("GET", "/status", {}, kStatusTime);
    if (!reply) co_return std::unexpected(reply.error());
    if (reply->status != 200)
        co_return base::fail(base::ErrorKind::protocol, "the box does not tell its runs");
    co_return BoxRuns::read(reply->body);
}

net::Task<> Box::cancel(std::string workspace) {
    auto known = co_await runs();
    const std::string run = known ? known->run_in(workspace) : std::string();
    if (run.empty()) co_return;
    if (target_.agent == config::AgentKind::pibox)
        co_await ask("DELETE", "/run/" + url_path(run), {}, kStatusTime);
    else
        co_await ask("POST", "/run/cancel?runId=" + url_path(run), {}, kStatusTime);
}

void end_run(Lane& lane, std::shared_ptr<Ways> ways, const config::Target& target,
             std::string workspace, std::unique_ptr<WaitingLine::Place> place) {
    auto abort = std::make_shared<net::AbortHandle>();
    lane.worker.tasks.spawn(
        see_it_end(lane, std::move(ways), target, std::move(workspace), std::move(place), abort),
        [abort] { abort->abort(); });
}

std::string url_path(std::string_view path) { return base::percent_encoded(path, "/"); }

}  // namespace gateway
