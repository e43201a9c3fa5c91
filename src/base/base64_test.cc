#include "base/base64.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Base64, EveryLengthThereAndBack) {
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        EXPECT_EQ(unbase64(base64(bytes)), bytes) << i;
        bytes += static_cast<char>(i * 37);
    }
}

TEST(Base64, KnownTexts) {
    EXPECT_EQ(base64("f"), "Zg==");
    EXPECT_EQ(base64("fo"), "Zm8=");
    EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
    EXPECT_EQ(unbase64("Zm9v\r\nYmE"), "fooba");
}

TEST(Base64, RefusesWhatIsNone) {
    EXPECT_EQ(unbase64("Zm9v!mFy"), std::nullopt);
    EXPECT_EQ(unbase64("Z"), std::nullopt);
    EXPECT_EQ(unbase64("Zg==Zg=="), std::nullopt);
}

}  // namespace
}  // namespace base
