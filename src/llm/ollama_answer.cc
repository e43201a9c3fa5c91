#include "llm/classify.h"
#include "llm/fields.h"
#include "llm/json.h"
#include "llm/ollama.h"
#include "llm/payload.h"
#include "llm/tool_choice.h"
#include "llm/translate.h"
#include "llm/usage_json.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

constexpr std::size_t kLongestLine = 4u << 20;

std::string text_of(string_view value) { return json::text(value).value_or(""); }

/// Who speaks in a line or a whole answer: a chat has a message, /api/generate says it itself.
string_view said_in(string_view line) {
    string_view message = json::member(line, "message");
    return message.empty() ? line : message;
}

/// What it says, as JSON.
string_view words_in(string_view said) {
    string_view content = json::member(said, "content");
    return content.empty() ? json::member(said, "response") : content;
}

string_view finish_of(string_view done_reason) {
    return done_reason == "length" ? "length" : "stop";
}

/// Where an answer stands: when it began, and how much of the conversation came before it.
std::string place_of(const ChatRequest& request, string_view created_at) {
    const base::Result<Chat>& chat = canonical(request);
    return fmt::format("{}/{}", created_at, chat ? chat->messages.size() : 0);
}

/// Calls come whole; many models give them no id. Ours is made of the call and its
/// place, so that it is another one in each turn of a conversation, whatever the clock says.
Part read_call(string_view call, string_view place, std::size_t number) {
    string_view function = json::member(call, "function");
    string_view arguments = json::member(function, "arguments");
    Part part{.kind = Part::Kind::tool_call,
              .name = text_of(json::member(function, "name")),
              .id = text_of(json::member(call, "id")),
              .json = json::text(arguments).value_or(std::string(arguments))};
    if (part.id.empty())
        part.id = made_up_id(fmt::format("{}/{}/{}/{}", place, number, part.name, part.json))
                      .replace(0, string_view("chatcmpl-").size(), "call_");
    return part;
}

template <class Take>
void for_each_call(string_view message, Take take) {
    string_view calls = json::member(message, "tool_calls");
    json::Cursor in(calls);
    if (!calls.starts_with('[') || !in.enter_array()) return;
    while (in.next_element()) take(in.value());
}

class OllamaReader : public AnswerReader {
public:
    OllamaReader(const ChatRequest& request, const Upstream& upstream, base::WallTime now)
        : one_call_(wants_one_call(canonical(request).value())),
          request_(request),
          upstream_(upstream),
          now_(now) {}

private:
    MaybeFailure on_bytes(string_view bytes, AnswerSink& sink) override;
    MaybeFailure on_close(AnswerSink& sink) override;
    MaybeFailure take(string_view line, AnswerSink& sink);
    void calls(string_view line, AnswerSink& sink);

    bool one_call_;
    const ChatRequest& request_;
    const Upstream& upstream_;
    base::WallTime now_;
    ollama::LineReader lines_;
    std::string started_;  ///< the first line's created_at
    std::size_t calls_ = 0;
};

MaybeFailure OllamaReader::on_bytes(string_view bytes, AnswerSink& sink) {
    lines_.feed(bytes);
    string_view line;
    while (!done() && lines_.next(line))
        if (MaybeFailure failure = take(line, sink)) return failure;
    if (lines_.overflow()) return malformed("a line of the stream is too large");
    return std::nullopt;
}

MaybeFailure OllamaReader::on_close(AnswerSink& sink) {
    string_view line;
    if (!done() && lines_.last(line))
        if (MaybeFailure failure = take(line, sink)) return failure;
    if (done()) return std::nullopt;
    return malformed(started_.empty() ? "an empty stream"
                                      : "the stream ended without a finish reason");
}

