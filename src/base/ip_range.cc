#include "base/ip_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <vector>

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

bool is_public(const IpRange& address) {
    // RFC 6890 with its later entries, and what carries IPv4 inside IPv6.
    static const std::vector<IpRange> kOthers = [] {
        std::vector<IpRange> list;
        for (const char* text :
             {"0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8",
              "169.254.0.0/16", "172.16.0.0/12",  "192.0.0.0/24",  "192.0.2.0/24",
              "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
              "203.0.113.0/24", "224.0.0.0/3",    "::/96",         "64:ff9b::/96",
              "64:ff9b:1::/48", "100::/64",       "2001::/23",     "2001:db8::/32",
              "2002::/16",      "3fff::/20",      "5f00::/16",     "fc00::/7",
              "fe80::/10",      "fec0::/10",      "ff00::/8"})
            list.push_back(*IpRange::parse(text));
        return list;
    }();
    return std::none_of(kOthers.begin(), kOthers.end(),
                        [&](const IpRange& range) { return range.contains(address); });
}

}  // namespace base
