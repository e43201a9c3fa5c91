#pragma once

#include "base/result.h"
#include "llm/chat_request.h"
#include "llm/json_schema.h"

#include <optional>
#include <string>

namespace llm {

/// What a client binds the answer to (`response_format`, whatever its protocol calls it): any
/// JSON object, or what a schema allows.
struct AnswerFormat {
    std::string name{};         ///< of the schema, fit for a tool; "answer" where it has none
    std::string description{};  ///< of the schema; empty: none
    std::string schema{};       ///< JSON text; empty: any object
    std::optional<JsonSchema> compiled{};
    bool checked = true;  ///< answers are held against it

    /// What a whole answer violates, without its content. Refusals, calls of the client's tools
    /// and what a limit cut off are no violations.
    std::optional<std::string> violation(const Completion& answer) const;
};

/// Reads the format that `request` asks for into `request.format`; `check`: answers will be
/// held against it, so that its schema must compile. bad_input names the member.
base::Result<void> read_format(ChatRequest& request, bool check);

}  // namespace llm
