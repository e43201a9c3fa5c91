// Answers that pass from Anthropic's Messages to a client that speaks them.

#include "llm/anthropic_client.h"
#include "llm/anthropic_passthrough.h"
#include "llm/anthropic_upstream.h"
#include "llm/chunks.h"
#include "llm/classify.h"
#include "llm/fields.h"
#include "llm/payload.h"
#include "llm/splice.h"
#include "llm/sse.h"
#include "llm/take_events.h"
#include "llm/translate.h"
#include "llm/usage_json.h"

#include <fmt/format.h>

namespace llm {
namespace {

using namespace anthropic;
using std::string_view;
using MaybeFailure = std::optional<Failure>;

/// How much a client would see of a block or a delta, in bytes: 0 for empty ones.
std::uint64_t weight(string_view object) {
    const std::string type = text_of(object, "type");
    for (string_view key : {"text", "thinking", "partial_json"})
        if (string_view value = json::member(object, key); !value.empty())
            return content_size(value);
    return type.empty() || type == "signature_delta" ? 0 : object.size();
}

MaybeFailure nothing_said(string_view stop_reason) {
    return empty_answer(json::quote(finish_reason_of(stop_reason)));
}

/// Passes events on as they came, the model's name apart.
class AnthropicStream : public StreamDecoder {
public:
    AnthropicStream(const ChatRequest& request, const Upstream& upstream, base::WallTime now)
        : request_(request), upstream_(upstream), now_(now) {}

    MaybeFailure feed(string_view bytes, std::string& out) override;
    MaybeFailure finish(std::string& out) override;
    void broken(string_view error, std::string& out) override { out += broken_frames(error); }

private:
    enum class Form { unknown, events, one_body };

    MaybeFailure events(string_view bytes, std::string& out);
    MaybeFailure take(const SseReader::Event& event, std::string& out);
    MaybeFailure whole_body(std::string& out);
    void content(string_view object);
    void start(const SseReader::Event& event, std::string& out);
    MaybeFailure end();

