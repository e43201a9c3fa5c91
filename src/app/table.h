#pragma once

#include <string>
#include <vector>

namespace app {

/// Columns padded to their widest cell, two spaces apart; the last one is not padded.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace app
