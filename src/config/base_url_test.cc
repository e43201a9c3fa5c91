#include "config/base_url.h"

#include <gtest/gtest.h>

namespace config {
namespace {

using base::Provider;

std::string normal(std::string_view text, Provider provider = Provider::openai_compatible) {
    auto url = parse_api_base(text, provider);
    return url ? url->text() : "error: " + url.error().detail;
}

TEST(BaseUrl, IsTakenApart) {
    BaseUrl url = *parse_base_url("HTTPS://api.example.com:8443/openai/v1/");
    EXPECT_TRUE(url.tls);
    EXPECT_EQ(url.host, "api.example.com");
    EXPECT_EQ(url.port, 8443);
    EXPECT_EQ(url.path, "/openai/v1");
    EXPECT_EQ(url.text(), "https://api.example.com:8443/openai/v1");
}

TEST(BaseUrl, HasStandardPorts) {
    EXPECT_EQ(parse_base_url("http://h")->port, 80);
    EXPECT_EQ(parse_base_url("https://h")->port, 443);
    EXPECT_EQ(normal("https://h:443/v1"), "https://h/v1");
}

TEST(BaseUrl, TakesIpv6InBrackets) {
    BaseUrl url = *parse_base_url("http://[::1]:8080/v1");
    EXPECT_EQ(url.host, "::1");
    EXPECT_EQ(url.text(), "http://[::1]:8080/v1");
}

TEST(BaseUrl, LosesSlashesAndEndpointPaths) {
    EXPECT_EQ(normal("http://h/v1/"), "http://h/v1");
    EXPECT_EQ(normal("http://h/v1/chat/completions"), "http://h/v1");
    EXPECT_EQ(normal("http://h/v1/messages", Provider::anthropic), "http://h");
    EXPECT_EQ(normal("http://h/v1", Provider::anthropic), "http://h/v1");
    EXPECT_EQ(normal("http://h/v2/chat", Provider::cohere), "http://h");
    EXPECT_EQ(normal("http://h:11434/api/chat/", Provider::ollama), "http://h:11434");
    EXPECT_EQ(normal("http://h:11434/api/generate", Provider::ollama), "http://h:11434");
}

TEST(BaseUrl, RefusesWhatIsNoBase) {
    for (std::string_view text : {"", "h:80", "ftp://h", "http://", "http://h:0", "http://h:99999",
                                  "http://h:8x", "http://h/v1?a=b", "http://h#x", "http://h /v1",
                                  "http://[::1", "http://[x]/", "http://h/a b"}) {
        EXPECT_FALSE(parse_base_url(text)) << text;
    }
}

TEST(BaseUrl, NeverRepeatsCredentials) {
    auto url = parse_base_url("https://user:hunter2@h/v1");
    ASSERT_FALSE(url);
    EXPECT_FALSE(url.error().detail.contains("hunter2"));
}

}  // namespace
}  // namespace config
