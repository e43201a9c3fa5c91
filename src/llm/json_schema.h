#pragma once

#include "base/result.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace llm {

/// A client's JSON Schema (draft 7, and what later drafts write otherwise: `$defs`,
/// `prefixItems`), compiled once and asked about answers. Work is bounded both ways: the
/// schema's size and shape when it is compiled, the steps of each check. Nothing is fetched:
/// `$ref` reaches into the schema itself only. `format` is a remark, as the standard has it;
/// `patternProperties` are not checked, and what they would have let through is let through.
/// Immutable: may be asked from any thread.
class JsonSchema {
public:
    /// bad_input says at which place (a JSON pointer into the schema) what is wrong.
    static base::Result<JsonSchema> compile(std::string_view schema);

    /// What `answer`, any text, violates first: the JSON pointer to it and the rule, never a
    /// value. Keys that the schema does not name stand as `*`. nullopt: it is valid.
    std::optional<std::string> violation(std::string_view answer) const;

    struct Compiled;

private:
    explicit JsonSchema(std::shared_ptr<const Compiled> compiled)
        : compiled_(std::move(compiled)) {}

    std::shared_ptr<const Compiled> compiled_;
};

}  // namespace llm
