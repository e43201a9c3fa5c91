#include "llm/json_schema.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

JsonSchema schema(string_view text) {
    auto compiled = JsonSchema::compile(text);
    EXPECT_TRUE(compiled) << compiled.error().detail;
    return *compiled;
}

std::string refusal(string_view text) {
    auto compiled = JsonSchema::compile(text);
    return compiled ? "" : compiled.error().detail;
}

constexpr string_view kPerson = R"({"type":"object","additionalProperties":false,
    "required":["name","age"],
    "properties":{"name":{"type":"string","pattern":"^[A-Z]"},"age":{"type":"integer","minimum":0},
                  "tags":{"type":"array","items":{"enum":["a","b"]},"uniqueItems":true},
                  "boss":{"anyOf":[{"$ref":"#"},{"type":"null"}]}}})";

TEST(JsonSchema, SaysWhereAndWhatButNeverTheValue) {
    JsonSchema person = schema(kPerson);
    EXPECT_EQ(person.violation(R"({"name":"Ann","age":3,"boss":{"name":"Bo","age":9}})"),
              std::nullopt);
    EXPECT_EQ(person.violation(R"({"name":"Ann"})"), "at `/`: Missing required property 'age'.");
    EXPECT_EQ(person.violation(R"({"name":"Ann","age":"secret"})"),
              "at `/age`: Value type not permitted by 'type' constraint.");
    EXPECT_EQ(person.violation(R"({"name":"ann","age":1})"),
              "at `/name`: it does not match its pattern");
    EXPECT_EQ(person.violation(R"({"name":"Ann","age":1,"tags":["a","secret"]})"),
              "at `/tags/1`: Failed to match against any enum values.");
    auto extra = person.violation(R"({"name":"Ann","age":1,"secret":2})");
    ASSERT_TRUE(extra);
    EXPECT_EQ(extra->find("secret"), std::string::npos) << *extra;
    EXPECT_EQ(person.violation("secret"), "the answer is not one JSON value");
    EXPECT_TRUE(person.violation(R"({"name":"Ann","age":1,"tags":["a","a"]})"));
}

TEST(JsonSchema, KeysOfAMapAreContent) {
    JsonSchema map = schema(R"({"type":"object","additionalProperties":{"type":"integer"}})");
    EXPECT_EQ(map.violation(R"({"secret":"x"})"),
              "at `/*`: Value type not permitted by 'type' constraint.");
}

TEST(JsonSchema, AnIntegerIsANumberWithoutAFraction) {
    JsonSchema whole = schema(R"({"type":"integer"})");
    JsonSchema maybe = schema(R"({"type":["null","integer"]})");
    for (string_view good :
         {"1", "1.0", "1e2", "-0.0", "12345678901234567890", "12345678901234567890123", "-1e300"}) {
        EXPECT_EQ(whole.violation(good), std::nullopt) << good;
        EXPECT_EQ(maybe.violation(good), std::nullopt) << good;
    }
    for (string_view bad : {"1.5", "1e-2", "\"1\"", "true"}) {
        EXPECT_EQ(whole.violation(bad), "at `/`: Value type not permitted by 'type' constraint.")
            << bad;
        EXPECT_TRUE(maybe.violation(bad)) << bad;
    }
    EXPECT_EQ(schema(R"({"type":["integer","number"]})").violation("1.5"), std::nullopt);
    EXPECT_TRUE(schema(R"({"not":{"type":"integer"}})").violation("3.0"));
    EXPECT_EQ(schema(R"({"enum":[1,2.0]})").violation("[1.0]"),
              "at `/`: Failed to match against any enum values.");
    for (string_view good : {"1.0", "2"})
        EXPECT_EQ(schema(R"({"enum":[1,2.0]})").violation(good), std::nullopt) << good;
    EXPECT_TRUE(schema(R"({"type":"number","maximum":5})").violation("12345678901234567890"));
}

TEST(JsonSchema, MultiplesAreThoseOfDecimals) {
    JsonSchema cents = schema(R"({"multipleOf":0.01})");
    for (string_view good : {"19.99", "0.07", "-4.35", "0", "3", "1234567.89"})
        EXPECT_EQ(cents.violation(good), std::nullopt) << good;
    EXPECT_EQ(cents.violation("19.995"), "at `/`: it is no multiple of its multipleOf");
    JsonSchema even = schema(R"({"multipleOf":2})");
    EXPECT_EQ(even.violation("4.0"), std::nullopt);
    EXPECT_EQ(even.violation("\"3\""), std::nullopt);
    for (string_view bad : {"2.5", "9007199254740993"}) EXPECT_TRUE(even.violation(bad)) << bad;
    EXPECT_EQ(refusal(R"({"multipleOf":0})"), "`multipleOf` must be a number above 0");
}

