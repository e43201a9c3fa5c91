#include "llm/shorter_answer.h"

#include "llm/json.h"
#include "llm/splice.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

bool bounds_answer(string_view key) {
    return key == "max_tokens" || key == "max_completion_tokens";
}

/// min_tokens or min_completion_tokens, the larger.
std::uint64_t least_wanted(const ChatRequest& request) {
    std::uint64_t least = 0;
    for (const Member& member : request.members)
        if (member.key == "min_tokens" || member.key == "min_completion_tokens")
            least = std::max(least, json::count(request.text(member.value)).value_or(0));
    return least;
}

}  // namespace

bool may_be_shorter(const ChatRequest& request, std::uint64_t most) {
    return most >= kShortestAnswer && request.max_tokens.value_or(most + 1) > most &&
           least_wanted(request) <= most;
}

void shorten_answer(Call& call, std::uint64_t most) {
    Splice splice(call.body);
    ObjectEdit object(splice, call.body);
    json::Cursor in(call.body);
    string_view key;
    bool bounded = false;
    in.enter_object();
    while (in.next_member(key)) {
        const string_view value = in.value();
        const char* const begin = key.data() - 1;
        object.keep({begin, static_cast<std::size_t>(value.data() + value.size() - begin)});
        if (!bounds_answer(key)) continue;
        bounded = true;
        if (json::count(value).value_or(most + 1) > most)
            splice.replace(value, std::to_string(most));
    }
    if (!bounded) object.add("max_tokens", std::to_string(most));
    object.finish();
    call.body = splice.apply();
    call.changes.push_back(fmt::format("set max_tokens to {}, all that can be paid", most));
}

}  // namespace llm
