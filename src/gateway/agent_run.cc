#include "gateway/agent_run.h"

#include "base/units.h"
#include "device/command.h"
#include "gateway/agent_box.h"
#include "gateway/agent_command.h"
#include "llm/agent_events.h"

#include <fmt/format.h>

#include <filesystem>

namespace gateway {

namespace fs = std::filesystem;

using llm::Failure;
using llm::Outcome;

namespace {

/// A line of pi's repeats the whole message so far.
constexpr std::size_t kLongestLine = 64u << 20;

/// A run's output as OpenAI's answer.
class AgentAnswer : public Source {
public:
    AgentAnswer(std::unique_ptr<device::AgentRun> run, llm::AgentEvents::Shape shape,
                net::AbortHandle& abort)
        : run_(std::move(run)), events_(std::move(shape)), abort_(abort) {}

    net::Task<base::Result<std::string_view>> next(base::Time deadline) override {
        out_.clear();
        while (out_.empty() && !ended_) {
            auto bytes = co_await run_->next(deadline, abort_);
            if (!bytes) co_return std::unexpected(bytes.error());
            if (!take(*bytes))
                co_return base::fail(base::ErrorKind::too_large, "the agent prints endless lines");
            ended_ = bytes->empty() || events_.over();
            if (events_.over()) run_->answered();  // it may stay on: nobody waits for that
            if (ended_) events_.end(run_->how(), run_->last_words(), out_);
        }
        co_return std::string_view(out_);
    }

private:
    /// Nothing: the output has ended.
    bool take(std::string_view bytes) {
        if (bytes.empty()) events_.line(rest_, out_);
        while (!events_.over()) {
            const std::size_t end = bytes.find('\n');
            rest_ += bytes.substr(0, end);
            if (rest_.size() > kLongestLine) return false;
            if (end == bytes.npos) return true;
            events_.line(rest_, out_);
            rest_.clear();
            bytes.remove_prefix(end + 1);
        }
        return true;
    }

    std::unique_ptr<device::AgentRun> run_;
    llm::AgentEvents events_;
    net::AbortHandle& abort_;
    std::string rest_;
    std::string out_;
    bool ended_ = false;
};

bool says_yes(std::string_view text) {
    text = base::trim(text);
    return text == "1" || base::iequals(text, "true") || base::iequals(text, "yes");
}

/// What the client asks of the run by headers.
struct Wishes {
    explicit Wishes(const net::Headers& headers)
        : workspace(named_workspace(headers)),
          goes_on(says_yes(headers.get("x-claude-continue")) ||
                  says_yes(headers.get("x-aicodebox-continue"))),
          show_tools(says_yes(headers.get("x-freeway-show-tools"))) {
        for (const std::string_view name :
             {"x-claude-append-system-prompt", "x-aicodebox-append-system-prompt"})
            if (system.empty()) system = base::trim(headers.get(name));
    }
    std::string_view workspace;
    std::string_view system;
    bool goes_on;
    bool show_tools;
};

/// Named workspaces stand beside our own folders, which begin with a dot or as fresh ones do.
std::string_view unfit_name(std::string_view workspace) {
    if (const auto why = unfit_workspace(workspace); !why.empty()) return why;
    if (workspace.starts_with('.') || workspace.contains("/."))
        return "no part of it may begin with a dot";
    if (workspace.starts_with(device::AgentHost::kFresh)) return "names of that kind are freeway's";
    return {};
}

/// The first part of a workspace's name that is there and is no folder; empty: there is none.
std::string_view in_the_way(const fs::path& root, std::string_view workspace) {
    for (std::size_t end = 0; end != workspace.npos;) {
        end = workspace.find('/', end + 1);
        const fs::path part = root / workspace.substr(0, end);
        std::error_code error;
        if (!fs::exists(fs::symlink_status(part, error))) return {};
        if (!fs::is_directory(fs::status(part, error))) return workspace.substr(0, end);
    }
    return {};
}

Failure skipped(Session& session, std::string detail) {
    session.step().skip = route::Skip::engine;
    return {.outcome = Outcome::transient, .detail = std::move(detail)};
}

std::string not_installed(const config::Target& target) {
    const bool pi = target.agent == config::AgentKind::pibox;
    return fmt::format("{} is not installed: install it, or set {} to where it is",
                       target.native->command, pi ? "PI_COMMAND" : "CLAUDE_COMMAND");
}

}  // namespace

net::Task<std::expected<OpenCall, Failure>> open_agent(Session& session,
                                                       const route::Candidate& candidate,
                                                       Trial& trial, std::string_view body) {
    const config::Target& target = *candidate.target;
    const auto program = device::find_program(target.native->command);
    if (!program) co_return std::unexpected(skipped(session, not_installed(target)));
    const Wishes wishes(session.exchange.head.headers);
    const auto why = wishes.workspace.empty() ? std::string_view() : unfit_name(wishes.workspace);
    if (!why.empty()) co_return std::unexpected(bad_workspace(wishes.workspace, why));
    auto prompt = llm::agent_prompt(body);
    if (!prompt) co_return std::unexpected(no_word(session, prompt.error()));
    if (!wishes.system.empty())
        prompt->system += fmt::format("{}{}", prompt->system.empty() ? "" : "\n\n", wishes.system);

    device::AgentHost& host = *session.lane.shared.agents;
    const bool stream = session.job->stream();
    Limits limits = limits_for(session, target, trial.last, stream);
    std::unique_ptr<WaitingLine::Place> place;
    if (!wishes.workspace.empty()) {
        const std::string line =
            fmt::format("native:{}/{}", config::name(target.agent), wishes.workspace);
        auto entered = co_await enter_workspace(session, target, line, limits.attempt_by);
        if (!entered) co_return std::unexpected(entered.error());
        place = std::move(*entered);
        limits = limits_for(session, target, trial.last, stream);
        const fs::path root = fs::path(host.folder()) / config::name(target.agent);
        if (const auto part = in_the_way(root, wishes.workspace); !part.empty())
            co_return std::unexpected(
                bad_workspace(wishes.workspace,
                              fmt::format("`{}` is a file; name another", base::shown(part, 80))));
    }
    AgentTask task{.target = target,
                   .model = candidate.model,
                   .workspace = wishes.workspace,
                   .fresh = fmt::format("{}{}-{}", device::AgentHost::kFresh, session.record->id,
                                        session.record->steps.size()),
                   .goes_on = wishes.goes_on,
                   .prompt = std::move(*prompt)};
    auto command = agent_command(*session.catalog, std::move(task), *program, host.folder());
    command.hold = std::move(place);  // the next one waits until this one's processes are gone
    auto run = host.start(session.lane.worker.loop.get_executor(), std::move(command));
    if (!run)
        co_return std::unexpected(Failure{.outcome = Outcome::busy,
                                          .scope = llm::Scope::target,
                                          .detail = "as many agents as may run are running"});
    trial.begun = true;
    session.step().status = 200;
    trial.reservation.counted(base::Now::read());
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(base::WallClock::now().time_since_epoch());
    llm::AgentEvents::Shape shape{
        .cli = target.agent == config::AgentKind::pibox ? llm::AgentCli::pi : llm::AgentCli::claude,
        .stream = stream,
        .show_tools = target.show_tools || wishes.show_tools,
        .model = candidate.model,
        .created = static_cast<std::uint64_t>(now.count())};
    OpenCall call;
    call.limits = limits;
    call.source = std::make_unique<AgentAnswer>(std::move(run), std::move(shape), session.abort);
    co_return std::move(call);
}

}  // namespace gateway
