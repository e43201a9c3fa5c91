#include "llm/completion.h"

#include "llm/json.h"
#include "llm/openai_rules.h"
#include "llm/splice.h"
#include "llm/sse.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

/// The one prompt string: `"…"` or `["…"]`.
base::Result<string_view> one_prompt(string_view prompt) {
    string_view text = prompt;
    if (prompt.starts_with('[')) {
        json::Cursor in(prompt);
        in.enter_array();
        text = in.next_element() ? in.value() : string_view();
        if (in.next_element()) text = {};
    }
    if (text.starts_with('"')) return text;
    return base::fail(base::ErrorKind::unsupported,
                      "prompt: this target takes one string, no tokens and no list of several");
}

base::Result<ChatRequest> as_chat(const ChatRequest& request) {
    Splice splice(request.body);
    ObjectEdit object(splice, string_view(request.body).substr(request.body.find('{')));
    for (const Member& member : request.members) {
        string_view whole = request.text(member.whole);
        string_view value = request.text(member.value);
        if (member.key == "prompt") {
            base::Result<string_view> prompt = one_prompt(value);
            if (!prompt) return std::unexpected(prompt.error());
            object.remove(whole);
            object.add("messages", fmt::format(R"([{{"role":"user","content":{}}}])", *prompt));
        } else if (member.key == "suffix" || member.key == "echo") {
            if (!json::blank(value) && value != "false")
                return base::fail(base::ErrorKind::unsupported,
                                  fmt::format("{}: this target completes by chat", member.key));
            object.remove(whole);
        } else if (member.key == "logprobs" || member.key == "best_of") {
            object.remove(whole);
        } else {
            object.keep(whole);
        }
    }
    object.finish();
    return parse_chat(splice.apply(), Endpoint::chat);
}

/// A chat answer or chunk as a text_completion object; empty if it holds nothing
/// that one could carry (a role, a reasoning delta).
std::string as_completion(string_view chat) {
    std::string choices;
    json::Cursor in(json::member(chat, "choices"));
    in.enter_array();
    bool carries = in.peek() == ']';
    while (in.next_element()) {
        string_view choice = in.value();
        string_view message = json::member(choice, "message");
        string_view delta = message.empty() ? json::member(choice, "delta") : message;
        string_view content = json::member(delta, "content");
        string_view finish = json::member(choice, "finish_reason");
        carries = carries || !json::blank(content) || !json::blank(finish);
        if (!choices.empty()) choices += ',';
        string_view index = json::member(choice, "index");
        choices +=
            fmt::format(R"({{"index":{},"text":{},"logprobs":null,"finish_reason":{}}})",
                        index.empty() ? "0" : index, content.starts_with('"') ? content : "\"\"",
                        finish.empty() ? "null" : finish);
    }
    if (!carries) return {};
    std::string out = "{";
    for (string_view key : {"id", "created", "model", "usage"})
        if (string_view value = json::member(chat, key); !value.empty())
            out += fmt::format("{}:{},", json::quote(key), value);
    return out + fmt::format(R"("object":"text_completion","choices":[{}]}})", choices);
}

/// Turns the chat chunks of another decoder into text_completion chunks.
class CompletionStream : public StreamDecoder {
public:
    explicit CompletionStream(std::unique_ptr<StreamDecoder> chat) : chat_(std::move(chat)) {}

    std::optional<Failure> feed(string_view bytes, std::string& out) override {
        chunks_.clear();
        std::optional<Failure> failure = chat_->feed(bytes, chunks_);
        convert(out);
        return failure;
    }

    std::optional<Failure> finish(std::string& out) override {
        chunks_.clear();
        std::optional<Failure> failure = chat_->finish(chunks_);
        convert(out);
        return failure;
    }

    void broken(std::string_view error, std::string& out) override { chat_->broken(error, out); }

private:
    void convert(std::string& out) {
        reader_.feed(chunks_);
        SseReader::Event event;
        while (reader_.next(event)) {
            if (!event.data.starts_with('{')) {
                out += event.raw;
            } else if (std::string chunk = as_completion(event.data); !chunk.empty()) {
                out += fmt::format("data: {}\n\n", chunk);
            }
        }
        committed_ = chat_->committed();
        done_ = chat_->done();
        usage_ = chat_->usage();
    }

    std::unique_ptr<StreamDecoder> chat_;
    std::string chunks_;
    SseReader reader_;
};

}  // namespace

bool WithCompletions::carried(const ChatRequest& request, const Upstream& upstream) const {
    if (request.endpoint == Endpoint::chat) return false;
    return protocol_ != Protocol::openai || !openai::rules(upstream).completions;
}

base::Result<Call> WithCompletions::call(const ChatRequest& request,
                                         const Upstream& upstream) const {
    if (!carried(request, upstream)) return chat_.call(request, upstream);
    base::Result<ChatRequest> chat = as_chat(request);
    if (!chat) return std::unexpected(chat.error());
    base::Result<Call> call = chat_.call(*chat, upstream);
    if (call) call->changes.insert(call->changes.begin(), "carried the prompt as a chat");
    return call;
}

std::expected<Answer, Failure> WithCompletions::answer(const ChatRequest& request,
                                                       const Upstream& upstream, const Reply& reply,
                                                       base::WallTime now) const {
    std::expected<Answer, Failure> answer = chat_.answer(request, upstream, reply, now);
    if (answer && carried(request, upstream)) answer->body = as_completion(answer->body);
    return answer;
}

std::unique_ptr<StreamDecoder> WithCompletions::stream(const ChatRequest& request,
                                                       const Upstream& upstream,
                                                       base::WallTime now) const {
    std::unique_ptr<StreamDecoder> decoder = chat_.stream(request, upstream, now);
    if (!carried(request, upstream)) return decoder;
    return std::make_unique<CompletionStream>(std::move(decoder));
}

}  // namespace llm
