#include "device/child_environment.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <stdlib.h>

namespace device {
namespace {

TEST(ChildEnvironment, HandsOnNoSecretAndNoCredentialsInUrls) {
    for (const char* plain :
         {"PATH=/bin:/usr/bin", "LANG=de_DE.UTF-8@euro", "EMPTY=", "NO_PROXY=localhost,127.0.0.1"})
        EXPECT_EQ(handed_on(plain), plain);
    for (const char* secret : {"GROQ_API_KEY=k", "HF_TOKEN=t", "DB_PASSWORD=p", "A_SECRET=", "odd"})
        EXPECT_FALSE(handed_on(secret)) << secret;
    EXPECT_EQ(handed_on("REDIS_URL=redis://u:p@h/0"), "REDIS_URL=redis://h/0");
    EXPECT_EQ(handed_on("HTTP_PROXY=http://u:p@h:3128"), "HTTP_PROXY=http://h:3128");
    EXPECT_EQ(handed_on("https_proxy=u:p@h:3128"), "https_proxy=h:3128");
}

TEST(ChildEnvironment, IsOurOwnWithoutThem) {
    ::setenv("TEST_URL", "amqp://u:p@h", 1);
    ::setenv("TEST_API_KEY", "hidden", 1);
    const auto given = child_environment();
    ::unsetenv("TEST_URL");
    ::unsetenv("TEST_API_KEY");
    EXPECT_EQ(std::ranges::count(given, "TEST_URL=amqp://h"), 1);
    EXPECT_EQ(std::ranges::count_if(
                  given, [](const std::string& one) { return one.starts_with("TEST_API_KEY"); }),
              0);
}

}  // namespace
}  // namespace device