    const ChatRequest& request_;
    const Upstream& upstream_;
    base::WallTime now_;
    Form form_ = Form::unknown;
    SseReader reader_;
    std::string body_;  ///< where one JSON body came instead of events
    Tokens tokens_;
    std::uint64_t bytes_ = 0;
    bool any_event_ = false;
    std::string stop_reason_;
};

MaybeFailure AnthropicStream::feed(string_view bytes, std::string& out) {
    if (done_) return std::nullopt;
    if (form_ == Form::unknown) {
        const std::size_t first = bytes.find_first_not_of(" \t\r\n");
        if (first != bytes.npos) form_ = bytes[first] == '{' ? Form::one_body : Form::events;
    }
    if (form_ != Form::one_body) return events(bytes, out);
    if (body_.size() + bytes.size() > kLongestBody) return malformed("the body is too large");
    body_ += bytes;
    return std::nullopt;
}

/// Some servers answer a stream request with one JSON body.
MaybeFailure AnthropicStream::whole_body(std::string& out) {
    static const std::vector<Header> kNoHeaders;
    const Reply reply{.status = 200, .headers = kNoHeaders, .body = body_};
    auto read = AnthropicUpstream().answer(request_, upstream_, reply, now_);
    if (!read) return std::move(read.error());
    auto whole = completed(*std::move(read), request_, now_);
    if (!whole) return std::move(whole.error());
    auto writer = AnthropicClient().writer(request_, upstream_.alias, now_);
    replay(*whole, *writer);
    writer->drain(out);
    usage_ = whole->usage;
    committed_ = done_ = true;
    return std::nullopt;
}

MaybeFailure AnthropicStream::events(string_view bytes, std::string& out) {
    return take_events(reader_, bytes, *this,
                       [&](const SseReader::Event& event) { return take(event, out); });
}

MaybeFailure AnthropicStream::take(const SseReader::Event& event, std::string& out) {
    if (event.data.empty()) {
        if (committed_) out += event.raw;
        return std::nullopt;
    }
    json::Cursor whole(event.data);
    const bool object = whole.peek() == '{' && whole.skip() && whole.complete();
    const std::string type = object ? text_of(event.data, "type") : std::string();
    if (type == "error" || event.name == "error" ||
        (type.empty() && !json::blank(json::member(event.data, "error"))))
        return classify_embedded(upstream_.provider, event.data, now_);
    if (!object) return malformed("an event of the stream is not one JSON object");
    any_event_ = true;
    if (type == "message_start") {
        start(event, out);
        return std::nullopt;
    }
    if (type == "content_block_start") content(json::member(event.data, "content_block"));
    if (type == "content_block_delta") content(json::member(event.data, "delta"));
    if (type == "message_delta") {
        tokens_.read(json::member(event.data, "usage"));
        if (auto why = text_of(json::member(event.data, "delta"), "stop_reason"); !why.empty())
            stop_reason_ = std::move(why);
    }
    usage_ = tokens_.usage();
    if (type == "message_stop")
        if (MaybeFailure failure = end()) return failure;
    out += event.raw;
    return std::nullopt;
}

void AnthropicStream::content(string_view object) {
    const std::uint64_t bytes = weight(object);
    bytes_ += bytes;
    committed_ = committed_ || bytes > 0;
}

void AnthropicStream::start(const SseReader::Event& event, std::string& out) {
    tokens_.read(json::member(event.data, "message", "usage"));
    usage_ = tokens_.usage();
    string_view model = json::member(event.data, "message", "model");
    Splice splice(event.in_place ? event.raw : event.data);
    if (!model.empty()) splice.replace(model, json::quote(upstream_.alias));
    if (event.in_place) {
        out += splice.apply();
        return;
    }
    std::string text = splice.apply();
    make_one_line(text);
    out += fmt::format("event: message_start\ndata: {}\n\n", text);
}

MaybeFailure AnthropicStream::end() {
    if (stop_reason_.empty())
        return malformed(any_event_ ? "the stream ended without a finish reason"
                                    : "an empty stream");
    if (bytes_ == 0)
        if (MaybeFailure failure = nothing_said(stop_reason_)) return failure;
    if (!usage_.known) usage_ = estimate_usage(request_, bytes_);
    committed_ = done_ = true;
    return std::nullopt;
}

/// A stream whose stop reason is known lacks nothing but its last event.
MaybeFailure AnthropicStream::finish(std::string& out) {
    if (done_) return std::nullopt;
    if (form_ == Form::one_body) return whole_body(out);
    if (auto failure = take_last_events(
            reader_, *this, out, [&](const SseReader::Event& event) { return take(event, out); }))
        return failure;
    if (done_) return std::nullopt;
    if (MaybeFailure failure = end()) return failure;
    out += "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    return std::nullopt;
}

}  // namespace

std::expected<Answer, Failure> AnthropicPassthrough::answer(const ChatRequest& request,
                                                            const Upstream& upstream,
                                                            const Reply& reply,
                                                            base::WallTime now) const {
    string_view body = base::trim(reply.body);
    if (MaybeFailure failure = refused(upstream, body, now))
        return std::unexpected(std::move(*failure));
    std::uint64_t bytes = 0;
    for_each_element(json::member(body, "content"),
                     [&bytes](string_view block) { bytes += weight(block); });
    if (bytes == 0)
        if (MaybeFailure failure = nothing_said(text_of(body, "stop_reason")))
            return std::unexpected(std::move(*failure));
    Tokens tokens;
    tokens.read(json::member(body, "usage"));
    Answer answer{{}, tokens.usage()};
    if (!answer.usage.known) answer.usage = estimate_usage(request, bytes);
    Splice splice(body);
    if (string_view model = json::member(body, "model"); !model.empty())
        splice.replace(model, json::quote(upstream.alias));
    answer.body = splice.apply();
    return answer;
}

std::unique_ptr<StreamDecoder> AnthropicPassthrough::stream(const ChatRequest& request,
                                                            const Upstream& upstream,
                                                            base::WallTime now) const {
    return std::make_unique<AnthropicStream>(request, upstream, now);
}

}  // namespace llm
