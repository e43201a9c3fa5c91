#include "llm/openai_functions.h"

#include "base/units.h"
#include "llm/fields.h"
#include "llm/openai_client.h"
#include "llm/splice.h"

#include <fmt/format.h>

namespace llm::functions {

using std::string_view;

base::Result<std::vector<Tool>> read_tools(string_view functions) {
    std::string tools;
    for_each_element(functions, [&tools](string_view one) {
        tools +=
            fmt::format(R"({}{{"type":"function","function":{}}})", tools.empty() ? "" : ",", one);
    });
    return read_openai_tools('[' + tools + ']');
}

std::string tool_choice(string_view function_call) {
    if (!function_call.starts_with('{')) return std::string(function_call);
    return fmt::format(R"({{"type":"function","function":{}}})", function_call);
}

Part read_call(string_view function_call, std::string id) {
    const string_view given = json::member(function_call, "arguments");
    std::string arguments =
        json::text(given).value_or(given.starts_with('{') ? std::string(given) : "");
    return {.kind = Part::Kind::tool_call,
            .name = text_of(function_call, "name"),
            .id = std::move(id),
            .json = base::trim(arguments).empty() ? "{}" : std::move(arguments)};
}

std::string as_function_call(string_view message, const std::vector<Part>& parts) {
    const auto call = std::ranges::find(parts, Part::Kind::tool_call, &Part::kind);
    if (call == parts.end()) return std::string(message);
    std::string out = without_member(message, "tool_calls");
    out.insert(out.size() - 1, fmt::format(R"(,"function_call":{{"name":{},"arguments":{}}})",
                                           json::quote(call->name),
                                           json::quote(call->json.empty() ? "{}" : call->json)));
    return out;
}

string_view finish_reason(string_view reason) {
    return reason == "tool_calls" ? "function_call" : reason;
}

}  // namespace llm::functions
