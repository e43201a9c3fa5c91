#include "base/plain_numbers.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(PlainNumbers, ScientificOnesBecomePlain) {
    EXPECT_EQ(plain_numbers(R"({"a":6E1,"b":[5E-1,-1.25E2,0E0,-0E0,1.5e+3]})"),
              R"({"a":60,"b":[0.5,-125,0,0,1500]})");
    EXPECT_EQ(plain_numbers("3.0000000000000004E-9"), "0.0000000030000000000000004");
    EXPECT_EQ(plain_numbers("1.234567890123456E-1"), "0.1234567890123456");
}

TEST(PlainNumbers, AllElseStays) {
    for (const char* text :
         {"", "60", "-3", "0.5", "null", R"("6E1")", R"({"6E1":"5E-1 \" 5E-1","b":12})", "1E300",
          "1E-300", "[]", "\"open", "\"\\"})
        EXPECT_EQ(plain_numbers(text), text);
}

}  // namespace
}  // namespace base
