#include "config/value.h"

#include <gtest/gtest.h>

namespace config {
namespace {

Value parse(std::string_view text) {
    std::vector<SyntaxNote> repeated;
    auto value = parse_yaml(text, "x.yaml", repeated);
    EXPECT_TRUE(value) << value.error().text;
    return value.value_or(Value{});
}

TEST(Value, KnowsFileAndLine) {
    Value value = parse("a:\n  b: 1\n  c:\n    - x\n    - y\n");
    EXPECT_EQ(value.find("a")->find("c")->items[1].place(), "x.yaml:5");
    EXPECT_EQ(value.find("a")->members[1].line, 3);
}

TEST(Value, ReadsJsonAsYaml) {
    Value value = parse("{\n\t\"a\": [\"b\",\n\t\t\"c\"],\n\t\"d\":{}\n}\n");
    EXPECT_EQ(value.find("a")->items[1].line, 3);
    EXPECT_TRUE(value.find("d")->is_map());
}

TEST(Value, TreatsNullAsAbsent) {
    Value value = parse("a: null\nb:\nc: ''\n");
    EXPECT_EQ(value.find("a"), nullptr);
    EXPECT_EQ(value.find("b"), nullptr);
    EXPECT_NE(value.find("c"), nullptr);
}

TEST(Value, TellsNumbersAndFlagsFromText) {
    Value value = parse("a: 5.0e-06\nb: '7'\nc: on\nd: 'on'\ne: 1x\n");
    EXPECT_EQ(value.find("a")->number(), 5.0e-06);
    EXPECT_EQ(value.find("b")->number(), 7);
    EXPECT_EQ(value.find("c")->boolean(), true);
    EXPECT_EQ(value.find("d")->boolean(), std::nullopt);
    EXPECT_EQ(value.find("e")->number(), std::nullopt);
}

TEST(Value, MergesAnchoredDefaults) {
    Value value = parse("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n");
    EXPECT_EQ(value.find("use")->find("x")->text, "1");
    EXPECT_EQ(value.find("use")->find("y")->text, "3");
}

TEST(Value, NotesARepeatedNameAndKeepsTheLast) {
    std::vector<SyntaxNote> repeated;
    Value value = *parse_yaml("a: 1\nb: 2\na: 3\n", "x", repeated);
    ASSERT_EQ(repeated.size(), 1u);
    EXPECT_EQ(repeated[0].line, 3);
    EXPECT_EQ(value.find("a")->text, "3");
}

TEST(Value, GivesTheLineOfASyntaxError) {
    std::vector<SyntaxNote> repeated;
    auto value = parse_yaml("a: 1\nb: [1, 2\nc: 3\n", "x", repeated);
    ASSERT_FALSE(value);
    EXPECT_GE(value.error().line, 2);
    EXPECT_FALSE(value.error().text.empty());
}

TEST(Value, RefusesAnAnchorThatHoldsItselfOrExplodes) {
    std::vector<SyntaxNote> repeated;
    EXPECT_FALSE(parse_yaml("a: &a [*a]\n", "x", repeated));
    std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 9; ++i) {
        std::string last = "*a" + std::to_string(i - 1);
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
        for (int k = 0; k < 10; ++k) bomb += (k ? ", " : "") + last;
        bomb += "]\n";
    }
    EXPECT_FALSE(parse_yaml(bomb, "x", repeated));
}

TEST(Value, RefusesNestingWithoutEnd) {
    std::vector<SyntaxNote> repeated;
    EXPECT_FALSE(parse_yaml(std::string(100'000, '['), "x", repeated));
    EXPECT_FALSE(parse_yaml(std::string(100, '[') + std::string(100, ']'), "x", repeated));
}

TEST(Value, WritesJson) {
    EXPECT_EQ(to_json(parse("a: [1, 0.5, .5, 'x', yes, null, \"q\\\"\\n\"]\nb: {c: 010}\n")),
              R"({"a":[1,0.5,".5","x",true,null,"q\"\n"],"b":{"c":"010"}})");
}

TEST(Value, ReadsBackTheYamlThatItWrites) {
    std::string text =
        "a: '123'\nb: 123\nc: \"true\"\nd: true\ne: 'x: y # z'\nf: []\ng: {}\nh:\n  - a: 1\n    "
        "b:\n"
        "      - {c: d}\n      - [1, [2, 3]]\n  - '*'\ni: null\nj: ''\n'k l': \"*star\"\nl: "
        "'12:30'\n";
    Value value = parse(text);
    EXPECT_EQ(to_json(parse(to_yaml(value))), to_json(value)) << to_yaml(value);
}

}  // namespace
}  // namespace config
