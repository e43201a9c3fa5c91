#pragma once

#include <string>
#include <string_view>

namespace base {

/// JSON text whose writer has only the scientific form for what is no whole number (6E1, 5E-1), as
/// people write it: 60, 0.5. Numbers too large or too small for that stay as they are, and so does
/// all else.
std::string plain_numbers(std::string_view json);

}  // namespace base
