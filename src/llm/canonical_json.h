#pragma once

#include <span>
#include <string>
#include <string_view>

namespace llm {

/// Appends `json` in a form that is the same for all texts that say the same: no white space,
/// members in the order of their names, strings escaped in one way. Numbers stay as they are
/// written; members of one name keep their order. `json` is one valid value, such as
/// json::Cursor has passed over.
void append_canonical(std::string& out, std::string_view json);

/// The same for an object without the members that `left_out` names.
void append_canonical_without(std::string& out, std::string_view object,
                              std::span<const std::string_view> left_out);

}  // namespace llm
