#include "device/ollama_show.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>

namespace device {

namespace json = boost::json;
using base::ModelFacts;
using base::Result;

namespace {

constexpr base::Duration kConnect{5'000};
constexpr base::Duration kAnswer{30'000};
/// Templates, licences and lists of tensors come along.
constexpr std::size_t kMostShow = 16u << 20;
/// More is no window, but a mistake.
constexpr std::uint64_t kMostContext = 1'000'000'000;

/// `{"llama.context_length": 8192}`: the key begins with the model's architecture.
std::optional<std::uint64_t> context_of(const json::object& answer) {
    const json::value* const info = answer.if_contains("model_info");
    if (!info || !info->is_object()) return std::nullopt;
    for (const auto& [key, value] : info->get_object()) {
        if (!std::string_view(key).ends_with(".context_length")) continue;
        boost::system::error_code error;
        const auto tokens = value.to_number<std::uint64_t>(error);
        if (!error && tokens > 0 && tokens <= kMostContext) return tokens;
    }
    return std::nullopt;
}

}  // namespace

std::optional<ModelFacts> read_show(std::string_view body) {
    boost::system::error_code error;
    const json::value read = json::parse(body, error);
    if (error || !read.is_object()) return std::nullopt;
    const json::object& answer = read.get_object();
    const json::value* const list = answer.if_contains("capabilities");
    if (!list || !list->is_array() || list->get_array().empty()) return std::nullopt;
    const auto lists = [&](std::string_view word) {
        return std::ranges::any_of(list->get_array(), [&](const json::value& one) {
            return one.is_string() && one.get_string() == word;
        });
    };
    return ModelFacts{.completion = lists("completion"),
                      .tools = lists("tools"),
                      .vision = lists("vision"),
                      .thinking = lists("thinking"),
                      .embedding = lists("embedding"),
                      .context = context_of(answer)};
}

Difference difference(const PullPlan::Claim& claim, const ModelFacts& facts) {
    Difference out;
    const auto add = [&](bool too_far, const std::string& text) {
        out.text += (out.text.empty() ? "" : ", ") + text;
        out.trusted_too_far |= too_far;
    };
    const auto compare = [&](bool configured, bool listed, std::string_view what) {
        if (claim.can.stated && configured != listed)
            add(configured, fmt::format("it lists {}{}", configured ? "no " : "", what));
    };
    compare(claim.can.tools, facts.tools, "tools");
    compare(claim.can.vision, facts.vision, "vision");
    compare(claim.can.reasoning, facts.thinking, "thinking");
    if (claim.window && facts.context && *claim.window > *facts.context)
        add(true, fmt::format("its window is {} tokens, max_input_tokens is {}", *facts.context,
                              *claim.window));
    return out;
}

net::Task<Result<std::optional<ModelFacts>>> ollama_show(net::UpstreamClient& client,
                                                         const OllamaService& service,
                                                         std::string model,
                                                         net::AbortHandle& abort) {
    const std::string path = service.path + "/api/show";
    const std::string body = json::serialize(json::object{{"model", model}});
    const base::Time now = base::Clock::now();
    auto reply = co_await client.send({service.origin, "POST", path, service.headers, body},
                                      now + kConnect, now + kAnswer, abort);
    if (!reply) co_return std::unexpected(reply.error());
    const int status = (*reply)->head().status;
    auto text = co_await (*reply)->rest(kMostShow, base::Clock::now() + kAnswer);
    if (!text) co_return std::unexpected(text.error());
    if (status >= 500)
        co_return base::fail(base::ErrorKind::refused,
                             fmt::format("it answers with status {}", status));
    if (status != 200) co_return std::optional<ModelFacts>();
    co_return read_show(*text);
}

}  // namespace device
