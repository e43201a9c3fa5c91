#include "net/upstream.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

using namespace net;

namespace {

/// The proxy variables as a test wants them; as they were again afterwards.
class Environment {
public:
    explicit Environment(const std::map<std::string, std::string>& wanted) {
        for (const char* name : kNames) {
            const char* value = std::getenv(name);
            before_[name] = value ? std::optional<std::string>(value) : std::nullopt;
            ::unsetenv(name);
        }
        for (const auto& [name, value] : wanted) ::setenv(name.c_str(), value.c_str(), 1);
    }
    ~Environment() {
        for (const auto& [name, value] : before_)
            if (value)
                ::setenv(name.c_str(), value->c_str(), 1);
            else
                ::unsetenv(name.c_str());
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

private:
    static constexpr const char* kNames[] = {"HTTP_PROXY",  "http_proxy", "HTTPS_PROXY",
                                             "https_proxy", "NO_PROXY",   "no_proxy"};
    std::map<std::string, std::optional<std::string>> before_;
};

base::Result<ProxySettings> read(const std::string& http_proxy) {
    const Environment environment({{"HTTP_PROXY", http_proxy}});
    return ProxySettings::from_environment();
}

bool bypassed(const std::string& list, std::string_view host) {
    ProxySettings settings;
    settings.no_proxy = list;
    return settings.bypass(host);
}

}  // namespace

TEST(Proxy, WithoutVariablesThereIsNone) {
    const Environment environment({});
    const auto settings = ProxySettings::from_environment();
    ASSERT_TRUE(settings);
    EXPECT_FALSE(settings->http);
    EXPECT_FALSE(settings->https);
}

TEST(Proxy, UrlFormsThatAreRead) {
    struct Case {
        const char* text;
        const char* host;
        int port;
    };
    for (const Case& c :
         std::initializer_list<Case>{{"http://proxy.test:3128", "proxy.test", 3128},
                                     {"http://proxy.test:3128/", "proxy.test", 3128},
                                     {"proxy.test:3128", "proxy.test", 3128},
                                     {"http://proxy.test", "proxy.test", 8080},
                                     {"http://[::1]:3128", "::1", 3128},
                                     {"http://[2001:db8::1]", "2001:db8::1", 8080},
                                     {"http://u:p@10.0.0.1:3128", "10.0.0.1", 3128}}) {
        const auto settings = read(c.text);
        ASSERT_TRUE(settings) << c.text;
        ASSERT_TRUE(settings->http) << c.text;
        EXPECT_EQ(settings->http->host, c.host) << c.text;
        EXPECT_EQ(settings->http->port, c.port) << c.text;
        EXPECT_FALSE(settings->http->tls);
        EXPECT_FALSE(settings->https);
    }
}

TEST(Proxy, UrlsThatCannotBeReadAreNamed) {
    for (const char* text :
         {"https://proxy.test:1", "socks5://proxy.test:1", "http://", "http://:3128",
          "http://proxy.test:", "http://proxy.test:x", "http://proxy.test:0",
          "http://proxy.test:70000", "http://proxy.test:80x"}) {
        const auto settings = read(text);
        ASSERT_FALSE(settings) << text;
        EXPECT_EQ(settings.error().kind, base::ErrorKind::bad_input);
        EXPECT_NE(settings.error().detail.find("HTTP_PROXY"), std::string::npos);
    }
}

TEST(Proxy, C4AnUnreadableUrlsCredentialsAreNotShown) {
    const auto settings = read("http://user:hunter2@proxy.test:x");
    ASSERT_FALSE(settings);
    EXPECT_EQ(settings.error().detail.find("hunter2"), std::string::npos);
}

TEST(Proxy, CredentialsBecomeBasic) {
    EXPECT_EQ(read("http://proxy.test:1")->http_authorization, "");
    EXPECT_EQ(read("http://user:pass@proxy.test:1")->http_authorization, "Basic dXNlcjpwYXNz");
    EXPECT_EQ(read("user:pass@proxy.test:1")->http_authorization, "Basic dXNlcjpwYXNz");
}

TEST(Proxy, EncodedCredentialsAreDecoded) {
    EXPECT_EQ(read("http://user:p%40ss@proxy.test:1")->http_authorization, "Basic dXNlcjpwQHNz")
        << "user:p@ss";
}

TEST(Proxy, EachSchemeHasItsOwnAndLowerCaseWins) {
    const Environment environment({{"HTTP_PROXY", "upper.test:1"},
                                   {"http_proxy", "lower.test:2"},
                                   {"https_proxy", "http://a:b@secure.test:3"},
                                   {"NO_PROXY", "x.test"}});
    const auto settings = ProxySettings::from_environment();
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->http->host, "lower.test");
    EXPECT_EQ(settings->https->host, "secure.test");
    EXPECT_EQ(settings->https_authorization, "Basic YTpi");
    EXPECT_EQ(settings->http_authorization, "");
    EXPECT_TRUE(settings->bypass("x.test"));
}

TEST(Proxy, EmptyVariablesAreNotSet) {
    const Environment environment(
        {{"HTTP_PROXY", ""}, {"https_proxy", ""}, {"HTTPS_PROXY", "p.test:1"}});
    const auto settings = ProxySettings::from_environment();
    ASSERT_TRUE(settings);
    EXPECT_FALSE(settings->http);
    EXPECT_EQ(settings->https->host, "p.test");
}

TEST(NoProxy, LoopbackNeverGoesThroughAProxy) {
    for (const char* host : {"localhost", "127.0.0.1", "127.9.9.9", "::1"})
        EXPECT_TRUE(bypassed("", host)) << host;
    for (const char* host :
         {"10.0.0.1", "example.test", "localhost.example.test", "127.0.0.1.example.test"})
        EXPECT_FALSE(bypassed("", host)) << host;
}

TEST(NoProxy, MatchesHostsAndTheirSubdomains) {
    for (const char* list : {"example.test", ".example.test", "a.test, example.test ,b.test",
                             "EXAMPLE.test", "*", "a.test,*"}) {
        EXPECT_TRUE(bypassed(list, "example.test")) << list;
        EXPECT_TRUE(bypassed(list, "api.example.test")) << list;
        EXPECT_TRUE(bypassed(list, "a.b.example.test")) << list;
    }
    for (const char* list :
         {"", ",", " , ", "example.test.", "xample.test", "api.example.test.other", "test.example"})
        EXPECT_FALSE(bypassed(list, "example.test")) << list;
    EXPECT_FALSE(bypassed("example.test", "badexample.test")) << "whole labels only";
    EXPECT_FALSE(bypassed("api.example.test", "example.test"));
    EXPECT_TRUE(bypassed("10.0.0.7", "10.0.0.7"));
    EXPECT_FALSE(bypassed("10.0.0.7", "10.0.0.70"));
}
