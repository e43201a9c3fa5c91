#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace device {

/// Fails with io if the disk of `path` (or of the folder above it that exists) has less than
/// `bytes` to give; the text names `what` for. A disk that can't be asked has room.
base::Result<void> disk_room(const std::string& path, std::string_view what, std::uint64_t bytes);

}  // namespace device
