#include "config/native_agent.h"

#include "base/programs.h"
#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace config {
namespace {

/// One variable of ours and what the command line calls it.
struct Given {
    std::string_view ours;
    std::string_view theirs;
};
// ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL of .env are not among them: the key is paid by use,
// and an address that leads back to us would go round in circles.
constexpr std::array<Given, 3> kClaude = {{
    {"CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"},
    {"CLAUDEBOX_ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"},
    {"CLAUDEBOX_ANTHROPIC_BASE_URL", "ANTHROPIC_BASE_URL"},
}};
constexpr std::array<Given, 2> kPi = {{
    {"PIBOX_ZAI_AUTH_TOKEN", "ANTHROPIC_API_KEY"},
    {"PIBOX_ZAI_ANTHROPIC_BASE_URL", "ANTHROPIC_BASE_URL"},
}};

constexpr std::string_view kClaudeCommand = "CLAUDE_COMMAND";
constexpr std::string_view kPiCommand = "PI_COMMAND";
constexpr std::string_view kProcesses = "AGENT_MAX_PROCESSES";
constexpr std::string_view kOutput = "AGENT_MAX_OUTPUT_MB";
constexpr int kMostOfEither = 100'000;
constexpr std::size_t kShown = 120;

/// A whole number from 1 to kMostOfEither; nullopt: the text is none.
std::optional<int> bound(std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && value >= 1 && value <= kMostOfEither ? std::optional(value) : std::nullopt;
}

template <std::size_t count>
NativeAgent agent_of(const std::array<Given, count>& given, std::string_view command,
                     std::string_view usual, const Variables& variables) {
    NativeAgent agent;
    agent.command = variables.get(command);
    if (agent.command.empty()) agent.command = usual;
    for (const Given& one : given)
        if (std::string_view value = variables.get(one.ours); !value.empty())
            agent.environment.emplace_back(one.theirs, base::Secret(std::string(value)));
    if (auto most = bound(variables.get(kProcesses))) agent.most_processes = *most;
    if (auto most = bound(variables.get(kOutput)))
        agent.most_output = static_cast<std::size_t>(*most) << 20;
    return agent;
}

void check_program(const Value& chosen, std::string_view usual, Findings& findings) {
    if (chosen.text.empty() || base::find_program(chosen.text)) return;
    findings.warning(chosen,
                     fmt::format("{} names `{}`, where no program is, so the agent can't be run: "
                                 "correct it, or unset it and {} is looked for on the PATH",
                                 chosen.variable, base::shown(chosen.text, kShown), usual));
}

}  // namespace

std::string_view native_flag(std::string_view agent) {
    if (agent == name(AgentKind::claudebox)) return "CLAUDEBOX_NATIVE";
    if (agent == name(AgentKind::pibox)) return "PIBOX_NATIVE";
    return {};
}

void read_native(const Value& info, const Variables& variables, Target& target,
                 Findings& findings) {
    if (!boolean_of(info, "native", findings).value_or(false)) return;
    switch (target.agent) {
        case AgentKind::claudebox:
            target.native = agent_of(kClaude, kClaudeCommand, "claude", variables);
            return;
        case AgentKind::pibox: target.native = agent_of(kPi, kPiCommand, "pi", variables); return;
        case AgentKind::none:
            findings.error(*info.find("native"), "`native` needs `agent: claudebox` or `pibox`");
    }
}

void AgentChecks::look(const Target& target) {
    if (!target.native) return;
    Kind& kind = target.agent == AgentKind::pibox ? pi_ : claude_;
    kind.runs = true;
    const bool given = std::ranges::any_of(target.native->environment, [](const auto& one) {
        return one.first != "ANTHROPIC_BASE_URL";
    });
    if (!given) kind.lacks_login = true;
}

void AgentChecks::report(const Variables& variables, Findings& findings) const {
    if (claude_.lacks_login)
        findings.warning(variables.place("CLAUDEBOX_NATIVE"),
                         "CLAUDEBOX_NATIVE=1, but claude is given nothing to log in with: set "
                         "CLAUDE_CODE_OAUTH_TOKEN (from `claude setup-token`) or "
                         "CLAUDEBOX_ANTHROPIC_API_KEY; else it serves only where it was logged in "
                         "with HOME=DATA/agents/claudebox/.home");
    if (pi_.lacks_login)
        findings.error(variables.place("PIBOX_NATIVE"),
                       "PIBOX_NATIVE=1, but PIBOX_ZAI_AUTH_TOKEN is not set: pi has no key for "
                       "z.ai and can't answer; set it, or write PIBOX_NATIVE=0");
    if (claude_.runs) check_program(variables.place(kClaudeCommand), "claude", findings);
    if (pi_.runs) check_program(variables.place(kPiCommand), "pi", findings);
}

void check_agent_bounds(const Environment& env, Findings& findings) {
    for (std::string_view name : {kProcesses, kOutput}) {
        std::string_view text = env.get(name);
        if (text.empty() || bound(text)) continue;
        findings.warning(place_of(env, name),
                         fmt::format("{} must be a whole number from 1 to {}; 256 holds instead",
                                     name, kMostOfEither));
    }
}

}  // namespace config
