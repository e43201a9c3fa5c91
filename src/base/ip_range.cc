#include "base/ip_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace base {
namespace {

constexpr int kAllBits = 128;
/// The prefix of IPv4 addresses among those of IPv6 (RFC 4291, 2.5.5.2).
constexpr int kMappedBits = 96;

}  // namespace

std::optional<IpRange> IpRange::parse(const std::string& text) {
    const std::size_t slash = text.find('/');
    const std::string address = text.substr(0, std::min(slash, text.find('%')));
    IpRange range;
    int first = 0;
    if (inet_pton(AF_INET6, address.c_str(), range.bytes_.data()) != 1) {
        first = kMappedBits;
        range.bytes_ = {};
        range.bytes_[10] = range.bytes_[11] = 0xff;
        if (inet_pton(AF_INET, address.c_str(), range.bytes_.data() + kMappedBits / 8) != 1)
            return std::nullopt;
    }
    if (slash == std::string::npos) return range;
    const char* end = text.data() + text.size();
    int bits = 0;
    const auto read = std::from_chars(text.data() + slash + 1, end, bits);
    if (read.ec != std::errc() || read.ptr != end || bits < 0 || bits > kAllBits - first)
        return std::nullopt;
    range.bits_ = first + bits;
    return range;
}

bool IpRange::contains(const IpRange& address) const {
    if (address.bits_ < bits_) return false;
    const auto whole = static_cast<std::size_t>(bits_ / 8);
    if (!std::equal(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(whole),
                    address.bytes_.begin()))
        return false;
    const int rest = bits_ % 8;
    return rest == 0 || (bytes_[whole] ^ address.bytes_[whole]) >> (8 - rest) == 0;
}

}  // namespace base
