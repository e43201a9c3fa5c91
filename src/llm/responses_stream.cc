#include "llm/chunks.h"
#include "llm/classify.h"
#include "llm/json.h"
#include "llm/payload.h"
#include "llm/responses_ids.h"
#include "llm/responses_object.h"
#include "llm/responses_passthrough.h"
#include "llm/responses_so_far.h"
#include "llm/splice.h"
#include "llm/sse.h"
#include "llm/take_events.h"
#include "llm/translate.h"
#include "llm/usage_json.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

/// Passes OpenAI's events on as they came; only `model` in those that hold the whole Response
/// changes.
class ResponsesStream : public StreamDecoder {
public:
    ResponsesStream(const ChatRequest& request, const Upstream& upstream, base::WallTime now)
        : request_(request), now_(now), alias_(json::quote(upstream.alias)) {}

    MaybeFailure feed(string_view bytes, std::string& out) override {
        return take_events(reader_, bytes, *this,
                           [&](const SseReader::Event& event) { return take(event, out); });
    }

    MaybeFailure finish(std::string& out) override {
        if (auto failure =
                take_last_events(reader_, *this, out,
                                 [&](const SseReader::Event& event) { return take(event, out); }))
            return failure;
        if (done_) return std::nullopt;
        return malformed(any_event_ ? "the stream ended before the response was completed"
                                    : "an empty stream");
    }

    void broken(string_view error, std::string& out) override;
    string_view whole() const override { return whole_; }

private:
    MaybeFailure take(const SseReader::Event& event, std::string& out);
    MaybeFailure end(string_view response);
    void note_content(string_view type, string_view data);
    void emit(const SseReader::Event& event, string_view model, std::string& out) const;

    const ChatRequest& request_;
    base::WallTime now_;
    std::string alias_;  ///< as a JSON string
    SseReader reader_;
    std::string begun_;  ///< the Response as the stream began it
    ResponsesSoFar so_far_;
    std::string whole_;
    std::uint64_t sequence_ = 0;  ///< of the next event
    std::uint64_t content_bytes_ = 0;
    bool any_event_ = false;
};

std::string with_model(string_view response, const std::string& alias) {
    Splice splice(response);
    if (const string_view model = json::member(response, "model"); !model.empty())
        splice.replace(model, alias);
    return splice.apply();
}

MaybeFailure ResponsesStream::take(const SseReader::Event& event, std::string& out) {
    if (event.data.empty() || event.data == "[DONE]") return std::nullopt;
    json::Cursor object(event.data);
    if (object.peek() != '{' || !object.skip() || !object.complete())
        return malformed("an event of the stream is not one JSON object");
    any_event_ = true;
    const std::string type =
        json::text(json::member(event.data, "type")).value_or(std::string(event.name));
    const string_view response = json::member(event.data, "response");
    if (type == "error" || type.empty())
        return classify_embedded(base::Provider::openai, event.data, now_);
    if (type == "response.failed") return classify_embedded(base::Provider::openai, response, now_);
    if (const auto number = json::count(json::member(event.data, "sequence_number")))
        sequence_ = *number + 1;
    if (begun_.empty() && response.starts_with('{')) begun_ = with_model(response, alias_);
    so_far_.take(type, event.data);
    note_content(type, event.data);
    if (type == "response.completed" || type == "response.incomplete")
        if (MaybeFailure failure = end(response)) return failure;
    emit(event, json::member(response, "model"), out);
    return std::nullopt;
}

void ResponsesStream::note_content(string_view type, string_view data) {
    const bool item = type == "response.output_item.done";
    if (!item && !type.ends_with(".delta")) return;
    const string_view content = json::member(data, item ? "item" : "delta");
    if (json::blank(content)) return;
    committed_ = true;
    if (!item) content_bytes_ += content_size(content);
    usage_ = estimate_usage(request_, content_bytes_);  // should it break off here
}

MaybeFailure ResponsesStream::end(string_view response) {
    if (!committed_)
        if (MaybeFailure failure = judge_response(response, now_)) return failure;
    usage_ = read_responses_usage(json::member(response, "usage"));
    if (!usage_.known) usage_ = estimate_usage(request_, content_bytes_);
    whole_ = with_model(response, alias_);
    committed_ = done_ = true;
    return std::nullopt;
}

void ResponsesStream::emit(const SseReader::Event& event, string_view model,
                           std::string& out) const {
    if (model.empty() && event.in_place) {
        out += event.raw;
        return;
    }
    Splice splice(event.in_place ? event.raw : event.data);
    if (!model.empty()) splice.replace(model, alias_);
    std::string text = splice.apply();
    if (event.in_place) {
        out += text;
        return;
    }
    make_one_line(text);
    if (!event.name.empty()) out += fmt::format("event: {}\n", event.name);
    out += fmt::format("data: {}\n\n", text);
}

void ResponsesStream::broken(string_view error, std::string& out) {
    if (begun_.empty())
        begun_ = ResponseObject(request_, json::text(alias_).value_or(""))
                     .json(our_id("resp", request_.answer_id), unix_seconds(now_),
                           {.status = "in_progress"});
    Splice splice(begun_);
    splice.replace(json::member(begun_, "status"), "\"failed\"");
    if (const string_view old = json::member(begun_, "output"); !old.empty())
        splice.replace(old, so_far_.output());
    if (const string_view old = json::member(begun_, "error"); !old.empty())
        splice.replace(old, response_error(error));
    const std::size_t begin = out.size();
    out += response_event("response.failed", sequence_++, "\"response\":" + splice.apply());
    make_one_line(out, out.find('\n', begin) + 1);
    out.replace(out.size() - 2, 2, "\n\n");
}

}  // namespace

std::unique_ptr<StreamDecoder> ResponsesPassthrough::stream(const ChatRequest& request,
                                                            const Upstream& upstream,
                                                            base::WallTime now) const {
    return std::make_unique<ResponsesStream>(request, upstream, now);
}

}  // namespace llm
