#include "llm/ollama_client.h"

#include "base/units.h"
#include "llm/chunks.h"
#include "llm/json.h"
#include "llm/ollama.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;
using Route = OllamaClient::Route;

/// With nanoseconds, as Ollama writes it.
std::string timestamp(base::WallTime time) {
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(time - second);
    std::string out = base::rfc3339(time);
    if (out.ends_with('Z')) out.pop_back();
    return fmt::format("{}.{:09}Z", out, rest.count());
}

std::string calls_json(const std::vector<Part>& calls) {
    std::string out;
    for (std::size_t i = 0; i < calls.size(); ++i)
        out += fmt::format(R"({}{{"id":{},"function":{{"index":{},"name":{},"arguments":{}}}}})",
                           i == 0 ? "" : ",", json::quote(calls[i].id), i,
                           json::quote(calls[i].name), ollama::object_or_empty(calls[i].json));
    return out;
}

/// What a line or a whole answer says, as members without braces.
std::string said(Route route, string_view text, string_view thinking,
                 const std::vector<Part>& calls) {
    std::string rest;
    if (!thinking.empty()) rest += ",\"thinking\":" + json::quote(thinking);
    if (route == Route::generate) return "\"response\":" + json::quote(text) + rest;
    if (!calls.empty()) rest += ",\"tool_calls\":[" + calls_json(calls) + ']';
    return fmt::format(R"("message":{{"role":"assistant","content":{}{}}})", json::quote(text),
                       rest);
}

/// The end: nobody told us how long its parts took.
std::string ended(string_view reason, const Usage& usage) {
    return fmt::format(
        R"("done":true,"done_reason":"{}","total_duration":0,"load_duration":0,"prompt_eval_count":{},"prompt_eval_duration":0,"eval_count":{},"eval_duration":0)",
        reason == "length" ? "length" : "stop", usage.prompt, usage.completion);
}

std::string head(string_view alias, base::WallTime time) {
    return fmt::format(R"({{"model":{},"created_at":"{}",)", json::quote(alias), timestamp(time));
}

class OllamaWriter : public AnswerWriter {
public:
    OllamaWriter(Route route, string_view alias, base::WallTime now)
        : route_(route), head_(head(alias, now)) {}

    void start(string_view, std::uint64_t) override {}
    void text(string_view piece) override { line(said(route_, piece, {}, {})); }
    void refusal(string_view piece) override { text(piece); }
    void thinking(string_view piece) override { line(said(route_, {}, piece, {})); }
    void signature(string_view) override {}
    void redacted_thinking(string_view) override {}
    /// Calls are told whole: those that come in pieces wait for the end.
    void tool_call(string_view id, string_view name) override {
        calls_.push_back(
            {.kind = Part::Kind::tool_call, .name = std::string(name), .id = std::string(id)});
    }
    void arguments(std::size_t call, string_view fragment) override {
        if (call < calls_.size()) calls_[call].json += fragment;
    }
    void extra(string_view, string_view) override {}
    void finish(string_view reason, string_view, const Usage& usage) override {
        if (!calls_.empty() && route_ == Route::chat) line(said(route_, {}, {}, calls_));
        out_ += head_ + said(route_, {}, {}, {}) + ',' + ended(reason, usage) + "}\n";
    }
    void ping() override { line(said(route_, {}, {}, {})); }
    void broken(string_view error) override { out_ += ollama_error(error) + '\n'; }

private:
    void line(const std::string& what) {
        const std::size_t begin = out_.size();
        out_ += head_ + what + ",\"done\":false}";
        make_one_line(out_, begin);
        out_ += '\n';
    }

    Route route_;
    std::string head_;
    std::vector<Part> calls_;
};

}  // namespace

std::string ollama_error(string_view error) {
    string_view inner = json::member(error, "error");
    string_view message = json::member(inner, "message");
    std::string out = "{\"error\":";
    out += message.starts_with('"') ? message : "\"the request failed\"";
    for (string_view key : {"code", "attempts"})
        if (string_view value = json::member(inner, key); !json::blank(value))
            out += fmt::format(",{}:{}", json::quote(key), value);
    return out + '}';
}

std::string OllamaClient::answer(const ChatRequest&, string_view alias,
                                 const Completion& answer) const {
    std::string text;
    std::vector<Part> calls;
    for (const Part& part : answer.parts) {
        if (part.kind == Part::Kind::text || part.kind == Part::Kind::refusal) text += part.text;
        if (part.kind == Part::Kind::tool_call) calls.push_back(part);
    }
    const base::WallTime time{std::chrono::seconds(answer.created)};
    return head(alias, time) + said(route_, text, answer.thinking(), calls) + ',' +
           ended(answer.finish_reason, answer.usage) + '}';
}

std::unique_ptr<AnswerWriter> OllamaClient::writer(const ChatRequest&, string_view alias,
                                                   base::WallTime now) const {
    return std::make_unique<OllamaWriter>(route_, alias, now);
}

std::string OllamaClient::error(int, string_view error) const { return ollama_error(error); }

std::string OllamaClient::error_frames(int, string_view error) const {
    return ollama_error(error) + '\n';
}

/// There are no comments between lines: one that says nothing stands for it.
std::string OllamaClient::comment(string_view) const {
    return '{' + said(route_, {}, {}, {}) + ",\"done\":false}\n";
}

std::optional<ClientDialect::Nothing> OllamaClient::nothing_asked(const ChatRequest& request,
                                                                  base::WallTime now) const {
    const auto holds = [&request](string_view key) {
        const Member* member = request.find(key);
        return member && !json::blank(request.text(member->value));
    };
    if (route_ == Route::chat ? holds("messages") : holds("prompt") || holds("images"))
        return std::nullopt;
    const Member* keep = request.find("keep_alive");
    string_view stay = keep ? request.text(keep->value) : string_view();
    const auto span = base::parse_duration(json::text(stay).value_or(std::string(stay)));
    const bool unload = span && span->count() == 0;
    return Nothing{
        head(request.model, now) + said(route_, {}, {}, {}) +
            fmt::format(R"(,"done":true,"done_reason":"{}"}})", unload ? "unload" : "load"),
        unload};
}

}  // namespace llm
