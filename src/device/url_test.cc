#include "device/url.h"

#include <gtest/gtest.h>

namespace device {
namespace {

TEST(Url, ASignedLinkMadeAnewMeansTheSameFile) {
    const std::string plain = "https://h/models/a.gguf";
    EXPECT_EQ(lasting_url(plain), plain);
    EXPECT_EQ(lasting_url(plain + "?X-Amz-Date=1&X-Amz-Signature=abc#sha256=00"), plain);
    EXPECT_EQ(lasting_url(plain + "?download=true"), plain);
    EXPECT_EQ(lasting_url(plain + "?"), plain);
    EXPECT_EQ(lasting_url("https://h/get?file=a.gguf&sig=1&rev=2"),
              "https://h/get?file=a.gguf&rev=2");
    EXPECT_NE(lasting_url("https://h/get?file=a.gguf"), lasting_url("https://h/get?file=b.gguf"));
}

}  // namespace
}  // namespace device
