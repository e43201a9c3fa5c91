#include "base/percent.h"

#include <fmt/format.h>

#include <iterator>

namespace base {

std::string percent_encoded(std::string_view text, std::string_view also_plain) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                           (c >= 'a' && c <= 'z') || std::string_view("-._~").contains(c) ||
                           also_plain.contains(c);
        if (plain)
            out += c;
        else
            fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

}  // namespace base
