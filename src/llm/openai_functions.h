#pragma once

#include "base/result.h"
#include "llm/chat.h"

#include <string>
#include <string_view>
#include <vector>

/// The first form of OpenAI's tools: `functions` and `function_call` in the request, one call in
/// an answer, messages of the role `function`. Targets that know only `tools` get those.
namespace llm::functions {

/// `functions` as tools.
base::Result<std::vector<Tool>> read_tools(std::string_view functions);

/// `function_call` of a request as a `tool_choice`.
std::string tool_choice(std::string_view function_call);

/// `function_call` of an assistant's message, or the `function` of today's call: a call of this
/// `id`, which the first form does not have.
Part read_call(std::string_view function_call, std::string id);

/// An assistant's message in today's form, its first call in this one.
std::string as_function_call(std::string_view message, const std::vector<Part>& parts);

/// A finish reason in this form.
std::string_view finish_reason(std::string_view reason);

}  // namespace llm::functions
