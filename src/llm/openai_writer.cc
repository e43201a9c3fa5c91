#include "llm/chunks.h"
#include "llm/json.h"
#include "llm/openai_client.h"
#include "llm/openai_functions.h"
#include "llm/translate.h"
#include "llm/usage_json.h"

#include <utility>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

class ChatWriter : public AnswerWriter {
public:
    ChatWriter(const ChatRequest& request, string_view alias, base::WallTime now)
        : include_usage_(request.include_usage),
          functions_(request.wants_function_call()),
          alias_(alias),
          now_(now) {}

    void start(string_view id, std::uint64_t created) override {
        if (chunks_) return;
        chunks_.emplace(json::quote(chat_id(id, now_)),
                        std::to_string(created ? created : unix_seconds(now_)), alias_);
        chunks_->role(out_);
    }
    void text(string_view piece) override { chunks().content(out_, piece); }
    void refusal(string_view piece) override {
        chunks().delta(out_, fmt::format(R"({{"refusal":{}}})", json::quote(piece)));
    }
    void thinking(string_view piece) override {
        chunks().reasoning(out_, piece);
        thinking_ += piece;
    }
    void signature(string_view signature) override {
        chunks().delta(
            out_,
            fmt::format(
                R"({{"thinking_blocks":[{{"type":"thinking","thinking":{},"signature":{}}}]}})",
                json::quote(std::exchange(thinking_, {})), json::quote(signature)));
    }
    void redacted_thinking(string_view data) override {
        chunks().delta(
            out_, fmt::format(R"({{"thinking_blocks":[{{"type":"redacted_thinking","data":{}}}]}})",
                              json::quote(data)));
    }
    void tool_call(string_view id, string_view name) override {
        if (functions_) return function_call("name", name, calls_++);
        chunks().delta(
            out_,
            fmt::format(
                R"({{"tool_calls":[{{"index":{},"id":{},"type":"function","function":{{"name":{},"arguments":""}}}}]}})",
                calls_++, json::quote(id), json::quote(name)));
    }
    void arguments(std::size_t call, string_view fragment) override {
        if (functions_) return function_call("arguments", fragment, call);
        chunks().delta(
            out_, fmt::format(R"({{"tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}]}})",
                              call, json::quote(fragment)));
    }
    void extra(string_view key, string_view json) override {
        if (key == "service_tier") return;
        chunks().delta(out_, fmt::format("{{{}:{}}}", json::quote(key), json));
    }
    void finish(string_view reason, string_view, const Usage& usage) override {
        chunks().finish(out_, functions_ ? functions::finish_reason(reason) : reason);
        if (include_usage_) chunks_->usage(out_, usage);
        ChunkWriter::done(out_);
    }
    void ping() override { out_ += ": ping\n\n"; }
    void broken(string_view error) override {
        fmt::format_to(std::back_inserter(out_), "data: {}\n\ndata: [DONE]\n\n", error);
    }

private:
    /// There is one call in the first form: the answer's first.
    void function_call(string_view key, string_view value, std::size_t call) {
        if (call == 0)
            chunks().delta(out_, fmt::format(R"({{"function_call":{{{}:{}}}}})", json::quote(key),
                                             json::quote(value)));
    }
    ChunkWriter& chunks() {
        start({}, 0);
        return *chunks_;
    }

    bool include_usage_;
    bool functions_;
    std::string alias_;
    base::WallTime now_;
    std::optional<ChunkWriter> chunks_;
    std::string thinking_;  ///< since the last signature
    std::size_t calls_ = 0;
};

class CompletionWriter : public AnswerWriter {
public:
    CompletionWriter(const ChatRequest& request, string_view alias, base::WallTime now)
        : include_usage_(request.include_usage), alias_(alias), now_(now) {}

    void start(string_view id, std::uint64_t created) override {
        if (!head_.empty()) return;
        head_ = fmt::format(
            R"(data: {{"id":{},"object":"text_completion","created":{},"model":{},"choices":[)",
            json::quote(chat_id(id, now_)), created ? created : unix_seconds(now_),
            json::quote(alias_));
    }
    void text(string_view piece) override { chunk(piece, "null"); }
    void refusal(string_view piece) override { chunk(piece, "null"); }
    void thinking(string_view) override {}
    void signature(string_view) override {}
    void redacted_thinking(string_view) override {}
    void tool_call(string_view, string_view) override {}
    void arguments(std::size_t, string_view) override {}
    void extra(string_view, string_view) override {}
    void finish(string_view reason, string_view, const Usage& usage) override {
        chunk({}, json::quote(reason));
        if (include_usage_) out_ += fmt::format("{}],\"usage\":{}}}\n\n", head_, usage_json(usage));
        ChunkWriter::done(out_);
    }
    void ping() override { out_ += ": ping\n\n"; }
    void broken(string_view error) override {
        fmt::format_to(std::back_inserter(out_), "data: {}\n\ndata: [DONE]\n\n", error);
    }

private:
    void chunk(string_view text, string_view reason) {
        start({}, 0);
        fmt::format_to(std::back_inserter(out_),
                       R"({}{{"index":0,"text":{},"logprobs":null,"finish_reason":{}}}]}})"
                       "\n\n",
                       head_, json::quote(text), reason);
    }

    bool include_usage_;
    std::string alias_;
    base::WallTime now_;
    std::string head_;
};

}  // namespace

std::string chat_id(string_view id, base::WallTime now) {
    if (!id.empty()) return std::string(id);
    return made_up_id(std::to_string(now.time_since_epoch().count()));
}

std::unique_ptr<AnswerWriter> OpenAiClient::writer(const ChatRequest& request, string_view alias,
                                                   base::WallTime now) const {
    return std::make_unique<ChatWriter>(request, alias, now);
}

std::unique_ptr<AnswerWriter> CompletionClient::writer(const ChatRequest& request,
                                                       string_view alias,
                                                       base::WallTime now) const {
    return std::make_unique<CompletionWriter>(request, alias, now);
}

}  // namespace llm
