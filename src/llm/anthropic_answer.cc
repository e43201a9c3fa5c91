#include "llm/anthropic_rules.h"
#include "llm/anthropic_upstream.h"
#include "llm/classify.h"
#include "llm/event_reader.h"
#include "llm/fields.h"
#include "llm/payload.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace llm {
namespace anthropic {

using std::string_view;

void Tokens::read(string_view usage) {
    auto take = [](string_view value, std::uint64_t& field) {
        if (auto count = json::count(value)) field = *count;
    };
    take(json::member(usage, "input_tokens"), input_);
    take(json::member(usage, "cache_creation_input_tokens"), written_);
    take(json::member(usage, "cache_read_input_tokens"), cached_);
    take(json::member(usage, "output_tokens"), output_);
    take(json::member(usage, "output_tokens_details", "thinking_tokens"), thinking_);
}

Usage Tokens::usage() const {
    Usage usage;
    usage.prompt = input_ + written_ + cached_;
    usage.completion = output_;
    usage.cached = cached_;
    usage.cache_written = written_;
    usage.reasoning = thinking_;
    usage.known = usage.prompt > 0 || usage.completion > 0;
    return usage;
}

string_view finish_reason_of(string_view stop_reason) {
    if (stop_reason == "max_tokens" || stop_reason == "model_context_window_exceeded")
        return "length";
    if (stop_reason == "tool_use") return "tool_calls";
    if (stop_reason == "refusal") return "content_filter";
    return "stop";
}

std::optional<Failure> refused(const Upstream& upstream, string_view body, base::WallTime now) {
    json::Cursor whole(body);
    if (whole.peek() != '{' || !whole.skip() || !whole.complete())
        return malformed(body.empty() ? "an empty body" : "the body is not one JSON object");
    const bool error =
        text_of(body, "type") == "error" || !json::blank(json::member(body, "error"));
    if (error) return classify_embedded(upstream.provider, body, now);
    if (!json::member(body, "content").starts_with('['))
        return classify_embedded(upstream.provider, body, now);  // z.ai's bare code and message
    return std::nullopt;
}

}  // namespace anthropic

namespace {

using namespace anthropic;
using std::string_view;
using MaybeFailure = std::optional<Failure>;

/// What Anthropic cites from pages, as OpenAI's annotations: each belongs to the block of text
/// that it ends.
class CitedPages {
public:
    void text(string_view piece) {
        for (char c : piece) end_ += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
    }
    void add(string_view citation) {
        if (text_of(citation, "type") != "web_search_result_location") return;
        Page page{text_of(citation, "url"), text_of(citation, "title")};
        if (std::ranges::find(pages_, page.url, &Page::url) == pages_.end())
            pages_.push_back(std::move(page));
    }
    /// Those of the block that is over, as they stand in an array; empty: none.
    std::string annotations() {
        std::string out;
        for (const Page& page : std::exchange(pages_, {}))
            out += fmt::format(
                R"({}{{"type":"url_citation","url_citation":{{"url":{},"title":{},"start_index":{},"end_index":{}}}}})",
                out.empty() ? "" : ",", json::quote(page.url), json::quote(page.title), begin_,
                end_);
        begin_ = end_;
        return out;
    }

private:
    struct Page {
        std::string url;
        std::string title;
    };
    std::vector<Page> pages_;
    std::size_t begin_ = 0;  ///< characters of the answer's text before this block
    std::size_t end_ = 0;
};

/// Reads the events of one answer.
class AnthropicReader : public EventReader {
public:
    AnthropicReader(const ChatRequest& request, const Upstream& upstream, base::WallTime now)
        : request_(request), upstream_(upstream), now_(now) {}

private:
    /// A stream whose stop reason is known lacks nothing but its last event.
    MaybeFailure on_close(AnswerSink& sink) override {
        MaybeFailure failure = EventReader::on_close(sink);
        if (!failure || stop_reason_.empty()) return failure;
        end(sink);
        return std::nullopt;
    }
    /// A block that calls a tool.
    struct Call {
        std::size_t number = 0;
        std::string input;     ///< what its begin said
        bool streams = false;  ///< fragments have come: the begin counts for nothing
    };

