#include "llm/json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace llm::json {
namespace {

bool accepts(std::string_view text) {
    Cursor in(text);
    in.skip();
    return in.complete();
}

TEST(JsonCursor, ReadsMembersAsViewsOfTheirBytes) {
    std::string text = R"( { "a" : [1, {"b":2}] , "c":"x\"y","d":-1.5e3 } )";
    Cursor in(text);
    ASSERT_TRUE(in.enter_object());
    std::vector<std::pair<std::string, std::string>> seen;
    std::string_view key;
    while (in.next_member(key)) {
        std::string_view value = in.value();
        EXPECT_GE(value.data(), text.data());
        seen.emplace_back(key, value);
    }
    EXPECT_TRUE(in.complete());
    using Pair = std::pair<std::string, std::string>;
    EXPECT_EQ(seen,
              (std::vector<Pair>{{"a", R"([1, {"b":2}])"}, {"c", R"("x\"y")"}, {"d", "-1.5e3"}}));
}

TEST(JsonCursor, AgreesWithBoostOnWhatIsJson) {
    for (std::string_view text : {"{}",
                                  "[]",
                                  "[1,2]",
                                  "[1,]",
                                  "[,1]",
                                  "{\"a\":1,}",
                                  "{,}",
                                  "{\"a\"}",
                                  "{\"a\":}",
                                  "{a:1}",
                                  "01",
                                  "1.",
                                  ".5",
                                  "1e",
                                  "1e+5",
                                  "-",
                                  "-0",
                                  "\"\\u12\"",
                                  "\"\\u1234\"",
                                  "\"\\x\"",
                                  "\"a\nb\"",
                                  "nul",
                                  "null",
                                  "true1",
                                  "[1 2]",
                                  "{\"a\":1 \"b\":2}",
                                  "[}",
                                  "{]",
                                  "[[]",
                                  "[]]",
                                  "\"",
                                  "",
                                  " ",
                                  "[null,true,false]",
                                  "{\"a\":{\"b\":[{}]}}",
                                  "{\"a\":[1,{\"b\":2},]}",
                                  "\"\\ud83d\\ude00\"",
                                  "1 2",
                                  "{} {}",
                                  "\"\\/\""}) {
        boost::system::error_code error;
        boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
        EXPECT_EQ(accepts(text), !error) << text;
    }
}

TEST(JsonCursor, ABackslashBeforeAZeroByteIsNoEscape) {
    EXPECT_FALSE(accepts(std::string_view("\"\\\0\"", 4)));
}

TEST(JsonCursor, BoundsNesting) {
    std::string deep(kMaxDepth, '[');
    deep.append(kMaxDepth, ']');
    EXPECT_TRUE(accepts(deep));
    EXPECT_FALSE(accepts("[" + deep + "]"));
    EXPECT_FALSE(accepts(std::string(10'000'000, '[')));
}

TEST(JsonText, UnescapesAndQuotes) {
    EXPECT_EQ(text(R"("a\"\\\/\b\f\n\r\t\u0041")"), "a\"\\/\b\f\n\r\tA");
    EXPECT_EQ(text(R"("\ud83d\ude00\u00e9")"), "😀é");
    EXPECT_EQ(text(R"("\ud83dx")"), "\xEF\xBF\xBDx");
    EXPECT_EQ(text("12"), std::nullopt);
    EXPECT_EQ(quote("a\"\\\n\x01é"), R"("a\"\\\n\u0001é")");
    std::string all;
    for (int c = 1; c < 128; ++c) all.push_back(static_cast<char>(c));
    EXPECT_EQ(text(quote(all)), all);
}

TEST(JsonNumber, CountsAreWholeAndNotNegative) {
    EXPECT_EQ(count("12"), 12u);
    EXPECT_EQ(count("12.0"), 12u);
    EXPECT_EQ(count("1e3"), 1000u);
    EXPECT_EQ(count("18446744073709551615"), 18446744073709551615u);
    for (std::string_view bad : {"-1", "1.5", "1e300", "\"12\"", "null", ""})
        EXPECT_EQ(count(bad), std::nullopt) << bad;
}

TEST(JsonMember, WalksAPath) {
    EXPECT_EQ(member(R"({"a":{"b":{"c":3}}})", "a", "b", "c"), "3");
    EXPECT_EQ(member(R"({"a":1})", "b"), "");
    EXPECT_TRUE(blank("[ ]"));
    EXPECT_TRUE(blank("{}"));
    EXPECT_FALSE(blank("[0]"));
    EXPECT_FALSE(blank("0"));
}

}  // namespace
}  // namespace llm::json
