#include "gateway/agent_box.h"

#include "gateway/box_client.h"
#include "llm/classify.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

/// Headers of the client's that a box may see, workspaces apart: nothing else of the client's
/// request leaves here.
constexpr std::array<std::string_view, 2> kBoth = {"x-claude-continue",
                                                   "x-claude-append-system-prompt"};
constexpr std::array<std::string_view, 8> kPibox = {
    "x-aicodebox-continue",        "x-aicodebox-append-system-prompt",
    "x-aicodebox-json-schema",     "x-aicodebox-resume",
    "x-aicodebox-no-tools",        "x-aicodebox-tools-allowlist",
    "x-aicodebox-timeout-seconds", "x-aicodebox-extra-args"};

/// How often a box is asked whether a workspace is free again.
constexpr base::Duration kFirstLook{500};
constexpr base::Duration kLook{2'000};
constexpr base::Duration kBoxTime{10'000};
constexpr std::size_t kLongestWorkspace = 200;

base::Time attempt_by(const Session& session, const config::Target& target) {
    if (!target.timeout) return session.total_by;
    return std::min(session.total_by, base::Clock::now() + *target.timeout);
}

std::string lines_for(const Session& session, const config::Target& target,
                      const std::string& workspace) {
    const bool pibox = target.agent == config::AgentKind::pibox;
    std::string lines;
    net::append_header(lines, pibox ? "X-Aicodebox-Workspace" : "X-Claude-Workspace", workspace);
    for (const net::Header& header : session.exchange.head.headers.all()) {
        const auto same = [&](std::string_view name) { return base::iequals(name, header.name); };
        if (std::ranges::any_of(kBoth, same) || (pibox && std::ranges::any_of(kPibox, same)))
            net::append_header(lines, header.name, header.value);
    }
    return lines;
}

Failure busy(std::string detail) {
    return {.outcome = Outcome::busy, .scope = llm::Scope::request, .detail = std::move(detail)};
}

/// claudebox runs in folders that exist: a file in it makes one.
net::Task<std::optional<Failure>> make_workspace(Session& session, const config::Target& target,
                                                 const std::string& workspace, bool named) {
    Box box(session.lane, target, session.ways, session.abort);
    if (named) {
        auto there = co_await box.ask("GET", "/files/" + url_path(workspace), {}, kBoxTime);
        if (there && there->status == 200) co_return std::nullopt;
    }
    auto made = co_await box.ask("PUT", "/files/" + url_path(workspace) + "/.freeway",
                                 "made by freeway\n", kBoxTime);
    if (!made) co_return transport_failure(made.error());
    session.step().status = made->status;
    if (made->status / 100 == 2) co_return std::nullopt;
    const std::vector<llm::Header> none;
    Failure failure =
        llm::classify(target.provider, {made->status, none, made->body}, base::WallClock::now());
    failure.detail = fmt::format("the workspace can't be made: {}", failure.detail);
    co_return failure;
}

/// Waits until the box says that nobody is in the workspace. False: the time or the client is
/// gone first.
net::Task<bool> idle(Session& session, const config::Target& target, const std::string& workspace,
                     base::Duration pause, base::Time by) {
    Box box(session.lane, target, session.ways, session.abort);
    base::Time heard = base::Clock::now();
    for (;; pause = kLook) {
        const base::Time at = base::Clock::now() + pause;
        if (at >= by || !co_await session.pause(at)) co_return false;
        if (base::Clock::now() - heard >= kHeartbeat) {
            heard = base::Clock::now();
            if (!co_await say_working(session, target)) co_return false;
        }
        const auto runs = co_await box.runs();
        if (!runs || !runs->busy(workspace)) co_return !session.abort.aborted();
    }
}

}  // namespace

Failure bad_workspace(std::string_view name, std::string_view why) {
    return {.outcome = Outcome::bad_request,
            .scope = llm::Scope::request,
            .detail = fmt::format("the workspace `{}`: {}", base::shown(name, 80), why)};
}

net::Task<bool> say_working(Session& session, const config::Target& target) {
    if (!session.job->stream()) co_return !session.exchange.gone();
    if (!co_await session.begin_stream()) co_return false;
    co_return co_await session.exchange.write(session.comment(target.alias + " is working"));
}

std::string_view named_workspace(const net::Headers& headers) {
    const std::string_view name = base::trim(headers.get("x-aicodebox-workspace"));
    return name.empty() ? base::trim(headers.get("x-claude-workspace")) : name;
}

std::string_view unfit_workspace(std::string_view name) {
    if (name.size() > kLongestWorkspace) return "it is too long";
    while (!name.empty()) {
        const std::size_t slash = name.find('/');
        const std::string_view part = name.substr(0, slash);
        const auto odd = [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '\\'; };
        if (part.empty() || part == "." || part == ".." || std::ranges::any_of(part, odd))
            return "it must be a relative path such as `site` or `team/site`";
        if (slash == name.npos) return {};
        name.remove_prefix(slash + 1);
    }
    return "it must not end with a slash";
}

net::Task<std::expected<std::unique_ptr<WaitingLine::Place>, Failure>> enter_workspace(
    Session& session, const config::Target& target, const std::string& line, base::Time by) {
    auto place = session.lane.shared.workspaces.join(line, session.lane.worker.loop.get_executor());
    if (!place) co_return std::unexpected(busy("too many requests wait for workspaces of agents"));
    while (place->position() > 1) {
        const base::Time now = base::Clock::now();
        if (now >= by)
            co_return std::unexpected(busy("its workspace stayed busy until the deadline"));
        if (!co_await session.pause(std::min(by, now + kHeartbeat), &place->timer()))
            co_return std::unexpected(client_left());
        if (place->position() > 1 && base::Clock::now() - now >= kHeartbeat &&
            !co_await say_working(session, target))
            co_return std::unexpected(client_left());
    }
    co_return std::move(place);
}

net::Task<std::expected<OpenCall, Failure>> call_box(Session& session, const config::Target& target,
                                                     Trial& trial, BoxVisit& visit,
                                                     Outgoing outgoing) {
    const base::Time by = attempt_by(session, target);
    const std::string_view name = named_workspace(session.exchange.head.headers);
    if (!name.empty()) {
        if (const auto why = unfit_workspace(name); !why.empty())
            co_return std::unexpected(bad_workspace(name, why));
        visit.workspace_ = name;
        const std::string line =
            fmt::format("{}:{}{}/{}", target.base.host, target.base.port, box_root(target), name);
        auto place = co_await enter_workspace(session, target, line, by);
        if (!place) co_return std::unexpected(place.error());
        visit.place_ = std::move(*place);
    } else {
        visit.workspace_ =
            fmt::format("freeway-{}-{}", session.record->id, session.record->steps.size());
    }
    if (target.agent == config::AgentKind::claudebox)
        if (auto failure =
                co_await make_workspace(session, target, visit.workspace_, !name.empty()))
            co_return std::unexpected(std::move(*failure));
    const std::string headers =
        std::string(outgoing.headers) + lines_for(session, target, visit.workspace_);
    outgoing.headers = headers;
    const net::Vigil vigil{kHeartbeat, [&] { return say_working(session, target); }};
    outgoing.vigil = &vigil;
    for (base::Duration pause = kFirstLook;; pause = kLook) {
        visit.begun_ = true;
        auto open = co_await open_call(session, target, trial, outgoing);
        // What the box has answered is over; only silence may hide a run that goes on.
        if (!open && open.error().status != 0) visit.begun_ = false;
        if (open || open.error().status != 409) co_return open;
        if (!co_await idle(session, target, visit.workspace_, pause, by)) {
            if (session.abort.aborted()) co_return std::unexpected(client_left());
            co_return open;
        }
    }
}

BoxVisit::~BoxVisit() {
    if (begun_) end_run(session_.lane, session_.ways, target_, workspace_, std::move(place_));
}

std::string box_root(const config::Target& target) {
    constexpr std::string_view kAdapter = "/openai/v1";
    std::string root = target.base.path;
    if (root.ends_with(kAdapter)) root.resize(root.size() - kAdapter.size());
    return root;
}

}  // namespace gateway
