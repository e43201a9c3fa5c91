#include "gateway/agent_command.h"

#include "base/units.h"
#include "device/child_environment.h"
#include "llm/json.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <filesystem>

namespace gateway {
namespace {

namespace fs = std::filesystem;
using config::AgentKind;

/// A longer text is no argument of a program: it goes in front of the prompt.
constexpr std::size_t kLongestArgument = 32u << 10;
/// Of our own environment: where programs are, how to speak, and how to reach the network.
constexpr auto kHandedOn = std::to_array<const char*>(
    {"PATH", "LANG", "LC_ALL", "TZ", "TERM", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy",
     "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"});
/// What Claude Code may do without being asked; nobody is there to ask.
constexpr std::string_view kClaudeTools =
    "Bash,Edit,Glob,Grep,NotebookEdit,Read,Task,TodoWrite,WebFetch,WebSearch,Write";
constexpr std::string_view kZai = "https://api.z.ai/api/anthropic";
/// A session of pi's or Claude Code's was begun here.
constexpr std::string_view kBegun = ".freeway-session";

std::vector<std::string> environment(const config::NativeAgent& agent, AgentKind kind,
                                     const std::string& home) {
    std::vector<std::string> list{"HOME=" + home};
    for (const char* name : kHandedOn)
        if (const char* value = std::getenv(name))
            if (auto given = device::handed_on(fmt::format("{}={}", name, value)))
                list.push_back(std::move(*given));
    for (const auto& [name, value] : agent.environment)
        list.push_back(fmt::format("{}={}", name, value.reveal()));
    if (kind == AgentKind::pibox) {
        list.insert(list.end(), {"PI_OFFLINE=1", "PI_TELEMETRY=0"});
    } else {
        list.insert(list.end(),
                    {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "CLAUDE_CODE_MAX_RETRIES=2",
                     "DISABLE_AUTOUPDATER=1", "DISABLE_ERROR_REPORTING=1", "DISABLE_TELEMETRY=1"});
    }
    return list;
}

/// pi knows where its models are by a file; the key is named there, not written.
std::string pi_models(const config::Catalog& catalog, const config::NativeAgent& agent) {
    std::string base(kZai);
    for (const auto& [name, value] : agent.environment)
        if (name == "ANTHROPIC_BASE_URL") base = value.reveal();
    std::string models;
    for (const config::Target& target : catalog.targets)
        if (target.native && target.agent == AgentKind::pibox)
            models += fmt::format("{}{{\"id\":{}}}", models.empty() ? "" : ",",
                                  llm::json::quote(target.model));
    return fmt::format(
        R"({{"providers":{{"freeway":{{"baseUrl":{},"api":"anthropic-messages","apiKey":"ANTHROPIC_API_KEY","models":[{}]}}}}}})",
        llm::json::quote(base), models);
}

std::vector<std::string> claude(const AgentTask& task, const std::string& program, bool goes_on) {
    std::vector<std::string> command{program,           "-p",
                                     "--output-format", "stream-json",
                                     "--verbose",       "--include-partial-messages",
                                     "--model",         std::string(task.model),
                                     "--allowedTools",  std::string(kClaudeTools)};
    if (goes_on) command.emplace_back("--continue");
    return command;
}

std::vector<std::string> pi(const AgentTask& task, const std::string& program, bool goes_on) {
    std::vector<std::string> command{program,      "-p",      "--mode",  "json",
                                     "--provider", "freeway", "--model", std::string(task.model)};
    if (goes_on) command.emplace_back("--continue");
    if (task.workspace.empty()) command.emplace_back("--no-session");
    return command;
}

}  // namespace

device::AgentCommand agent_command(const config::Catalog& catalog, AgentTask task,
                                   const std::string& program, const std::string& folder) {
    const config::NativeAgent& agent = *task.target.native;
    const AgentKind kind = task.target.agent;
    const fs::path root = fs::path(folder) / config::name(kind);
    device::AgentCommand out;
    out.home = root / ".home";
    out.fresh = task.workspace.empty();
    out.folder = root / (out.fresh ? task.fresh : std::string(task.workspace));
    std::error_code ignored;
    const fs::path begun = fs::path(out.folder) / kBegun;
    const bool goes_on = task.goes_on && fs::exists(begun, ignored);
    out.command =
        kind == AgentKind::pibox ? pi(task, program, goes_on) : claude(task, program, goes_on);
    if (!out.fresh) out.files.emplace_back(begun, "");
    if (kind == AgentKind::pibox)
        out.files.emplace_back(fs::path(out.home) / ".pi/agent/models.json",
                               pi_models(catalog, agent));
    out.input = std::move(task.prompt.text);
    if (task.prompt.system.size() > kLongestArgument) {
        out.input = fmt::format("<system>\n{}\n</system>\n\n{}", task.prompt.system, out.input);
    } else if (!task.prompt.system.empty()) {
        out.command.emplace_back("--append-system-prompt");
        out.command.push_back(task.prompt.system);
    }
    out.environment = environment(agent, kind, out.home);
    out.most_output = agent.most_output;
    out.most_processes = agent.most_processes;
    return out;
}

}  // namespace gateway
