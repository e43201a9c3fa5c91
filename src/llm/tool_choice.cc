#include "llm/tool_choice.h"

#include "llm/json.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

std::unexpected<base::Error> wrong(string_view what) {
    return base::fail(base::ErrorKind::bad_input,
                      fmt::format("tool_choice {}; send \"auto\", \"none\", \"required\" or "
                                  R"({{"type":"function","function":{{"name":…}}}})",
                                  what));
}

std::string name_in(string_view entry) {
    string_view nested = json::member(entry, "function", "name");
    return json::text(nested.empty() ? json::member(entry, "name") : nested).value_or("");
}

base::Result<ToolChoice::Calls> read_mode(string_view mode) {
    using Calls = ToolChoice::Calls;
    if (mode.empty() || mode == "\"auto\"") return Calls::free;
    if (mode == "\"none\"") return Calls::none;
    if (mode == "\"required\"") return Calls::required;
    return wrong("is none that is known");
}

/// The names that an object of a choice lists.
std::vector<std::string> listed(string_view choice) {
    if (json::member(choice, "type") != "\"allowed_tools\"") return {name_in(choice)};
    string_view list = json::member(choice, "allowed_tools", "tools");
    if (list.empty()) list = json::member(choice, "tools");
    std::vector<std::string> names;
    json::Cursor in(list);
    if (list.starts_with('[') && in.enter_array())
        while (in.next_element()) names.push_back(name_in(in.value()));
    return names;
}

base::Result<ToolChoice> read_object(const Chat& chat, string_view choice) {
    ToolChoice out{.calls = ToolChoice::Calls::required};
    if (json::member(choice, "type") == "\"allowed_tools\"") {
        string_view mode = json::member(choice, "allowed_tools", "mode");
        auto calls = read_mode(mode.empty() ? json::member(choice, "mode") : mode);
        if (!calls) return std::unexpected(calls.error());
        out.calls = *calls;
    }
    const std::vector<std::string> names = listed(choice);
    for (const Tool& tool : chat.tools)
        if (std::ranges::find(names, tool.name) != names.end()) out.tools.push_back(&tool);
    if (out.tools.empty()) return wrong("names no tool of `tools`");
    return out;
}

}  // namespace

base::Result<ToolChoice> read_tool_choice(const Chat& chat, string_view choice) {
    for (const Tool& tool : chat.tools)
        if (!tool.native.empty())
            return base::fail(base::ErrorKind::unsupported,
                              fmt::format("tools[].{}: only its own provider runs it", tool.name));
    if (choice.starts_with('{') && !chat.tools.empty()) return read_object(chat, choice);
    ToolChoice out;
    for (const Tool& tool : chat.tools) out.tools.push_back(&tool);
    if (chat.tools.empty()) return out;
    auto calls = read_mode(choice);
    if (!calls) return std::unexpected(calls.error());
    out.calls = *calls;
    return out;
}

bool wants_one_call(const Chat& chat) {
    const Extra* parallel = chat.find("parallel_tool_calls");
    return parallel && parallel->json == "false";
}

void keep_first_call(Completion& answer) {
    bool seen = false;
    std::erase_if(answer.parts, [&seen](const Part& part) {
        return part.kind == Part::Kind::tool_call && std::exchange(seen, true);
    });
}

}  // namespace llm
