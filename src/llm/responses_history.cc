#include "llm/responses_history.h"

#include "base/units.h"
#include "llm/splice.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

string_view value_of(const ChatRequest& request, string_view key) {
    const Member* member = request.find(key);
    return member ? request.text(member->value) : string_view();
}

/// An `input` as items: what stands between the brackets of a list.
std::string items_of(string_view input) {
    if (input.starts_with('"')) return fmt::format(R"({{"role":"user","content":{}}})", input);
    if (input.size() < 2 || !input.starts_with('[')) return {};
    return std::string(base::trim(input.substr(1, input.size() - 2)));
}

std::string joined(std::string first, string_view second) {
    if (!first.empty() && !second.empty()) first += ',';
    return first += second;
}

}  // namespace

std::string previous_response(const ChatRequest& request) {
    return json::text(value_of(request, "previous_response_id")).value_or("");
}

bool may_keep(const ChatRequest& request) {
    return request.endpoint == Endpoint::responses && value_of(request, "store") != "false" &&
           json::blank(value_of(request, "previous_response_id")) &&
           json::blank(value_of(request, "conversation"));
}

std::string conversation(const ChatRequest& request, string_view response) {
    std::string items = items_of(value_of(request, "input"));
    const string_view output = json::member(response, "output");
    json::Cursor in(output);
    if (output.starts_with('[') && in.enter_array())
        while (in.next_element())
            items = joined(std::move(items), without_member(in.value(), "id"));
    return items;
}

std::string continued(const ChatRequest& request, string_view items) {
    Splice splice(request.body);
    ObjectEdit object(splice, string_view(request.body).substr(request.body.find('{')));
    for (const Member& member : request.members) {
        const string_view whole = request.text(member.whole);
        if (member.key == "previous_response_id") {
            object.remove(whole);
            continue;
        }
        object.keep(whole);
        const string_view value = request.text(member.value);
        if (member.key == "input")
            splice.replace(value, '[' + joined(std::string(items), items_of(value)) + ']');
    }
    object.finish();
    return splice.apply();
}

}  // namespace llm
