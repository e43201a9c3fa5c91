#include "llm/classify.h"
#include "llm/cohere.h"
#include "llm/event_reader.h"
#include "llm/fields.h"
#include "llm/json.h"
#include "llm/payload.h"
#include "llm/tool_choice.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {
namespace {

using cohere::ToolNames;
using std::string_view;
using MaybeFailure = std::optional<Failure>;

std::string text_of(string_view value) { return json::text(value).value_or(""); }

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

class CohereReader : public EventReader {
public:
    CohereReader(const ChatRequest& request, const Upstream& upstream, base::WallTime now)
        : request_(request),
          names_(canonical(request).value()),
          one_call_(wants_one_call(canonical(request).value())),
          upstream_(upstream),
          now_(now) {}

private:
    MaybeFailure take(string_view data, AnswerSink& sink) override;
    std::expected<Completion, Failure> whole(const Reply& reply) const override {
        return CohereUpstream().answer(request_, upstream_, reply, now_);
    }
    void content(string_view content, AnswerSink& sink);
    void call_begins(std::uint64_t index, string_view call, AnswerSink& sink);
    void call_goes_on(std::uint64_t index, string_view call, AnswerSink& sink);
    MaybeFailure message_end(string_view delta, AnswerSink& sink);

    const ChatRequest& request_;
    ToolNames names_;
    bool one_call_;
    const Upstream& upstream_;
    base::WallTime now_;
    std::vector<std::uint64_t> calls_;  ///< Cohere's index of each
};

MaybeFailure CohereReader::take(string_view data, AnswerSink& sink) {
    const std::string type = text_of(json::member(data, "type"));
    string_view delta = json::member(data, "delta");
    string_view message = json::member(delta, "message");
    const std::uint64_t index = json::count(json::member(data, "index")).value_or(0);
    if (type == "message-start") {
        sink.start(text_of(json::member(data, "id")), 0);
    } else if (type == "content-start" || type == "content-delta") {
        content(json::member(message, "content"), sink);
    } else if (type == "tool-plan-delta") {
        sink.text(piece_of(message, "tool_plan"));
    } else if (type == "tool-call-start") {
        call_begins(index, json::member(message, "tool_calls"), sink);
    } else if (type == "tool-call-delta") {
        call_goes_on(index, json::member(message, "tool_calls"), sink);
    } else if (type == "citation-start") {
        string_view citation = json::member(message, "citations");
        if (citation.starts_with('{')) sink.extra("citations", fmt::format("[{}]", citation));
        if (citation.starts_with('[')) sink.extra("citations", citation);
    } else if (type == "message-end") {
        return message_end(delta, sink);
    } else if (type.empty() && !json::blank(json::member(data, "message"))) {
        return classify_embedded(upstream_.provider, data, now_);  // an error in place of events
    }
    return std::nullopt;
}

void CohereReader::content(string_view content, AnswerSink& sink) {
    sink.thinking(piece_of(content, "thinking"));
    sink.text(piece_of(content, "text"));
}

void CohereReader::call_begins(std::uint64_t index, string_view call, AnswerSink& sink) {
    if (one_call_ && !calls_.empty()) return;
    calls_.push_back(index);
    sink.tool_call(text_of(json::member(call, "id")),
                   names_.clients(text_of(json::member(call, "function", "name"))));
    call_goes_on(index, call, sink);
}

void CohereReader::call_goes_on(std::uint64_t index, string_view call, AnswerSink& sink) {
    const auto it = std::ranges::find(calls_, index);
    if (it != calls_.end())
        sink.arguments(static_cast<std::size_t>(it - calls_.begin()),
                       piece_of(json::member(call, "function"), "arguments"));
}

MaybeFailure CohereReader::message_end(string_view delta, AnswerSink& sink) {
    const std::string reason = text_of(json::member(delta, "finish_reason"));
    string_view error = json::member(delta, "error");
    string_view finish = finish_of(reason);
    if (!json::blank(error) || finish.empty()) return failed_end(upstream_, reason, error, now_);
    usage_ = read_tokens(json::member(delta, "usage"));
    done_ = true;
    sink.finish(finish, {}, usage_);
    return std::nullopt;
}

void read_content(string_view content, std::vector<Part>& parts) {
    if (std::string text = text_of(content); !text.empty())
        parts.push_back({.text = std::move(text)});
    json::Cursor in(content);
    if (!content.starts_with('[') || !in.enter_array()) return;
    while (in.next_element()) {
        string_view block = in.value();
        if (std::string text = text_of(json::member(block, "thinking")); !text.empty())
            parts.push_back({.kind = Part::Kind::thinking, .text = std::move(text)});
        if (std::string text = text_of(json::member(block, "text")); !text.empty())
            parts.push_back({.text = std::move(text)});
    }
}

void read_calls(string_view calls, const ToolNames& names, std::vector<Part>& parts) {
    json::Cursor in(calls);
    if (!calls.starts_with('[') || !in.enter_array()) return;
    while (in.next_element()) {
        string_view call = in.value();
        string_view function = json::member(call, "function");
        parts.push_back({.kind = Part::Kind::tool_call,
                         .name = names.clients(text_of(json::member(function, "name"))),
                         .id = text_of(json::member(call, "id")),
                         .json = text_of(json::member(function, "arguments"))});
    }
}

}  // namespace

std::expected<Completion, Failure> CohereUpstream::answer(const ChatRequest& request,
                                                          const Upstream& upstream,
                                                          const Reply& reply,
                                                          base::WallTime now) const {
    json::Cursor whole(reply.body);
    string_view body = whole.value();
    if (!whole.complete() || !body.starts_with('{'))
        return std::unexpected(malformed("the body is not one JSON object"));
    string_view message = json::member(body, "message");
    if (!message.starts_with('{'))
        return std::unexpected(classify_embedded(upstream.provider, body, now));
    const std::string reason = text_of(json::member(body, "finish_reason"));
    Completion out;
    out.finish_reason = finish_of(reason);
    if (out.finish_reason.empty())
        return std::unexpected(failed_end(upstream, reason, json::member(body, "error"), now));
    out.id = text_of(json::member(body, "id"));
    read_content(json::member(message, "content"), out.parts);
    if (std::string plan = text_of(json::member(message, "tool_plan")); !plan.empty())
        out.parts.push_back({.text = std::move(plan)});
    const Chat& chat = canonical(request).value();
    read_calls(json::member(message, "tool_calls"), ToolNames(chat), out.parts);
    if (wants_one_call(chat)) keep_first_call(out);
    if (string_view citations = json::member(message, "citations"); !json::blank(citations))
        out.extras.push_back({"citations", std::string(citations)});
    out.usage = read_tokens(json::member(body, "usage"));
    return out;
}

std::unique_ptr<AnswerReader> CohereUpstream::stream(const ChatRequest& request,
                                                     const Upstream& upstream,
                                                     base::WallTime now) const {
    return std::make_unique<CohereReader>(request, upstream, now);
}

}  // namespace llm
