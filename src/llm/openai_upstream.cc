#include "llm/openai_upstream.h"

#include "llm/fields.h"
#include "llm/json.h"
#include "llm/openai.h"
#include "llm/sse.h"
#include "llm/tool_names.h"
#include "llm/usage_json.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

std::string clients_name(const ChatRequest& request, std::string name) {
    const base::Result<Chat>& chat = canonical(request);
    return chat ? client_tool_name(*chat, name, kLongestOpenAiName) : name;
}

/// Reads chunks that OpenAiDialect has already judged and brought into one shape, of chats and of
/// the old completions.
class OpenAiReader : public AnswerReader {
public:
    OpenAiReader(const ChatRequest& asked, const Upstream& upstream, base::WallTime now)
        : asked_(asked) {
        request_.stream = request_.include_usage = true;
        chunks_ = OpenAiDialect().stream(request_, upstream, now);
    }

private:
    MaybeFailure on_bytes(string_view bytes, AnswerSink& sink) override {
        MaybeFailure failure = chunks_->feed(bytes, buffer_);
        if (!chunks_->held()) read(sink);
        return failure;
    }
    MaybeFailure on_close(AnswerSink& sink) override {
        MaybeFailure failure = chunks_->finish(buffer_);
        if (!chunks_->held()) read(sink);
        return failure;
    }
    void read(AnswerSink& sink) {
        reader_.feed(buffer_);
        buffer_.clear();
        SseReader::Event event;
        while (reader_.next(event))
            if (event.data.starts_with('{')) chunk(event.data, sink);
        usage_ = chunks_->usage();
        if (!chunks_->done() || done_) return;
        done_ = true;
        if (usage_.estimated) usage_.known = false;
        sink.finish(finish_reason_, {}, usage_);
    }
    void chunk(string_view data, AnswerSink& sink);
    void delta(string_view delta, AnswerSink& sink);
    void calls(string_view calls, AnswerSink& sink);

    const ChatRequest& asked_;
    ChatRequest request_;
    std::unique_ptr<StreamDecoder> chunks_;
    std::string buffer_;
    SseReader reader_;
    bool started_ = false;
    std::string tier_;  ///< as JSON
    std::string finish_reason_;
    std::vector<std::uint64_t> calls_;  ///< the index of each, as the stream numbers them
};

void OpenAiReader::chunk(string_view data, AnswerSink& sink) {
    if (!std::exchange(started_, true))
        sink.start(json::text(json::member(data, "id")).value_or(""),
                   json::count(json::member(data, "created")).value_or(0));
    if (string_view tier = json::member(data, "service_tier");
        !json::blank(tier) && tier != tier_) {
        tier_ = tier;
        sink.extra("service_tier", tier);
    }
    json::Cursor choices(json::member(data, "choices"));
    choices.enter_array();
    while (choices.next_element()) {
        string_view choice = choices.value();
        if (json::count(json::member(choice, "index")).value_or(0) != 0) continue;
        string_view piece = json::member(choice, "delta");
        piece.empty() ? sink.text(piece_of(choice, "text")) : delta(piece, sink);
        if (auto reason = json::text(json::member(choice, "finish_reason")))
            finish_reason_ = *std::move(reason);
    }
}

void OpenAiReader::delta(string_view delta, AnswerSink& sink) {
    if (!delta.starts_with('{')) return;
    json::Cursor in(delta);
    string_view key;
    in.enter_object();
    bool reasoned = false;
    while (in.next_member(key)) {
        string_view value = in.value();
        if (key == "content")
            sink.text(json::piece(value).value_or(""));
        else if (key == "refusal")
            sink.refusal(json::piece(value).value_or(""));
        else if ((key == "reasoning_content" || key == "reasoning") &&
                 !std::exchange(reasoned, true))
            sink.thinking(json::piece(value).value_or(""));
        else if (key == "tool_calls")
            calls(value, sink);
        else if ((key == "citations" || key == "annotations") && !json::blank(value))
            sink.extra(key, value);
    }
}

