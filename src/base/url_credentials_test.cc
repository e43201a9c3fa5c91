#include "base/url_credentials.h"

#include <gtest/gtest.h>

#include <utility>

namespace base {
namespace {

TEST(UrlCredentials, AreTakenOutWhereverAUrlStands) {
    const std::pair<const char*, const char*> cases[] = {
        {"redis://u:p@host:6379/0", "redis://host:6379/0"},
        {"redis://:p@host", "redis://host"},
        {"https://token@host/path?a=b@c", "https://host/path?a=b@c"},
        {"postgresql+asyncpg://u:p%40ss@[::1]:5432/db", "postgresql+asyncpg://[::1]:5432/db"},
        {"http://u:p@ss@host/", "http://host/"},
        {"redis://:pa/ss?w#rd@host/0", "redis://host/0"},
        {"a=http://u:p@one, b='http://v:q@two'", "a=http://one, b='http://two'"},
        {"http://one,http://u:p@two", "http://one,http://two"},
    };
    for (const auto& [text, bare] : cases) EXPECT_EQ(without_url_credentials(text), bare);
}

TEST(UrlCredentials, WhatIsNoneStays) {
    for (const char* text :
         {"", "plain", "me@example.org", "http://host/@user", "http://host:80/a@b",
          "http://[::1]/x@y", "https://host?mail=me@example.org", "a://"})
        EXPECT_EQ(without_url_credentials(text), text);
}

TEST(UrlCredentials, AProxyMayHaveNoScheme) {
    EXPECT_EQ(without_proxy_credentials("u:p@host:3128"), "host:3128");
    EXPECT_EQ(without_proxy_credentials("host:3128"), "host:3128");
    EXPECT_EQ(without_proxy_credentials("socks5://u:p@host:1080"), "socks5://host:1080");
    EXPECT_EQ(without_proxy_credentials("localhost,127.0.0.1,.local"),
              "localhost,127.0.0.1,.local");
}

}  // namespace
}  // namespace base
