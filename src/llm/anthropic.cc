#include "llm/anthropic.h"

#include "llm/classify.h"
#include "llm/json.h"
#include "llm/payload.h"
#include "llm/sse.h"
#include "llm/text_chat.h"
#include "llm/translated.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

constexpr std::uint64_t kDefaultMaxTokens = 4096;

/// System texts stand apart; user and assistant take turns, the user first, and
/// no text is empty.
struct Conversation {
    std::string system;
    std::vector<Turn> turns;
};

void append(std::string& text, string_view more) {
    if (!text.empty() && !more.empty()) text += "\n\n";
    text += more;
}

Conversation alternate(const std::vector<Turn>& turns) {
    Conversation out;
    for (const Turn& turn : turns) {
        if (turn.text.empty()) continue;
        if (turn.role == Turn::Role::system) {
            append(out.system, turn.text);
        } else if (!out.turns.empty() && out.turns.back().role == turn.role) {
            append(out.turns.back().text, turn.text);
        } else {
            if (out.turns.empty() && turn.role == Turn::Role::assistant)
                out.turns.push_back({Turn::Role::user, "Continue."});
            out.turns.push_back(turn);
        }
    }
    if (out.turns.empty()) {  // nothing but a system prompt: it is what is asked
        out.turns.push_back({Turn::Role::user, out.system.empty() ? "Continue." : out.system});
        out.system.clear();
    }
    std::string& last = out.turns.back().text;
    if (out.turns.back().role == Turn::Role::assistant)
        last.erase(last.find_last_not_of(" \t\r\n") + 1);
    if (last.empty()) out.turns.pop_back();
    return out;
}

std::string messages_json(const std::vector<Turn>& turns) {
    std::string out = "[";
    for (const Turn& turn : turns) {
        if (out.size() > 1) out += ',';
        out += fmt::format(R"({{"role":"{}","content":{}}})",
                           turn.role == Turn::Role::user ? "user" : "assistant",
                           json::quote(turn.text));
    }
    return out + ']';
}

void add_sampling(Parameters& parameters, ObjectWriter& body) {
    // Both together are refused: temperature goes.
    if (auto top_p = parameters.number("top_p"))
        body.set("top_p", clamped(*top_p, 0, 1));
    else if (auto value = parameters.number("temperature"))
        body.set("temperature", clamped(*value, 0, 1));
    if (string_view top_k = parameters.get("top_k"); !top_k.empty())
        body.set("top_k", std::string(top_k));
    std::vector<std::string> stops = parameters.stops();
    std::erase_if(stops, [](const std::string& stop) { return base::trim(stop).empty(); });
    if (!stops.empty()) body.set("stop_sequences", quoted_list(stops));
}

std::string_view finish_of(string_view stop_reason) {
    if (stop_reason == "max_tokens" || stop_reason == "model_context_window_exceeded")
        return "length";
    if (stop_reason == "tool_use") return "tool_calls";
    if (stop_reason == "refusal") return "content_filter";
    return "stop";
}

/// Fields that are there; a stream states them in two parts. Cached input stands
/// beside `input_tokens` here, and inside `prompt` in OpenAI's sense.
class Tokens {
public:
    void read(string_view usage) {
        auto take = [usage](string_view key, std::uint64_t& field) {
            if (auto value = json::count(json::member(usage, key))) field = *value;
        };
        take("input_tokens", input_);
        take("cache_creation_input_tokens", written_);
        take("cache_read_input_tokens", cached_);
        take("output_tokens", output_);
        if (auto value =
                json::count(json::member(usage, "output_tokens_details", "thinking_tokens")))
            thinking_ = *value;
    }
    Usage usage() const {
        Usage usage;
        usage.prompt = input_ + written_ + cached_;
        usage.completion = output_;
        usage.cached = cached_;
        usage.reasoning = thinking_;
        usage.known = usage.prompt > 0 || usage.completion > 0;
        return usage;
    }

private:
    std::uint64_t input_ = 0, written_ = 0, cached_ = 0, output_ = 0, thinking_ = 0;
};

class AnthropicStream : public TranslatedEvents {
public:
    using TranslatedEvents::TranslatedEvents;

private:
    MaybeFailure take(string_view data, std::string& out) override;
    MaybeFailure delta(string_view delta, std::string& out);

    Tokens tokens_;
};

