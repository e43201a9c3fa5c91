#include "gateway/cache.h"

#include "config/catalog.h"

#include <gtest/gtest.h>

namespace gateway {
namespace {

struct Asked {
    config::Catalog catalog;
    std::string asked = "a";
    std::string space;

    Asked() {
        config::Target target;
        target.alias = "a";
        target.model = "m";
        catalog.targets.push_back(target);
        config::Alias alias;
        alias.name = "a";
        alias.targets = {0};
        catalog.aliases.push_back(alias);
    }
    std::string key(std::string_view body, std::string_view protocol = "chat") const {
        return question_key(
            catalog, catalog.aliases[0], asked, space,
            {.protocol = protocol, .call_type = "completion", .body = body, .members = {}});
    }
};

constexpr std::string_view kBody = R"({"model":"a","messages":[{"role":"user","content":"hi"}]})";

TEST(QuestionKey, IsTheSameForWhatAsksTheSame) {
    const Asked asked;
    EXPECT_EQ(asked.key(kBody).size(), 32u);
    EXPECT_EQ(asked.key(kBody),
              asked.key(R"({ "messages" : [ {"content":"h\u0069","role":"user"} ], "stream":true,
                "stream_options":{"include_usage":true}, "user":"u", "metadata":{"a":1},
                "cache":{"ttl":5}, "model":"a" })"));
}

TEST(QuestionKey, DiffersByEverythingThatMakesAnAnswer) {
    const Asked asked;
    const std::string key = asked.key(kBody);
    EXPECT_NE(key, asked.key(R"({"messages":[{"role":"user","content":"ho"}]})"));
    EXPECT_NE(key, asked.key(R"({"messages":[{"role":"user","content":"hi"}],"seed":1})"));
    EXPECT_NE(key, asked.key(kBody, "messages"));
    Asked other;
    other.asked = "b";
    EXPECT_NE(key, other.key(kBody));
    other = Asked();
    other.space = "team";
    EXPECT_NE(key, other.key(kBody));
    other = Asked();
    other.catalog.targets[0].model = "m2";
    EXPECT_NE(key, other.key(kBody));
    other = Asked();
    other.catalog.targets[0].defaults = {{"temperature", "0"}};
    EXPECT_NE(key, other.key(kBody));
}

TEST(QuestionKey, HoldsWhatAnAnswerRepeatsAndTheHeadersThatGoAlong) {
    const Asked asked;
    const auto key = [&asked](std::string_view body, bool repeated, std::string headers = {}) {
        return question_key(asked.catalog, asked.catalog.aliases[0], "a", "",
                            {.protocol = "responses",
                             .call_type = "responses",
                             .body = body,
                             .members = {},
                             .repeated = repeated,
                             .headers = std::move(headers)});
    };
    const std::string_view plain = R"({"model":"a","input":"hi"})";
    for (const std::string_view more :
         {R"("metadata":{"a":"b"})", R"("user":"u")", R"("store":false)",
          R"("safety_identifier":"s")", R"("prompt_cache_key":"k")", R"("service_tier":"flex")"}) {
        const std::string body = R"({"model":"a","input":"hi",)" + std::string(more) + "}";
        EXPECT_NE(key(body, true), key(plain, true)) << more;
        EXPECT_EQ(key(body, false), key(plain, false)) << more;
    }
    EXPECT_EQ(key(R"({"input":"hi","stream":false,"cache":{"ttl":5}})", true), key(plain, true));
    EXPECT_NE(key(plain, false, "anthropic-beta: x\r\n"), key(plain, false));
}

TEST(CacheWishes, ReadsLiteLlmsMembers) {
    const auto wishes = read_cache_wishes(
        R"({"ttl":1.5,"s-maxage":60,"no-cache":true,"no-store":false,"use-cache":true,"namespace":"n"})");
    ASSERT_TRUE(wishes);
    EXPECT_EQ(wishes->ttl, 1.5);
    EXPECT_EQ(wishes->newest_age, 60);
    EXPECT_TRUE(wishes->no_cache);
    EXPECT_FALSE(wishes->no_store);
    EXPECT_EQ(wishes->use, true);
    EXPECT_EQ(wishes->space, "n");
    EXPECT_TRUE(read_cache_wishes("null"));
    EXPECT_TRUE(read_cache_wishes(R"({"ttl":null})"));
}

TEST(CacheWishes, SaysWhatIsWrong) {
    const auto why = [](std::string_view text) {
        const auto wishes = read_cache_wishes(text);
        return wishes ? std::string() : wishes.error().detail;
    };
    EXPECT_TRUE(why("true").starts_with("`cache` must be an object"));
    EXPECT_TRUE(why(R"({"ttl":0})").starts_with("`cache.ttl` must be seconds"));
    EXPECT_TRUE(why(R"({"ttl":"x"})").starts_with("`cache.ttl` must be seconds"));
    EXPECT_TRUE(why(R"({"s-maxage":-1})").starts_with("`cache.s-maxage` must be seconds"));
    EXPECT_EQ(why(R"({"no-cache":1})"), "`cache.no-cache` must be true or false");
    EXPECT_TRUE(why(R"({"no_cache":true})").starts_with("`cache.no_cache` is unknown; known are"));
}

}  // namespace
}  // namespace gateway
