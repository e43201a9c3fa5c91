#include "base/ip_range.h"

#include <gtest/gtest.h>

namespace base {
namespace {

bool within(const std::string& range, const std::string& address) {
    return IpRange::parse(range).value().contains(IpRange::parse(address).value());
}

TEST(IpRange, AnAddressContainsItselfAlone) {
    EXPECT_TRUE(within("127.0.0.1", "127.0.0.1"));
    EXPECT_FALSE(within("127.0.0.1", "127.0.0.2"));
    EXPECT_TRUE(within("::1", "0:0::1"));
    EXPECT_FALSE(within("::1", "127.0.0.1"));
    EXPECT_TRUE(within("10.1.2.3", "::ffff:10.1.2.3")) << "the peer of a socket that listens on ::";
    EXPECT_TRUE(within("fe80::1", "fe80::1%eth0"));
}

TEST(IpRange, ANetworkContainsItsAddresses) {
    EXPECT_TRUE(within("10.0.0.0/8", "10.255.0.1"));
    EXPECT_FALSE(within("10.0.0.0/8", "11.0.0.1"));
    EXPECT_TRUE(within("192.168.4.0/22", "192.168.7.255"));
    EXPECT_FALSE(within("192.168.4.0/22", "192.168.8.0"));
    EXPECT_TRUE(within("0.0.0.0/0", "8.8.8.8"));
    EXPECT_FALSE(within("0.0.0.0/0", "2001:db8::1"));
    EXPECT_TRUE(within("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(within("2001:db8::/33", "2001:db8:8000::1"));
    EXPECT_FALSE(within("10.0.0.1", "10.0.0.0/8")) << "a network is no part of an address";
}

TEST(IpRange, RefusesWhatIsNone) {
    for (const char* text : {"", "localhost", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x",
                             "10.0.0.0/-1", "::/129", "1.2.3.4:80", "*"})
        EXPECT_FALSE(IpRange::parse(text)) << text;
}

TEST(IpRange, PublicAddresses) {
    for (const char* text : {"8.8.8.8", "172.15.0.1", "172.32.0.1", "2606:4700::1111"})
        EXPECT_TRUE(is_public(*IpRange::parse(text))) << text;
    for (const char* text : {"127.0.0.1",
                             "127.9.9.9",
                             "10.1.2.3",
                             "172.16.0.1",
                             "172.31.255.255",
                             "192.168.1.1",
                             "169.254.169.254",
                             "100.64.0.1",
                             "0.0.0.0",
                             "224.0.0.1",
                             "255.255.255.255",
                             "::",
                             "::1",
                             "::ffff:127.0.0.1",
                             "::ffff:10.0.0.1",
                             "fd00::1",
                             "fe80::1",
                             "64:ff9b::7f00:1",
                             "192.0.2.2",
                             "::ffff:192.0.2.2",
                             "198.51.100.7",
                             "203.0.113.9",
                             "192.88.99.1",
                             "2001:db8::1",
                             "2001::1",
                             "3fff::1",
                             "5f00::1"})
        EXPECT_FALSE(is_public(*IpRange::parse(text))) << text;
}

}  // namespace
}  // namespace base
