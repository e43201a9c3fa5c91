#pragma once

#include <string>

namespace net {

/// Like resize, without writing zeros where the socket will write.
inline void grow(std::string& buffer, std::size_t size) {
    buffer.resize_and_overwrite(size, [size](char*, std::size_t) { return size; });
}

}  // namespace net
