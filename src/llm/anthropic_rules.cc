#include "llm/anthropic_rules.h"

#include "base/units.h"
#include "llm/json.h"
#include "llm/tool_names.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace llm::anthropic {
namespace {

using std::string_view;

constexpr std::size_t kLongestName = 128;
constexpr string_view kBase64 = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=";

/// The number that `text` begins with, taken off it; a date is none.
std::optional<int> take_number(string_view& text) {
    int value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value < 0 || value > 99) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

struct Effort {
    string_view name;
    std::uint64_t budget;
};
constexpr auto kEfforts = std::to_array<Effort>({{"minimal", 1024},
                                                 {"low", 2048},
                                                 {"medium", 8192},
                                                 {"high", 16384},
                                                 {"xhigh", 16384},
                                                 {"max", 16384}});

}  // namespace

Model model_named(string_view id) {
    std::size_t at = id.find("claude-");
    if (at == id.npos) return {};
    Model model{.version = 100, .opus = id.find("opus") != id.npos};
    string_view rest = id.substr(at);
    while ((at = rest.find_first_of("-")) != rest.npos) {
        rest.remove_prefix(at + 1);
        std::optional<int> major = take_number(rest);
        if (!major) continue;
        model.version = *major * 100;
        if (!rest.starts_with('-') && !rest.starts_with('.')) break;
        rest.remove_prefix(1);
        if (std::optional<int> minor = take_number(rest)) model.version += *minor;
        break;
    }
    return model;
}

std::string tool_id(string_view id) { return fitting_name(id, kLongestName); }

std::string tool_name(string_view name) { return fitting_name(name, kLongestName); }

std::string client_name(const Chat& chat, string_view name) {
    return client_tool_name(chat, name, kLongestName);
}

bool signed_here(const Part& thinking) {
    if (thinking.kind == Part::Kind::redacted_thinking) return !thinking.data.empty();
    const std::string& signature = thinking.signature;
    constexpr string_view kOpenAiReasoning = "gAAAA";
    return !signature.empty() && signature.find_first_not_of(kBase64) == signature.npos &&
           !signature.starts_with(kOpenAiReasoning);
}

std::optional<std::uint64_t> budget_of(string_view effort) {
    auto it = std::ranges::find(kEfforts, effort, &Effort::name);
    if (it == kEfforts.end()) return std::nullopt;
    return it->budget;
}

std::string input_object(string_view arguments) {
    json::Cursor whole(arguments);
    const bool object = whole.peek() == '{' && whole.skip() && whole.complete();
    if (object) return std::string(arguments);
    if (base::trim(arguments).empty()) return "{}";
    return fmt::format(R"({{"arguments":{}}})", json::quote(arguments));
}

}  // namespace llm::anthropic