    MaybeFailure take(string_view data, AnswerSink& sink) override;
    std::expected<Completion, Failure> whole(const Reply& reply) const override {
        return AnthropicUpstream().answer(request_, upstream_, reply, now_);
    }
    void begin(string_view event, AnswerSink& sink);
    void delta(string_view event, AnswerSink& sink);
    void say(const std::string& text, AnswerSink& sink) {
        cited_pages_.text(text);
        sink.text(text);
    }
    void stop(string_view event, AnswerSink& sink);
    void end(AnswerSink& sink);
    Call* call_of(string_view event) {
        auto it = calls_.find(json::count(json::member(event, "index")).value_or(0));
        return it == calls_.end() ? nullptr : &it->second;
    }

    const ChatRequest& request_;
    const Upstream& upstream_;
    base::WallTime now_;
    Tokens tokens_;
    std::map<std::uint64_t, Call> calls_;  ///< those that are open, by index of the block
    std::size_t begun_ = 0;                ///< calls so far
    std::string citations_;
    CitedPages cited_pages_;
    std::string stop_reason_, stop_sequence_;
};

std::string name_for_client(const ChatRequest& request, string_view name) {
    const base::Result<Chat>& chat = canonical(request);
    return chat ? client_name(*chat, name) : std::string(name);
}

MaybeFailure AnthropicReader::take(string_view data, AnswerSink& sink) {
    const std::string type = text_of(data, "type");
    if (type == "message_start") {
        tokens_.read(json::member(data, "message", "usage"));
        sink.start(text_of(json::member(data, "message"), "id"), 0);
    } else if (type == "content_block_start") {
        begin(data, sink);
    } else if (type == "content_block_delta") {
        delta(data, sink);
    } else if (type == "content_block_stop") {
        stop(data, sink);
    } else if (type == "message_delta") {
        tokens_.read(json::member(data, "usage"));
        stop_sequence_ = text_of(json::member(data, "delta"), "stop_sequence");
        if (auto reason = text_of(json::member(data, "delta"), "stop_reason"); !reason.empty())
            stop_reason_ = std::move(reason);
    } else if (type == "message_stop" && !stop_reason_.empty()) {
        end(sink);
    } else if (type == "ping") {
        sink.ping();
    } else if (type == "error" || !json::blank(json::member(data, "error"))) {
        return classify_embedded(upstream_.provider, data, now_);
    }
    usage_ = tokens_.usage();
    return std::nullopt;
}

void AnthropicReader::begin(string_view event, AnswerSink& sink) {
    string_view block = json::member(event, "content_block");
    const std::string type = text_of(block, "type");
    if (type == "text") {
        say(piece_of(block, "text"), sink);
    } else if (type == "thinking") {
        sink.thinking(piece_of(block, "thinking"));
    } else if (type == "redacted_thinking") {
        sink.redacted_thinking(text_of(block, "data"));
    } else if (type == "tool_use") {
        string_view input = json::member(block, "input");
        calls_[json::count(json::member(event, "index")).value_or(0)] = {
            .number = begun_++, .input = json::blank(input) ? "" : std::string(input)};
        sink.tool_call(text_of(block, "id"), name_for_client(request_, text_of(block, "name")));
    }
}

void AnthropicReader::delta(string_view event, AnswerSink& sink) {
    string_view delta = json::member(event, "delta");
    const std::string type = text_of(delta, "type");
    if (type == "text_delta") {
        say(piece_of(delta, "text"), sink);
    } else if (type == "thinking_delta") {
        sink.thinking(piece_of(delta, "thinking"));
    } else if (type == "signature_delta") {
        if (std::string signature = text_of(delta, "signature"); !signature.empty())
            sink.signature(signature);
    } else if (type == "citations_delta") {
        citations_ += (citations_.empty() ? "" : ",");
        citations_ += json::member(delta, "citation");
        cited_pages_.add(json::member(delta, "citation"));
    } else if (type == "input_json_delta") {
        Call* call = call_of(event);
        const std::string fragment = piece_of(delta, "partial_json");
        if (!call || fragment.empty()) return;
        call->streams = true;
        sink.arguments(call->number, fragment);
    }
}

void AnthropicReader::stop(string_view event, AnswerSink& sink) {
    if (std::string cited = cited_pages_.annotations(); !cited.empty())
        sink.extra("annotations", '[' + cited + ']');
    Call* call = call_of(event);
    if (!call) return;
    if (!call->streams) sink.arguments(call->number, call->input.empty() ? "{}" : call->input);
    calls_.erase(json::count(json::member(event, "index")).value_or(0));
}

void AnthropicReader::end(AnswerSink& sink) {
    done_ = true;
    if (!citations_.empty()) sink.extra("citations", '[' + citations_ + ']');
    sink.finish(finish_reason_of(stop_reason_), stop_sequence_, tokens_.usage());
}

/// One block of a whole answer; nullopt for what Anthropic's own tools did.
std::optional<Part> read_block(const ChatRequest& request, string_view block) {
    const std::string type = text_of(block, "type");
    Part part;
    if (type == "text") {
        part.text = text_of(block, "text");
    } else if (type == "thinking") {
        part.kind = Part::Kind::thinking;
        part.text = text_of(block, "thinking");
        part.signature = text_of(block, "signature");
    } else if (type == "redacted_thinking") {
        part.kind = Part::Kind::redacted_thinking;
        part.data = text_of(block, "data");
    } else if (type == "tool_use") {
        part.kind = Part::Kind::tool_call;
        part.id = text_of(block, "id");
        part.name = name_for_client(request, text_of(block, "name"));
        part.json = json::member(block, "input");
    } else {
        return std::nullopt;
    }
    return part;
}

}  // namespace

