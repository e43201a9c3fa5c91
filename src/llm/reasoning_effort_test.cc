#include "llm/reasoning_effort.h"

#include <gtest/gtest.h>

namespace llm {
namespace {

using base::Provider;

const std::string kMessages = R"("messages":[{"role":"user","content":"hi"}])";

Upstream to(Provider provider, std::string_view model) {
    return {.provider = provider, .alias = "a", .model = model};
}

TEST(ReasoningEffort, ABudgetIsTheSameEffortEverywhere) {
    const std::string budget = R"("thinking":{"type":"enabled","budget_tokens":3000},)";
    const std::string body = R"({"model":"x","max_tokens":9,)" + budget + kMessages + "}";
    Upstream claude = to(Provider::anthropic, "claude-opus-4-7");
    claude.reasoning = true;
    Upstream local = to(Provider::ollama, "gpt-oss:20b");
    local.reasoning = true;
    for (Endpoint endpoint : {Endpoint::chat, Endpoint::messages})
        for (const Upstream& upstream : {claude, local, to(Provider::groq, "gpt-oss-20b"),
                                         to(Provider::cerebras, "gpt-oss")}) {
            const bool same = protocol_of(upstream.provider) == Protocol::anthropic &&
                              endpoint == Endpoint::messages;
            if (same) continue;
            base::Result<ChatRequest> request = parse_chat(body, endpoint);
            auto call = dialect(endpoint, upstream).call(*request, upstream);
            ASSERT_TRUE(call) << call.error().detail;
            EXPECT_NE(call->body.find("\"medium\""), std::string::npos) << call->body;
        }
}

TEST(ReasoningEffort, SomeAreKnownToThink) {
    for (auto [provider, model] : {std::pair(Provider::anthropic, "claude-haiku-4-5"),
                                   std::pair(Provider::anthropic, "claude-opus-4-6"),
                                   std::pair(Provider::anthropic, "claude-3-7-sonnet-20250219"),
                                   std::pair(Provider::mistral, "magistral-medium-2509"),
                                   std::pair(Provider::cohere, "command-a-reasoning-08-2025"),
                                   std::pair(Provider::ollama, "gpt-oss:20b")})
        EXPECT_TRUE(known_to_reason(provider, model)) << model;
    for (auto [provider, model] : {std::pair(Provider::anthropic, "claude-3-5-haiku-20241022"),
                                   std::pair(Provider::anthropic, "glm-4.6"),
                                   std::pair(Provider::mistral, "ministral-8b-2512"),
                                   std::pair(Provider::cohere, "command-a-03-2025"),
                                   std::pair(Provider::ollama, "qwen3:4b-instruct"),
                                   std::pair(Provider::ollama, "llama3.2:3b")})
        EXPECT_FALSE(known_to_reason(provider, model)) << model;
}

}  // namespace
}  // namespace llm
