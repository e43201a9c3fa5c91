#include "config/engine_block.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace config {
namespace {

constexpr std::array<std::string_view, 9> kKnown = {
    "command", "ready", "ttl", "port", "exclusive", "start_timeout", "models", "flag", "on_hangup"};
/// Right words in the wrong place.
constexpr std::array<std::string_view, 2> kOfModelInfo = {"memory_gb", "device"};

void check_keys(const Value& engine, Findings& findings) {
    for (const Member& member : engine.members) {
        if (std::ranges::find(kKnown, member.name) != kKnown.end()) continue;
        if (std::ranges::find(kOfModelInfo, member.name) != kOfModelInfo.end()) {
            findings.warning(member.value,
                             fmt::format("`{}` under engine is not read: it belongs beside engine, "
                                         "under model_info",
                                         member.name));
            continue;
        }
        findings.warning(
            member.value,
            fmt::format("unknown key `{}` under engine is not read{}; known are {}", member.name,
                        did_you_mean(member.name, {kKnown.begin(), kKnown.end()}),
                        fmt::join(kKnown, ", ")));
    }
}

/// Below DATA_DIR, and never out of it.
bool inside(std::string_view folder) {
    if (folder.empty() || folder.starts_with('/')) return false;
    while (!folder.empty()) {
        const std::size_t slash = folder.find('/');
        const std::string_view part = folder.substr(0, slash);
        if (part.empty() || part == "." || part == "..") return false;
        folder = slash == folder.npos ? std::string_view() : folder.substr(slash + 1);
    }
    return true;
}

void read_models(const Value& value, Engine& engine, Findings& findings) {
    auto folder = text_of(value, "models", findings);
    if (!folder) return;
    if (inside(*folder)) {
        engine.models = std::move(*folder);
        return;
    }
    findings.error(*value.find("models"),
                   fmt::format("models `{}` must be a folder below the data folder, such as "
                               "sdcpp/models",
                               *folder));
}

void read_on_hangup(const Value& value, Engine& engine, Findings& findings) {
    auto word = text_of(value, "on_hangup", findings);
    if (!word) return;
    engine.kill_on_hangup = *word == "kill";
    if (*word != "kill" && *word != "close")
        findings.error(*value.find("on_hangup"),
                       fmt::format("on_hangup `{}` must be close or kill", *word));
}

/// `{prot}` in a word: a name in single braces; empty: there is none that nobody knows.
std::string_view unknown_placeholder(std::string_view word) {
    for (std::size_t open = word.find('{'); open != word.npos; open = word.find('{', open + 1)) {
        const std::size_t close = word.find_first_not_of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", open + 1);
        if (close == word.npos) return {};
        const bool single = (open == 0 || (word[open - 1] != '{' && word[open - 1] != '$')) &&
                            word.substr(close, 1) == "}" && word.substr(close + 1, 1) != "}";
        const std::string_view name = word.substr(open + 1, close - open - 1);
        if (single && !name.empty() && name != "host" && name != "port") return name;
    }
    return {};
}

void check_word(const Value& word, Findings& findings) {
    constexpr std::string_view kMark = "#sha256=";
    const std::string_view text = word.text;
    if (const std::size_t mark = text.find(kMark);
        is_url(text) && mark != text.npos && !is_checksum(text.substr(mark + kMark.size())))
        findings.error(word,
                       "`#sha256=` of the URL must be followed by the file's checksum, "
                       "64 hexadecimal digits: no file has any other");
    if (const std::string_view name = unknown_placeholder(text); !name.empty())
        findings.warning(word, fmt::format("`{{{}}}` in the command is handed on as it stands{}; "
                                           "what is replaced is {{host}} and {{port}}",
                                           name, did_you_mean(name, {"host", "port"})));
}

std::vector<std::string> read_command(const Value& value, Findings& findings) {
    const Value* command = value.find("command");
    if (command && command->is_scalar()) {
        findings.error(*command,
                       fmt::format("`command` must be a list of program and arguments, such as "
                                   "[llama-server, --jinja]; `{}` is one text, and no shell "
                                   "splits it",
                                   command->text.substr(0, 80)));
        return {};
    }
    if (!command || (command->is_list() && command->items.empty())) {
        findings.error(value, "`engine` needs a `command`: a list of program and arguments");
        return {};
    }
    for (const Value& word : command->items) check_word(word, findings);
    return texts_of(value, "command", findings);
}

}  // namespace

std::optional<Engine> read_engine(const Value& info, Findings& findings) {
    const Value* value = map_of(info, "engine", findings);
    if (!value) return std::nullopt;
    Engine engine;
    engine.command = read_command(*value, findings);
    if (auto ready = text_of(*value, "ready", findings)) engine.ready = *ready;
    if (auto ttl = duration_of(*value, "ttl", findings)) engine.ttl = *ttl;
    if (auto span = duration_of(*value, "start_timeout", findings)) {
        if (span->count() > 0)
            engine.start_timeout = *span;
        else
            findings.error(*value->find("start_timeout"),
                           "start_timeout must be more than 0: no engine starts in no time; leave "
                           "it out for 2m");
    }
    if (auto port = integer_of(*value, "port", 1, 65'535, findings))
        engine.port = static_cast<std::uint16_t>(*port);
    if (auto group = text_of(*value, "exclusive", findings)) engine.exclusive = *group;
    read_models(*value, engine, findings);
    read_on_hangup(*value, engine, findings);
    if (!engine.ready.starts_with('/'))
        findings.error(*value->find("ready"),
                       fmt::format("ready `{}` must be a path, such as /health", engine.ready));
    check_keys(*value, findings);
    return engine;
}

bool is_url(std::string_view word) {
    return word.starts_with("http://") || word.starts_with("https://");
}

bool is_checksum(std::string_view text) {
    constexpr std::size_t kDigits = 64;
    return text.size() == kDigits &&
           std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

std::string_view engine_variable(std::string_view program) {
    if (program == "llama-server") return "LLAMACPP_SERVER";
    if (program == "sd-server") return "SD_SERVER";
    if (program == "whisper-server") return "WHISPER_SERVER";
    return {};
}

std::string_view engine_flag(const Value& model) {
    const Value* info = model.find("model_info");
    const Value* engine = info ? info->find("engine") : nullptr;
    const Value* flag = engine ? engine->find("flag") : nullptr;
    return flag ? std::string_view(flag->text) : std::string_view();
}

void choose_engine(Value& params, Value& info, const Variables& variables, Findings& findings) {
    const Value* engine = info.find("engine");
    if (!engine) return;
    const Value* flag = engine->find("flag");
    if (flag && variables.get(flag->text) != "1") return info.erase("engine");
    for (const std::string_view key : {"api_base", "base_url"}) {
        if (const Value* base = params.find(key); base && !flag)
            findings.warning(*base, fmt::format("`{}` has no effect beside `engine`: the program "
                                                "that freeway runs is asked; remove one of the two",
                                                key));
        params.erase(key);
    }
}

}  // namespace config
