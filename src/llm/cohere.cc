#include "llm/cohere.h"

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

constexpr std::size_t kMostStops = 5;

/// Out of range is a 400 there, and so are both penalties together.
void add_sampling(Parameters& parameters, ObjectWriter& body) {
    if (auto value = parameters.number("temperature"))
        body.set("temperature", clamped(*value, 0, 1));
    if (auto value = parameters.number("top_p")) body.set("p", clamped(*value, 0.01, 0.99));
    if (auto value = parameters.number("top_k")) body.set("k", clamped(*value, 0, 500));
    for (string_view key : {"frequency_penalty", "presence_penalty"})
        if (auto value = parameters.number(key); value && *value > 0) {
            body.set(key, clamped(*value, 0, 1));
            break;
        }
    if (string_view seed = parameters.get("seed"); json::count(seed))
        body.set("seed", std::string(seed));
    std::vector<std::string> stops = parameters.stops();
    stops.resize(std::min(stops.size(), kMostStops));
    if (!stops.empty()) body.set("stop_sequences", quoted_list(stops));
}

void add_thinking(Parameters& parameters, const Upstream& upstream, ObjectWriter& body) {
    string_view effort = parameters.get("reasoning_effort");
    if (!upstream.reasoning || effort.empty()) return;
    bool off = effort == "\"none\"" || effort == "\"minimal\"";
    body.set("thinking", off ? R"({"type":"disabled"})" : R"({"type":"enabled"})");
}

Usage read_tokens(string_view usage) {
    Usage out;
    out.prompt = json::count(json::member(usage, "tokens", "input_tokens")).value_or(0);
    out.completion = json::count(json::member(usage, "tokens", "output_tokens")).value_or(0);
    out.cached = json::count(json::member(usage, "cached_tokens")).value_or(0);
    out.known = out.prompt > 0 || out.completion > 0;
    return out;
}

/// OpenAI's word; empty for an end that is a failure.
string_view finish_of(string_view reason) {
    if (reason == "MAX_TOKENS") return "length";
    if (reason == "TOOL_CALL") return "tool_calls";
    if (reason == "ERROR_TOXIC") return "content_filter";
    if (reason == "ERROR" || reason == "TIMEOUT" || reason.empty()) return {};
    return "stop";
}

Failure failed_end(const Upstream& upstream, string_view reason, string_view error,
                   base::WallTime now) {
    if (std::optional<std::string> text = json::text(error); text && !text->empty()) {
        Failure failure =
            classify_embedded(upstream.provider, fmt::format(R"({{"error":{}}})", error), now);
        if (failure.outcome == Outcome::malformed) failure.outcome = Outcome::transient;
        failure.scope = Scope::target;
        return failure;
    }
    if (error.starts_with('{')) return classify_embedded(upstream.provider, error, now);
    Failure failure =
        malformed(fmt::format("the answer ended with {}", reason.empty() ? "no reason" : reason));
    if (reason == "TIMEOUT") failure.outcome = Outcome::timeout;
    if (reason == "ERROR") failure.outcome = Outcome::transient;
    return failure;
}

class CohereStream : public TranslatedEvents {
public:
    using TranslatedEvents::TranslatedEvents;

private:
    MaybeFailure take(string_view data, std::string& out) override;
    MaybeFailure message_end(string_view delta, std::string& out);
};

MaybeFailure CohereStream::take(string_view data, std::string& out) {
    string_view type = json::member(data, "type");
    string_view delta = json::member(data, "delta");
    if (type == "\"message-start\"") {
        start(json::text(json::member(data, "id")).value_or(""), out);
    } else if (type == "\"content-start\"" || type == "\"content-delta\"") {
        string_view content = json::member(delta, "message", "content");
        thinking(json::text(json::member(content, "thinking")).value_or(""), out);
        text(json::text(json::member(content, "text")).value_or(""), out);
    } else if (type == "\"message-end\"") {
        return message_end(delta, out);
    } else if (type.empty() && !json::blank(json::member(data, "message"))) {
        return classify_embedded(upstream_.provider, data,
                                 now_);  // a flat error in place of events
    }
    return std::nullopt;
}

MaybeFailure CohereStream::message_end(string_view delta, std::string& out) {
    std::string reason = json::text(json::member(delta, "finish_reason")).value_or("");
    string_view error = json::member(delta, "error");
    string_view finish = finish_of(reason);
    if (!json::blank(error) || finish.empty()) return failed_end(upstream_, reason, error, now_);
    usage_ = read_tokens(json::member(delta, "usage"));
    stopped(finish);
    return close(out);
}

}  // namespace

base::Result<Call> CohereDialect::call(const ChatRequest& request, const Upstream& upstream) const {
    base::Result<std::vector<Turn>> turns = read_text_chat(request, "cohere");
    if (!turns) return std::unexpected(turns.error());
    const base::Result<Chat>& chat = canonical(request);
    if (!chat) return std::unexpected(chat.error());
    Parameters parameters(*chat, upstream);
    ObjectWriter body;
    body.set("model", json::quote(upstream.model));
    body.set("messages", messages_json(*turns, EmptyTurns::leave_out));
    body.set("stream", request.stream ? "true" : "false");
    if (std::optional<std::uint64_t> bound = parameters.max_tokens())
        body.set("max_tokens", std::to_string(*bound));
    add_sampling(parameters, body);
    add_thinking(parameters, upstream, body);
    if (json::member(parameters.get("response_format"), "type") == "\"json_object\"")
        body.set("response_format", R"({"type":"json_object"})");
    parameters.finish(body);
    return Call{"/v2/chat", body.str(), parameters.changes()};
}

std::expected<Answer, Failure> CohereDialect::answer(const ChatRequest& request,
                                                     const Upstream& upstream, const Reply& reply,
                                                     base::WallTime now) const {
    json::Cursor whole(reply.body);
    string_view body = whole.value();
    if (!whole.complete() || !body.starts_with('{'))
        return std::unexpected(malformed("the body is not one JSON object"));
    string_view message = json::member(body, "message");
    if (!message.starts_with('{'))
        return std::unexpected(classify_embedded(upstream.provider, body, now));
    std::string reason = json::text(json::member(body, "finish_reason")).value_or("");
    WholeAnswer out;
    out.finish_reason = finish_of(reason);
    if (out.finish_reason.empty())
        return std::unexpected(failed_end(upstream, reason, json::member(body, "error"), now));
    out.id = json::text(json::member(body, "id")).value_or(made_up_id(body));
    out.created = unix_seconds(now);
    string_view content = json::member(message, "content");
    out.content = json::text(content).value_or("");
    json::Cursor parts(content);
    if (content.starts_with('[') && parts.enter_array())
        while (parts.next_element()) {
            string_view part = parts.value();
            out.content += json::text(json::member(part, "text")).value_or("");
            out.reasoning += json::text(json::member(part, "thinking")).value_or("");
        }
    out.usage = read_tokens(json::member(body, "usage"));
    return finish_answer(request, upstream, std::move(out));
}

std::unique_ptr<StreamDecoder> CohereDialect::stream(const ChatRequest& request,
                                                     const Upstream& upstream,
                                                     base::WallTime now) const {
    return std::make_unique<CohereStream>(request, upstream, now);
}

}  // namespace llm
