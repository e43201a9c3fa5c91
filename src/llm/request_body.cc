#include "llm/request_body.h"

#include "llm/json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

namespace llm {
namespace {

using base::ErrorKind;
using std::string_view;

/// No alias is as long; the name is kept in records and logs.
constexpr std::size_t kMaxModelName = 256;

string_view given_twice(const RequestBody& body) {
    std::vector<string_view> keys;
    for (const Member& member : body.members) keys.push_back(member.key);
    std::ranges::sort(keys);
    const auto twice = std::ranges::adjacent_find(keys);
    return twice == keys.end() ? string_view() : *twice;
}

}  // namespace

string_view type_name(string_view value) {
    switch (value.empty() ? '\0' : value.front()) {
        case '{': return "an object";
        case '[': return "an array";
        case '"': return "a string";
        case 't':
        case 'f': return "a boolean";
        case 'n': return "null";
        default: return "a number";
    }
}

std::unexpected<base::Error> not_json(string_view body, std::size_t position, string_view wanted) {
    if (body.find_first_not_of(" \t\r\n") == body.npos)
        return base::fail(ErrorKind::bad_input,
                          fmt::format("the body is empty; send a JSON object with {}", wanted));
    return base::fail(ErrorKind::bad_input,
                      fmt::format("the body is not valid JSON: it breaks at byte {} of {}",
                                  position, body.size()));
}

std::unexpected<base::Error> too_many_members(string_view what) {
    return base::fail(ErrorKind::bad_input,
                      fmt::format("{} has more than {} members; send only those that the API knows",
                                  what, kMaxMembers));
}

string_view RequestBody::value(string_view key) const {
    const auto found = std::ranges::find(members, key, &Member::key);
    const string_view json = found == members.end() ? string_view() : at(found->value);
    return json == "null" ? string_view() : json;
}

base::Result<RequestBody> read_request_body(std::string text, string_view wanted) {
    RequestBody body;
    body.text = std::move(text);
    json::Cursor in(body.text);
    if (in.peek() != '{' && in.peek() != '\0')
        return base::fail(ErrorKind::bad_input,
                          fmt::format("the body must be a JSON object, not {}",
                                      type_name(string_view(body.text).substr(in.position()))));
    string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        if (body.members.size() == kMaxMembers) return too_many_members("the body");
        const std::size_t begin = body.span(key).begin - 1;
        const string_view value = in.value();
        if (value.empty()) break;
        const Span span = body.span(value);
        body.members.push_back({json::unescape(key), {begin, span.end}, span});
    }
    if (!in.complete()) return not_json(body.text, in.position(), wanted);
    if (!simdjson::validate_utf8(body.text))
        return base::fail(ErrorKind::bad_input, "the body is not valid UTF-8");
    if (const string_view twice = given_twice(body); !twice.empty())
        return base::fail(ErrorKind::bad_input,
                          fmt::format("`{}` is given twice; send it once", twice));
    return body;
}

base::Result<std::string> read_model_name(string_view value) {
    if (value.empty())
        return base::fail(ErrorKind::bad_input,
                          "`model` is missing; name one of the aliases of GET /v1/models");
    std::optional<std::string> model = json::text(value);
    if (!model)
        return base::fail(ErrorKind::bad_input,
                          fmt::format("`model` must be a string, not {}", type_name(value)));
    if (model->empty())
        return base::fail(ErrorKind::bad_input,
                          "`model` is empty; name one of the aliases of GET /v1/models");
    if (model->size() > kMaxModelName)
        return base::fail(
            ErrorKind::bad_input,
            fmt::format(
                "`model` is longer than {} bytes; name one of the aliases of GET /v1/models",
                kMaxModelName));
    return std::move(*model);
}

}  // namespace llm
