#include "llm/canonical_json.h"

#include <gtest/gtest.h>

#include <array>

namespace llm {
namespace {

std::string canonical_text(std::string_view json) {
    std::string out;
    append_canonical(out, json);
    return out;
}

TEST(CanonicalJson, OrderAndWhiteSpaceDoNotMatterAtAnyDepth) {
    constexpr std::string_view kExpected =
        R"({"a":[1,{"x":null,"y":"b c"}],"b":{"c":true,"d":{}}})";
    EXPECT_EQ(canonical_text(R"({"a":[1,{"x":null,"y":"b c"}],"b":{"c":true,"d":{}}})"), kExpected);
    EXPECT_EQ(canonical_text(
                  "{ \"b\" : {\"d\":{ },\n\"c\":true}, \"a\":[1 ,\t{\"y\":\"b c\",\"x\":null}] }"),
              kExpected);
}

TEST(CanonicalJson, OneWayToEscape) {
    EXPECT_EQ(canonical_text(R"({"\u0061":"\u00e9\/\n\ud83d\ude00"})"),
              canonical_text("{\"a\":\"\u00e9/\\u000a\U0001F600\"}"));
    EXPECT_NE(canonical_text(R"("a\"b")"), canonical_text(R"("a\\b")"));
    EXPECT_EQ(canonical_text(R"({"a\"b":1})"), R"({"a\"b":1})");
}

TEST(CanonicalJson, OrderOfElementsAndDigitsOfNumbersMatter) {
    EXPECT_NE(canonical_text("[1,2]"), canonical_text("[2,1]"));
    EXPECT_EQ(canonical_text("[1.0,1e2,-0]"), "[1.0,1e2,-0]");
    EXPECT_EQ(canonical_text("[ ]"), "[]");
}

TEST(CanonicalJson, MembersGivenTwiceAreNotTakenForOne) {
    EXPECT_EQ(canonical_text(R"({"b":1,"a":2,"a":3})"), R"({"a":2,"a":3,"b":1})");
    EXPECT_NE(canonical_text(R"({"a":2,"a":3})"), canonical_text(R"({"a":3,"a":2})"));
    EXPECT_NE(canonical_text(R"({"a":2,"a":3})"), canonical_text(R"({"a":3})"));
}

TEST(CanonicalJson, LeavesOutMembersOfTheOuterObjectOnly) {
    constexpr std::array<std::string_view, 2> kOut = {"stream", "user"};
    std::string out;
    append_canonical_without(out, R"({"stream":true,"x":{"stream":false},"us\u0065r":"u"})", kOut);
    EXPECT_EQ(out, R"({"x":{"stream":false}})");
}

}  // namespace
}  // namespace llm