MaybeFailure OllamaReader::take(string_view line, AnswerSink& sink) {
    json::Cursor whole(line);
    if (line.front() != '{' || !whole.skip() || !whole.complete())
        return malformed("a line of the stream is not one JSON object");
    if (!json::blank(json::member(line, "error")))
        return ollama::inner_error(upstream_, line, now_);
    if (started_.empty()) {
        started_ = json::member(line, "created_at");
        sink.start(made_up_id(started_), 0);
        if (started_.empty()) started_ = "-";
    }
    string_view said = said_in(line);
    sink.thinking(piece_of(said, "thinking"));
    sink.text(json::piece(words_in(said)).value_or(""));
    calls(line, sink);
    if (json::member(line, "done") != "true") return std::nullopt;
    usage_ = ollama::read_counts(line, request_);
    done_ = true;
    sink.finish(finish_of(text_of(json::member(line, "done_reason"))), {}, usage_);
    return std::nullopt;
}

void OllamaReader::calls(string_view line, AnswerSink& sink) {
    for_each_call(json::member(line, "message"), [&](string_view call) {
        if (one_call_ && calls_ > 0) return;
        const std::string place = place_of(request_, json::member(line, "created_at"));
        const Part part = read_call(call, place, calls_);
        sink.tool_call(part.id, part.name);
        sink.arguments(calls_++, part.json);
    });
}

}  // namespace

namespace ollama {

Usage read_counts(string_view line, const ChatRequest& request) {
    Usage usage;
    usage.prompt = json::count(json::member(line, "prompt_eval_count")).value_or(0);
    usage.completion = json::count(json::member(line, "eval_count")).value_or(0);
    usage.known = usage.completion > 0;
    usage.load_ms = load_ms(line);
    if (!usage.known || usage.prompt > 0) return usage;
    usage.prompt = estimate_usage(request, 0).prompt;
    usage.estimated = true;
    return usage;
}

std::uint64_t load_ms(string_view line) {
    return json::count(json::member(line, "load_duration")).value_or(0) / 1'000'000;
}

Failure inner_error(const Upstream& upstream, string_view line, base::WallTime now) {
    Failure failure = classify_embedded(upstream.provider, line, now);
    const bool unclear = failure.outcome == Outcome::malformed;
    if (unclear) failure.scope = Scope::target;
    if (unclear) failure.outcome = Outcome::transient;  // the runner died under the request
    return failure;
}

bool LineReader::next(string_view& line) {
    for (std::size_t end; (end = buffer_.find('\n', begin_)) != buffer_.npos;) {
        line = base::trim(string_view(buffer_).substr(begin_, end - begin_));
        begin_ = end + 1;
        if (!line.empty()) return true;
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    return false;
}

bool LineReader::last(string_view& line) {
    line = base::trim(string_view(buffer_).substr(begin_));
    begin_ = buffer_.size();
    return !line.empty();
}

bool LineReader::overflow() const { return buffer_.size() - begin_ > kLongestLine; }

}  // namespace ollama

std::expected<Completion, Failure> OllamaUpstream::answer(const ChatRequest& request,
                                                          const Upstream& upstream,
                                                          const Reply& reply,
                                                          base::WallTime now) const {
    json::Cursor whole(reply.body);
    string_view body = whole.value();
    if (!whole.complete() || !body.starts_with('{'))
        return std::unexpected(malformed("the body is not one JSON object"));
    if (!json::blank(json::member(body, "error")))
        return std::unexpected(ollama::inner_error(upstream, body, now));
    string_view said = said_in(body);
    string_view created_at = json::member(body, "created_at");
    Completion out;
    out.id = made_up_id(created_at);
    if (std::string text = text_of(json::member(said, "thinking")); !text.empty())
        out.parts.push_back({.kind = Part::Kind::thinking, .text = std::move(text)});
    if (std::string text = text_of(words_in(said)); !text.empty())
        out.parts.push_back({.text = std::move(text)});
    std::size_t number = 0;
    for_each_call(said, [&](string_view call) {
        out.parts.push_back(read_call(call, place_of(request, created_at), number++));
    });
    if (wants_one_call(canonical(request).value())) keep_first_call(out);
    out.finish_reason = finish_of(text_of(json::member(body, "done_reason")));
    out.usage = ollama::read_counts(body, request);
    return out;
}

std::unique_ptr<AnswerReader> OllamaUpstream::stream(const ChatRequest& request,
                                                     const Upstream& upstream,
                                                     base::WallTime now) const {
    return std::make_unique<OllamaReader>(request, upstream, now);
}

}  // namespace llm
