#include "gateway/auth.h"

#include <gtest/gtest.h>

#include <string>

using namespace gateway;

namespace {

const base::Secret kKey("sk-master-1234");

std::optional<ClientError> offered(const std::string& header_lines,
                                   const base::Secret& key = kKey) {
    net::RequestHead head;
    const auto refusal = net::parse("POST / HTTP/1.1\r\nHost: x\r\n" + header_lines + "\r\n", head);
    EXPECT_FALSE(refusal) << refusal->reason;
    return authenticate(key, head.headers);
}

}  // namespace

TEST(Authenticate, LetsEverybodyInWithoutAKey) {
    EXPECT_FALSE(offered("", base::Secret()));
    EXPECT_FALSE(offered("Authorization: Bearer anything\r\n", base::Secret()));
}

TEST(Authenticate, KeepsPagesOfOtherSitesOutWhereThereIsNoKey) {
    const auto page = [](const std::string& origin) {
        net::RequestHead head;
        const std::string line = origin.empty() ? "" : "Origin: " + origin + "\r\n";
        EXPECT_FALSE(net::parse("POST / HTTP/1.1\r\nHost: x\r\n" + line + "\r\n", head));
        return keep_pages_out(head.headers);
    };
    for (const char* origin : {"", "http://localhost:3000", "http://127.0.0.1", "https://[::1]:1"})
        EXPECT_FALSE(page(origin)) << origin;
    for (const char* origin : {"https://evil.example", "null", "http://localhost.evil.example",
                               "http://127.0.0.1.evil.example:4000", "http://[::2]"})
        EXPECT_TRUE(page(origin)) << origin;
}

TEST(Authenticate, TakesTheKeyInEveryHeaderThatClientsUse) {
    for (const char* line :
         {"Authorization: Bearer sk-master-1234", "authorization: bearer sk-master-1234",
          "AUTHORIZATION: BEARER   sk-master-1234  ", "x-api-key: sk-master-1234",
          "api-key: sk-master-1234", "x-litellm-api-key: sk-master-1234",
          "x-litellm-api-key: Bearer sk-master-1234", "Api-Key: sk-master-1234"})
        EXPECT_FALSE(offered(std::string(line) + "\r\n")) << line;
}

TEST(Authenticate, RefusesEverythingElse) {
    for (const char* line :
         {"", "Authorization: Bearer sk-master-123\r\n",
          "Authorization: Bearer sk-master-12345\r\n", "Authorization: Bearer SK-MASTER-1234\r\n",
          "Authorization: Bearer\r\n", "Authorization: Bearer \r\n",
          "Authorization: sk-master-1234\r\n", "Authorization: Basic sk-master-1234\r\n",
          "Authorization: Bearersk-master-1234\r\n", "x-api-key: sk-master\r\n", "x-api-key:\r\n",
          "Cookie: sk-master-1234\r\n"}) {
        const auto refused = offered(line);
        ASSERT_TRUE(refused) << line;
        EXPECT_EQ(refused->status, 401);
        EXPECT_EQ(refused->type, "authentication_error");
        EXPECT_EQ(refused->code, "invalid_api_key");
    }
}

TEST(Authenticate, AWrongBearerIsNotSavedByAnotherHeader) {
    EXPECT_TRUE(offered("Authorization: Bearer wrong\r\nx-api-key: sk-master-1234\r\n"));
}

TEST(Authenticate, C4NamesNeitherTheKeyNorWhatWasOffered) {
    for (const char* line :
         {"Authorization: Bearer offered-5678\r\n", "x-api-key: offered-5678\r\n",
          "Authorization: Basic offered-5678\r\n"}) {
        const auto refused = offered(line);
        ASSERT_TRUE(refused);
        EXPECT_EQ(refused->message.find("1234"), std::string::npos);
        EXPECT_EQ(refused->message.find("5678"), std::string::npos);
    }
}

TEST(Admit, LetsTheNamedAddressesInAndNobodyElse) {
    std::vector<base::IpRange> allowed;
    EXPECT_TRUE(admit(allowed, "127.0.0.1")) << "an empty list names nobody";
    allowed.push_back(base::IpRange::parse("10.0.0.0/8").value());
    allowed.push_back(base::IpRange::parse("::1").value());
    EXPECT_FALSE(admit(allowed, "10.9.8.7"));
    EXPECT_FALSE(admit(allowed, "::ffff:10.9.8.7"));
    EXPECT_FALSE(admit(allowed, "::1"));
    for (const char* peer : {"127.0.0.1", "::2", "", "nonsense"}) {
        const auto refused = admit(allowed, peer);
        ASSERT_TRUE(refused) << peer;
        EXPECT_EQ(refused->status, 403);
        EXPECT_EQ(refused->code, "address_not_allowed");
    }
}
