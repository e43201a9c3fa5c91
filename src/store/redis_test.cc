#include "store/redis.h"

#include <gtest/gtest.h>

namespace store {
namespace {

TEST(RedisAddress, IsReadFromItsUrl) {
    const auto whole = redis_address("redis://me:p%40ss@cache.example:7000/3");
    ASSERT_TRUE(whole.has_value());
    EXPECT_EQ(whole->host, "cache.example");
    EXPECT_EQ(whole->port, 7000);
    EXPECT_EQ(whole->database, 3);
    EXPECT_EQ(whole->user, "me");
    EXPECT_EQ(whole->password.reveal(), "p@ss");
    EXPECT_EQ(whole->shown(), "cache.example:7000/3");
    EXPECT_EQ(redis_address("redis://[::1]")->host, "::1");
    EXPECT_EQ(redis_address("redis://:pw@h/")->port, 6379);
    EXPECT_EQ(redis_address("unix:///run/redis.sock")->path, "/run/redis.sock");
}

TEST(RedisAddress, ABadUrlIsSaidWithoutItsPassword) {
    for (const char* url : {"redis://:sesame@", "redis://:sesame@h:0", "redis://:sesame@h:6379x",
                            "redis://:sesame@h/one", "redis://:sesame%4@h", "http://:sesame@h",
                            "rediss://:sesame@h", "redis://:sesame@[::1", "unix://sesame", ""}) {
        const auto address = redis_address(url);
        ASSERT_FALSE(address.has_value()) << url;
        EXPECT_EQ(address.error().kind, base::ErrorKind::bad_input);
        EXPECT_NE(address.error().detail.find("REDIS_URL"), std::string::npos);
        EXPECT_EQ(address.error().detail.find("sesame"), std::string::npos);
    }
}

}  // namespace
}  // namespace store