std::expected<Completion, Failure> AnthropicUpstream::answer(const ChatRequest& request,
                                                             const Upstream& upstream,
                                                             const Reply& reply,
                                                             base::WallTime now) const {
    string_view body = base::trim(reply.body);
    if (MaybeFailure failure = refused(upstream, body, now))
        return std::unexpected(std::move(*failure));
    Completion out;
    out.id = text_of(body, "id");
    std::string citations, annotations;
    CitedPages pages;
    for_each_element(json::member(body, "content"), [&](string_view block) {
        pages.text(text_of(block, "text"));
        if (std::optional<Part> part = read_block(request, block))
            out.parts.push_back(*std::move(part));
        for_each_element(json::member(block, "citations"), [&](string_view citation) {
            citations += (citations.empty() ? "" : ",") + std::string(citation);
            pages.add(citation);
        });
        if (const std::string cited = pages.annotations(); !cited.empty())
            annotations += (annotations.empty() ? "" : ",") + cited;
    });
    if (!citations.empty()) out.extras.push_back({"citations", '[' + citations + ']'});
    if (!annotations.empty()) out.extras.push_back({"annotations", '[' + annotations + ']'});
    out.finish_reason = finish_reason_of(text_of(body, "stop_reason"));
    out.stop_sequence = text_of(body, "stop_sequence");
    Tokens tokens;
    tokens.read(json::member(body, "usage"));
    out.usage = tokens.usage();
    return out;
}

std::unique_ptr<AnswerReader> AnthropicUpstream::stream(const ChatRequest& request,
                                                        const Upstream& upstream,
                                                        base::WallTime now) const {
    return std::make_unique<AnthropicReader>(request, upstream, now);
}

}  // namespace llm