void OpenAiReader::calls(string_view calls, AnswerSink& sink) {
    for_each_element(calls, [&](string_view call) {
        const std::uint64_t index = json::count(json::member(call, "index")).value_or(0);
        string_view function = json::member(call, "function");
        const auto it = std::ranges::find(calls_, index);
        const auto number = static_cast<std::size_t>(it - calls_.begin());
        if (it == calls_.end()) {
            calls_.push_back(index);
            sink.tool_call(text_of(call, "id"), clients_name(asked_, text_of(function, "name")));
        }
        string_view arguments = json::member(function, "arguments");
        if (auto text = json::piece(arguments))
            sink.arguments(number, *text);
        else if (arguments.starts_with('{'))
            sink.arguments(number, arguments);
    });
}

}  // namespace

base::Result<Call> OpenAiUpstream::call(const Chat& chat, const ChatRequest& request,
                                        const Upstream& upstream) const {
    for (const Tool& tool : chat.tools)
        if (!tool.native.empty())
            return base::fail(base::ErrorKind::unsupported,
                              fmt::format("tools[].{}: only its own provider runs it", tool.name));
    std::vector<std::string> changes;
    auto written = openai_body(chat, request, upstream, changes);
    if (!written) return std::unexpected(written.error());
    auto body = parse_chat(*std::move(written), Endpoint::chat);
    if (!body) return std::unexpected(body.error());
    auto call = OpenAiDialect().call(*body, upstream);
    if (call) call->changes.insert(call->changes.begin(), changes.begin(), changes.end());
    return call;
}

Completion read_openai_answer(string_view body) {
    Completion out;
    out.id = json::text(json::member(body, "id")).value_or("");
    out.created = json::count(json::member(body, "created")).value_or(0);
    out.usage = read_usage(json::member(body, "usage"));
    if (json::member(body, "usage", "freeway_estimated") == "true") out.usage.known = false;
    json::Cursor choices(json::member(body, "choices"));
    if (!choices.enter_array() || !choices.next_element()) return out;
    string_view choice = choices.value();
    string_view message = json::member(choice, "message");
    out.finish_reason = json::text(json::member(choice, "finish_reason")).value_or("stop");
    auto text = [message](string_view key) {
        return json::text(json::member(message, key)).value_or("");
    };
    std::string thinking = text("reasoning_content");
    if (thinking.empty()) thinking = text("reasoning");
    if (!thinking.empty())
        out.parts.push_back({.kind = Part::Kind::thinking, .text = std::move(thinking)});
    std::string content = message.empty() ? text_of(choice, "text") : text("content");
    if (!content.empty()) out.parts.push_back({.text = std::move(content)});
    if (std::string refusal = text("refusal"); !refusal.empty())
        out.parts.push_back({.kind = Part::Kind::refusal, .text = std::move(refusal)});
    for_each_element(json::member(message, "tool_calls"), [&](string_view call) {
        string_view arguments = json::member(call, "function", "arguments");
        out.parts.push_back(
            {.kind = Part::Kind::tool_call,
             .name = json::text(json::member(call, "function", "name")).value_or(""),
             .id = json::text(json::member(call, "id")).value_or(""),
             .json = json::text(arguments).value_or(std::string(arguments))});
    });
    for (string_view key : {"citations", "annotations"})
        if (string_view value = json::member(message, key); !json::blank(value))
            out.extras.push_back({std::string(key), std::string(value)});
    if (string_view tier = json::member(body, "service_tier"); !json::blank(tier))
        out.extras.push_back({"service_tier", std::string(tier)});
    return out;
}

std::expected<Completion, Failure> OpenAiUpstream::answer(const ChatRequest& request,
                                                          const Upstream& upstream,
                                                          const Reply& reply,
                                                          base::WallTime now) const {
    auto judged = OpenAiDialect().answer(ChatRequest(), upstream, reply, now);
    if (!judged) return std::unexpected(std::move(judged.error()));
    Completion answer = read_openai_answer(judged->body);
    for (Part& part : answer.parts)
        if (part.kind == Part::Kind::tool_call) part.name = clients_name(request, part.name);
    return answer;
}

std::unique_ptr<AnswerReader> OpenAiUpstream::stream(const ChatRequest& request,
                                                     const Upstream& upstream,
                                                     base::WallTime now) const {
    return std::make_unique<OpenAiReader>(request, upstream, now);
}

}  // namespace llm
