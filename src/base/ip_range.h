#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace base {

/// An IP address, or all that share its first bits (`10.0.0.0/8`). IPv4 is kept as
/// the IPv6 address that stands for it, so both spellings of one peer are equal.
class IpRange {
public:
    /// nullopt: neither an address nor a network. A zone (`fe80::1%eth0`) is ignored.
    static std::optional<IpRange> parse(const std::string& text);

    bool contains(const IpRange& address) const;

private:
    std::array<std::uint8_t, 16> bytes_{};
    int bits_ = 128;
};

/// Reachable from everywhere: not loopback, private, link-local, shared, multicast or reserved.
bool is_public(const IpRange& address);

}  // namespace base
