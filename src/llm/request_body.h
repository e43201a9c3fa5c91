#pragma once

#include "base/result.h"
#include "llm/chat_request.h"

#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// A client's request that is one JSON object, read once into spans.
struct RequestBody {
    std::string text;  ///< as the client sent it
    std::vector<Member> members;

    std::string_view at(Span span) const {
        return std::string_view(text).substr(span.begin, span.end - span.begin);
    }
    /// The JSON of a member; empty where there is none or it is null.
    std::string_view value(std::string_view key) const;
    /// Where `part`, a view into `text`, stands.
    Span span(std::string_view part) const {
        const auto begin = static_cast<std::size_t>(part.data() - text.data());
        return {begin, begin + part.size()};
    }
};

/// An object whose members are read one by one has no more than these: no API knows as many.
inline constexpr std::size_t kMaxMembers = 1000;

/// bad_input for an object with more: `what` names it, such as "the body".
std::unexpected<base::Error> too_many_members(std::string_view what);

/// Fails with bad_input: not JSON, not an object, not UTF-8, a member given twice, more than
/// kMaxMembers. `wanted` says
/// what to send in place of nothing: "`model` and `input`".
base::Result<RequestBody> read_request_body(std::string text, std::string_view wanted);

/// The alias that a request names. `value`: the JSON of its `model`, empty where it has none.
base::Result<std::string> read_model_name(std::string_view value);

/// "an array", "a number", …: for messages about `value`.
std::string_view type_name(std::string_view value);

/// A text as it is quoted in messages about a request that breaks off in its JSON at `position`.
std::unexpected<base::Error> not_json(std::string_view body, std::size_t position,
                                      std::string_view wanted);

}  // namespace llm
