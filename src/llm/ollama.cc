#include "llm/ollama.h"

#include "llm/classify.h"
#include "llm/json.h"
#include "llm/payload.h"
#include "llm/text_chat.h"
#include "llm/translated.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

constexpr std::size_t kLongestLine = 4u << 20;

/// Members of the native body that are no model options.
constexpr auto kTopLevel = std::to_array<string_view>(
    {"keep_alive", "think", "format", "truncate", "shift", "options", "template"});

void add_options(Parameters& parameters, ObjectWriter& options) {
    for (string_view key : {"temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty",
                            "frequency_penalty", "repeat_penalty"})
        if (string_view value = parameters.get(key); json::number(value))
            options.set(key, std::string(value));
    if (std::optional<std::uint64_t> bound = parameters.max_tokens())
        options.set("num_predict", std::to_string(*bound));
    if (std::vector<std::string> stops = parameters.stops(); !stops.empty())
        options.set("stop", quoted_list(stops));
}

/// Configuration's own members: an `options` object is merged, never put in the
/// place of what the client asked for.
void add_native(const Extra& extra, ObjectWriter& body, ObjectWriter& options) {
    if (extra.key == "options" && extra.json.starts_with('{')) {
        json::Cursor in(extra.json);
        string_view key;
        in.enter_object();
        while (in.next_member(key)) options.set(json::unescape(key), std::string(in.value()));
    } else if (std::ranges::find(kTopLevel, extra.key) != kTopLevel.end()) {
        body.set(extra.key, extra.json);
    } else {
        options.set(extra.key, extra.json);
    }
}

/// Left out, `think` means yes on models that can; on the others yes is refused.
std::string_view think(Parameters& parameters, const Upstream& upstream) {
    string_view effort = parameters.get("reasoning_effort");
    if (!upstream.reasoning) return "false";
    if (effort.empty()) return {};
    if (effort == "\"none\"" || effort == "\"minimal\"") return "false";
    bool has_levels = upstream.model.find("gpt-oss") != upstream.model.npos;
    return has_levels && (effort == "\"low\"" || effort == "\"medium\"" || effort == "\"high\"")
               ? effort
               : "true";
}

Usage read_counts(string_view line) {
    Usage usage;
    usage.prompt = json::count(json::member(line, "prompt_eval_count")).value_or(0);
    usage.completion = json::count(json::member(line, "eval_count")).value_or(0);
    usage.known = usage.completion > 0;
    return usage;
}

string_view finish_of(string_view done_reason) {
    return done_reason == "length" ? "length" : "stop";
}

Failure inner_error(const Upstream& upstream, string_view line, base::WallTime now) {
    Failure failure = classify_embedded(upstream.provider, line, now);
    bool unclear = failure.outcome == Outcome::malformed;
    if (unclear) failure.scope = Scope::target;
    if (unclear) failure.outcome = Outcome::transient;  // the runner died under the request
    return failure;
}

class OllamaStream : public TextStream {
public:
    using TextStream::TextStream;

    MaybeFailure feed(string_view bytes, std::string& out) override;

private:
    MaybeFailure drain(std::string& out) override;
    MaybeFailure take(string_view line, std::string& out);

    std::string buffer_;
};

MaybeFailure OllamaStream::feed(string_view bytes, std::string& out) {
    buffer_ += bytes;
    std::size_t begin = 0;
    for (std::size_t end; !done() && (end = buffer_.find('\n', begin)) != buffer_.npos;
         begin = end + 1) {
        string_view line = base::trim(string_view(buffer_).substr(begin, end - begin));
        if (line.empty()) continue;
        if (MaybeFailure failure = take(line, out)) return failure;
    }
    buffer_.erase(0, begin);
    if (buffer_.size() > kLongestLine) return malformed("a line of the stream is too large");
    return std::nullopt;
}

MaybeFailure OllamaStream::drain(std::string& out) {
    string_view line = base::trim(buffer_);
    return line.empty() ? std::nullopt : take(line, out);
}

MaybeFailure OllamaStream::take(string_view line, std::string& out) {
    json::Cursor whole(line);
    if (line.front() != '{' || !whole.skip() || !whole.complete())
        return malformed("a line of the stream is not one JSON object");
    if (!json::blank(json::member(line, "error"))) return inner_error(upstream_, line, now_);
    start(made_up_id(json::member(line, "created_at")), out);
    string_view message = json::member(line, "message");
    thinking(json::text(json::member(message, "thinking")).value_or(""), out);
    text(json::text(json::member(message, "content")).value_or(""), out);
    if (json::member(line, "done") != "true") return std::nullopt;
    usage_ = read_counts(line);
    stopped(finish_of(json::text(json::member(line, "done_reason")).value_or("stop")));
    return close(out);
}

}  // namespace

base::Result<Call> OllamaDialect::call(const ChatRequest& request, const Upstream& upstream) const {
    base::Result<std::vector<Turn>> turns = read_text_chat(request, "ollama");
    if (!turns) return std::unexpected(turns.error());
    const base::Result<Chat>& chat = canonical(request);
    if (!chat) return std::unexpected(chat.error());
    Parameters parameters(*chat, upstream);
    ObjectWriter body, options;
    body.set("model", json::quote(upstream.model));
    body.set("messages", messages_json(*turns, EmptyTurns::keep));
    body.set("stream", request.stream ? "true" : "false");
    if (string_view wanted = think(parameters, upstream); !wanted.empty())
        body.set("think", std::string(wanted));
    if (json::member(parameters.get("response_format"), "type") == "\"json_object\"")
        body.set("format", "\"json\"");
    if (string_view keep = parameters.get("keep_alive"); !keep.empty())
        body.set("keep_alive", std::string(keep));
    add_options(parameters, options);
    for (const Extra* extra : parameters.natives()) add_native(*extra, body, options);
    if (!options.empty()) body.set("options", options.str());
    return Call{"/api/chat", body.str(), parameters.changes()};
}

std::expected<Answer, Failure> OllamaDialect::answer(const ChatRequest& request,
                                                     const Upstream& upstream, const Reply& reply,
                                                     base::WallTime now) const {
    json::Cursor whole(reply.body);
    string_view body = whole.value();
    if (!whole.complete() || !body.starts_with('{'))
        return std::unexpected(malformed("the body is not one JSON object"));
    if (!json::blank(json::member(body, "error")))
        return std::unexpected(inner_error(upstream, body, now));
    string_view message = json::member(body, "message");
    WholeAnswer out;
    out.id = made_up_id(json::member(body, "created_at"));
    out.created = unix_seconds(now);
    out.content = json::text(json::member(message, "content")).value_or("");
    out.reasoning = json::text(json::member(message, "thinking")).value_or("");
    out.finish_reason = finish_of(json::text(json::member(body, "done_reason")).value_or("stop"));
    out.usage = read_counts(body);
    return finish_answer(request, upstream, std::move(out));
}

std::unique_ptr<StreamDecoder> OllamaDialect::stream(const ChatRequest& request,
                                                     const Upstream& upstream,
                                                     base::WallTime now) const {
    return std::make_unique<OllamaStream>(request, upstream, now);
}

}  // namespace llm