MaybeFailure AnthropicStream::take(string_view data, std::string& out) {
    string_view type = json::member(data, "type");
    if (type == "\"error\"") return classify_embedded(upstream_.provider, data, now_);
    if (type == "\"message_start\"") {
        tokens_.read(json::member(data, "message", "usage"));
        start(json::text(json::member(data, "message", "id")).value_or(""), out);
    } else if (type == "\"content_block_start\"") {
        text(json::text(json::member(data, "content_block", "text")).value_or(""), out);
    } else if (type == "\"content_block_delta\"") {
        return delta(json::member(data, "delta"), out);
    } else if (type == "\"message_delta\"") {
        tokens_.read(json::member(data, "usage"));
        if (auto reason = json::text(json::member(data, "delta", "stop_reason")))
            stopped(finish_of(*reason));
    } else if (type == "\"message_stop\"" && has_stopped()) {
        usage_ = tokens_.usage();
        return close(out);
    } else if (type == "\"ping\"" && committed()) {
        out += ": ping\n\n";
    }
    return std::nullopt;
}

MaybeFailure AnthropicStream::delta(string_view delta, std::string& out) {
    if (auto more = json::text(json::member(delta, "text"))) text(*more, out);
    if (auto more = json::text(json::member(delta, "thinking"))) thinking(*more, out);
    usage_ = tokens_.usage();
    return std::nullopt;
}

}  // namespace

base::Result<Call> AnthropicDialect::call(const ChatRequest& request,
                                          const Upstream& upstream) const {
    base::Result<std::vector<Turn>> turns = read_text_chat(request, "anthropic");
    if (!turns) return std::unexpected(turns.error());
    const base::Result<Chat>& canon = canonical(request);
    if (!canon) return std::unexpected(canon.error());
    Parameters parameters(*canon, upstream);
    if (string_view format = json::member(parameters.get("response_format"), "type");
        format == "\"json_object\"")
        return base::fail(base::ErrorKind::unsupported,
                          "response_format: not carried over the anthropic protocol");
    Conversation chat = alternate(*turns);
    std::uint64_t highest = upstream.max_output_tokens.value_or(UINT64_MAX);
    std::uint64_t max_tokens = parameters.max_tokens().value_or(kDefaultMaxTokens);
    ObjectWriter body;
    body.set("model", json::quote(upstream.model));
    body.set("max_tokens", std::to_string(std::min(max_tokens, highest)));
    if (!chat.system.empty()) body.set("system", json::quote(chat.system));
    body.set("messages", messages_json(chat.turns));
    add_sampling(parameters, body);
    if (string_view user = parameters.get("user"); user.starts_with('"'))
        body.set("metadata", fmt::format(R"({{"user_id":{}}})", user));
    if (request.stream) body.set("stream", "true");
    parameters.finish(body);
    return Call{"/v1/messages", body.str(), parameters.changes()};
}

std::expected<Answer, Failure> AnthropicDialect::answer(const ChatRequest& request,
                                                        const Upstream& upstream,
                                                        const Reply& reply,
                                                        base::WallTime now) const {
    json::Cursor whole(reply.body);
    string_view body = whole.value();
    if (!whole.complete() || !body.starts_with('{'))
        return std::unexpected(malformed("the body is not one JSON object"));
    if (json::member(body, "type") == "\"error\"" || !json::blank(json::member(body, "error")))
        return std::unexpected(classify_embedded(upstream.provider, body, now));
    WholeAnswer out;
    out.id = json::text(json::member(body, "id")).value_or(made_up_id(body));
    out.created = unix_seconds(now);
    json::Cursor blocks(json::member(body, "content"));
    blocks.enter_array();
    while (blocks.next_element()) {
        string_view block = blocks.value();
        out.content += json::text(json::member(block, "text")).value_or("");
        out.reasoning += json::text(json::member(block, "thinking")).value_or("");
    }
    out.finish_reason = finish_of(json::text(json::member(body, "stop_reason")).value_or(""));
    Tokens tokens;
    tokens.read(json::member(body, "usage"));
    out.usage = tokens.usage();
    return finish_answer(request, upstream, std::move(out));
}

std::unique_ptr<StreamDecoder> AnthropicDialect::stream(const ChatRequest& request,
                                                        const Upstream& upstream,
                                                        base::WallTime now) const {
    return std::make_unique<AnthropicStream>(request, upstream, now);
}

}  // namespace llm