TEST(JsonSchema, ReadsWhatLaterDraftsWrite) {
    JsonSchema pair = schema(R"({"$schema":"https://json-schema.org/draft/2020-12/schema",
        "$defs":{"n":{"type":"number"}},"type":"array",
        "prefixItems":[{"$ref":"#/$defs/n"},{"type":"string"}],"items":false})");
    EXPECT_EQ(pair.violation(R"([1,"a"])"), std::nullopt);
    EXPECT_TRUE(pair.violation(R"(["a","a"])"));
    EXPECT_TRUE(pair.violation(R"([1,"a",2])"));
}

TEST(JsonSchema, NothingIsFetched) {
    for (string_view reference : {"https://example.com/x.json", "other.json", "#name"})
        EXPECT_NE(refusal(fmt::format(R"({{"items":{{"$ref":"{}"}}}})", reference))
                      .find("at `/items`: $ref must be a pointer into this schema"),
                  std::string::npos)
            << reference;
    EXPECT_EQ(refusal(R"({"items":{"$ref":"#/$defs/x"}})"),
              "at `/$defs/x`: a $ref leads here, but nothing is here");
}

TEST(JsonSchema, RefusesWhatCanNotBeCompiled) {
    EXPECT_EQ(refusal("[1]"), "at `/`: a schema is an object, true or false");
    EXPECT_EQ(refusal(R"({"properties":{"a":3}})"),
              "at `/properties/a`: a schema is an object, true or false");
    EXPECT_EQ(refusal(R"({"anyOf":{}})"), "at `/anyOf`: it must be a list of schemas");
    EXPECT_NE(refusal(R"({"type":"strange"})"), "");
    EXPECT_EQ(refusal(R"({"pattern":"(a"})"),
              "a `pattern` is no regular expression: it breaks at character 2");
    EXPECT_NE(refusal('"' + std::string(300'000, 'x') + '"'), "");
}

TEST(JsonSchema, RefusesOneThatRefersToItselfInPlace) {
    constexpr string_view kWhat = "it refers to itself without going into the value";
    EXPECT_NE(refusal(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})").find(kWhat),
              std::string::npos);
    EXPECT_NE(refusal(R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},
                          "$ref":"#/$defs/a"})")
                  .find(kWhat),
              std::string::npos);
    EXPECT_EQ(refusal(R"({"properties":{"next":{"$ref":"#"}}})"), "");
}

TEST(JsonSchema, ChecksTakeBoundedWork) {
    constexpr string_view kTooLong = "checking the answer takes too long";
    JsonSchema slow = schema(R"({"pattern":"^(a+)+$"})");
    EXPECT_EQ(slow.violation('"' + std::string(40, 'a') + "b\""), kTooLong);
    EXPECT_NE(slow.violation('"' + std::string(200'000, 'a') + "b\""), std::nullopt);
    JsonSchema unique = schema(R"({"uniqueItems":true})");
    std::string list = "0";
    for (int i = 1; i < 5'000; ++i) list += fmt::format(",{}", i);
    EXPECT_EQ(unique.violation('[' + list + ']'), kTooLong);
    // Two ways into the same child at every level: 2^40 looks at the innermost.
    JsonSchema tree = schema(R"({"anyOf":[{"properties":{"a":{"$ref":"#"}},"required":["b"]},
                                          {"properties":{"a":{"$ref":"#"}},"required":["b"]}]})");
    std::string deep = "1";
    for (int i = 0; i < 40; ++i) deep = R"({"a":)" + deep + '}';
    EXPECT_EQ(tree.violation(deep), kTooLong);
}

TEST(JsonSchema, PatternPropertiesLetThroughWhatTheyMight) {
    JsonSchema open = schema(R"({"type":"object","additionalProperties":false,
        "patternProperties":{"^x-":{"type":"string"}},"properties":{"n":{"type":"integer"}}})");
    EXPECT_EQ(open.violation(R"({"x-a":"b","n":1})"), std::nullopt);
    EXPECT_TRUE(open.violation(R"({"n":"one"})"));
}

}  // namespace
}  // namespace llm
