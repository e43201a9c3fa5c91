#include "llm/openai_upstream.h"

#include "llm/fields.h"
#include "llm/json.h"
#include "llm/openai.h"
#include "llm/openai_client.h"
#include "llm/redact.h"
#include "llm/sse.h"
#include "llm/usage_json.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

/// Writes messages in OpenAI's shape.
class MessageWriter {
public:
    MessageWriter(const Upstream& upstream, std::vector<std::string>& changes)
        : keeps_extras_(upstream.provider == base::Provider::openrouter),
          keeps_thinking_(upstream.provider == base::Provider::openrouter ||
                          upstream.provider == base::Provider::openai_compatible),
          fetches_files_(upstream.provider == base::Provider::openrouter),
          changes_(changes) {}

    void add(const Message& message);
    std::string str() const { return '[' + out_ + ']'; }
    /// Why what was added can't be written.
    const std::optional<base::Error>& error() const { return error_; }

private:
    void element(std::string json) { out_ += (out_.empty() ? "" : ",") + std::move(json); }
    void assistant(const Message& message);
    void result(const Part& part, std::vector<const Part*>& images);
    std::string content(const std::vector<const Part*>& parts);
    std::string part(const Part& part);
    std::string file(const Part& part);
    void refuse(string_view what, string_view why);
    std::string extras(const std::vector<Extra>& extras, string_view where);

    bool keeps_extras_;
    bool keeps_thinking_;
    bool fetches_files_;
    std::vector<std::string>& changes_;
    std::string out_;
    std::optional<base::Error> error_;
};

std::string MessageWriter::extras(const std::vector<Extra>& extras, string_view where) {
    std::string out;
    for (const Extra& extra : extras) {
        if (keeps_extras_ || extra.key == "detail")
            out += fmt::format(",{}:{}", json::quote(extra.key), extra.json);
        else
            note(changes_, fmt::format("removed {}.{}", where, extra.key));
    }
    return out;
}

void MessageWriter::refuse(string_view what, string_view why) {
    if (!error_)
        error_ = base::Error{base::ErrorKind::unsupported,
                             fmt::format("messages[].content[].{}: {}", what, why)};
}

/// A document by its id in OpenAI's store, or by its bytes.
std::string MessageWriter::file(const Part& part) {
    constexpr string_view kAnthropics = "file_";
    if (part.id.starts_with(kAnthropics))
        refuse(part.id, "this target can't read files of Anthropic's store; send the file's data");
    else if (!part.url.empty() && !fetches_files_)
        refuse(redact(part.url), "this target fetches no documents; send the document's data");
    if (!part.id.empty()) return "\"file_id\":" + json::quote(part.id);
    return fmt::format(R"("filename":{},"file_data":{})",
                       json::quote(part.name.empty() ? "document.pdf" : part.name),
                       json::quote(source_url(part)));
}

std::string MessageWriter::part(const Part& part) {
    constexpr string_view kWhere = "messages[].content[]";
    switch (part.kind) {
        case Part::Kind::image: {
            if (part.url.empty() && part.data.empty())
                refuse(part.id, "this target reads no images from a store; send its URL or data");
            std::string detail;
            for (const Extra& extra : part.extras)
                if (extra.key == "detail") detail = ",\"detail\":" + extra.json;
            return fmt::format(R"({{"type":"image_url","image_url":{{"url":{}{}}}}})",
                               json::quote(source_url(part)), detail);
        }
        case Part::Kind::audio:
            return fmt::format(
                R"({{"type":"input_audio","input_audio":{{"data":{},"format":{}}}}})",
                json::quote(part.data),
                json::quote(part.media_type.substr(part.media_type.find('/') + 1)));
        case Part::Kind::document:
            if (!part.text.empty())
                return fmt::format(R"({{"type":"text","text":{}}})", json::quote(part.text));
            return fmt::format(R"({{"type":"file","file":{{{}}}}})", file(part));
        default:
            return fmt::format(R"({{"type":"text","text":{}{}}})", json::quote(part.text),
                               extras(part.extras, kWhere));
    }
}

std::string MessageWriter::content(const std::vector<const Part*>& parts) {
    const bool one_text = parts.size() == 1 && parts.front()->kind == Part::Kind::text &&
                          (!keeps_extras_ || parts.front()->extras.empty());
    if (parts.empty()) return "\"\"";
    if (one_text) {
        (void)extras(parts.front()->extras, "messages[].content[]");
        return json::quote(parts.front()->text);
    }
    std::string out;
    for (const Part* one : parts) out += (out.empty() ? "" : ",") + part(*one);
    return '[' + out + ']';
}

/// A tool's result is a text here; pictures in it follow as a user's words.
void MessageWriter::result(const Part& result, std::vector<const Part*>& images) {
    std::string text;
    for (const Part& part : result.parts) {
        if (part.kind == Part::Kind::text || !part.text.empty())
            text += (text.empty() ? "" : "\n") + part.text;
        else
            images.push_back(&part);
    }
    if (result.error && !text.starts_with("Error")) text = "Error: " + text;
    (void)extras(result.extras, "messages[].content[].tool_result");
    element(fmt::format(R"({{"role":"tool","tool_call_id":{},"content":{}}})",
                        json::quote(result.id), json::quote(text)));
}

void MessageWriter::assistant(const Message& message) {
    std::vector<Part> parts;
    for (const Part& part : message.parts) {
        const bool thinking =
            part.kind == Part::Kind::thinking || part.kind == Part::Kind::redacted_thinking;
        if (thinking && (!keeps_thinking_ || part.kind != Part::Kind::thinking)) {
            note(changes_, "removed messages[].thinking");
            continue;
        }
        parts.push_back(part);
        if (!parts.back().signature.empty()) {
            parts.back().signature.clear();
            note(changes_, "removed messages[].thinking.signature");
        }
        (void)extras(part.extras, "messages[].content[]");
    }
    element('{' + openai_message_members(parts) + extras(message.extras, "messages[]") + '}');
}

void MessageWriter::add(const Message& message) {
    if (message.role == Message::Role::assistant) return assistant(message);
    std::vector<const Part*> words;
    std::vector<const Part*> images;
    bool results = false;
    for (const Part& part : message.parts) {
        if (part.kind == Part::Kind::tool_result) {
            result(part, images);
            results = true;
        } else {
            words.push_back(&part);
        }
    }
    words.insert(words.begin(), images.begin(), images.end());
    if (results && words.empty()) return;
    const bool system = message.role == Message::Role::system;
    std::string name;
    if (!message.name.empty()) name = ",\"name\":" + json::quote(message.name);
    element(fmt::format(R"({{"role":"{}","content":{}{}{}}})", system ? "system" : "user",
                        content(words), name, extras(message.extras, "messages[]")));
}

/// Reads chunks that OpenAiDialect has already judged and brought into one shape.
class OpenAiReader : public AnswerReader {
public:
    OpenAiReader(const Upstream& upstream, base::WallTime now) {
        request_.stream = request_.include_usage = true;
        chunks_ = OpenAiDialect().stream(request_, upstream, now);
    }

    MaybeFailure feed(string_view bytes, AnswerSink& sink) override {
        MaybeFailure failure = chunks_->feed(bytes, buffer_);
        if (!chunks_->held()) read(sink);
        return failure;
    }
    MaybeFailure finish(AnswerSink& sink) override {
        MaybeFailure failure = chunks_->finish(buffer_);
        if (!chunks_->held()) read(sink);
        return failure;
    }

private:
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

    ChatRequest request_;
    std::unique_ptr<StreamDecoder> chunks_;
    std::string buffer_;
    SseReader reader_;
    bool started_ = false;
    std::string finish_reason_;
    std::vector<std::uint64_t> calls_;  ///< the index of each, as the stream numbers them
};

void OpenAiReader::chunk(string_view data, AnswerSink& sink) {
    if (!std::exchange(started_, true))
        sink.start(json::text(json::member(data, "id")).value_or(""),
                   json::count(json::member(data, "created")).value_or(0));
    json::Cursor choices(json::member(data, "choices"));
    choices.enter_array();
    while (choices.next_element()) {
        string_view choice = choices.value();
        if (json::count(json::member(choice, "index")).value_or(0) != 0) continue;
        delta(json::member(choice, "delta"), sink);
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
            sink.text(json::text(value).value_or(""));
        else if (key == "refusal")
            sink.refusal(json::text(value).value_or(""));
        else if ((key == "reasoning_content" || key == "reasoning") &&
                 !std::exchange(reasoned, true))
            sink.thinking(json::text(value).value_or(""));
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
            sink.tool_call(text_of(call, "id"), text_of(function, "name"));
        }
        string_view arguments = json::member(function, "arguments");
        if (auto text = json::text(arguments))
            sink.arguments(number, *text);
        else if (arguments.starts_with('{'))
            sink.arguments(number, arguments);
    });
}

/// Parameters that only Anthropic or Ollama knows.
constexpr auto kOthersOwn = std::to_array<string_view>(
    {"context_management", "container", "inference_geo", "cache_control", "keep_alive", "truncate",
     "shift", "template", "context", "repeat_penalty"});
/// Samplers that OpenAI itself refuses.
constexpr auto kNotOpenAi = std::to_array<string_view>({"top_k", "min_p"});

bool foreign(string_view key, const Upstream& upstream) {
    auto in = [key](const auto& list) { return std::ranges::find(list, key) != list.end(); };
    return in(kOthersOwn) || key.starts_with("options.") ||
           (upstream.provider == base::Provider::openai && in(kNotOpenAi));
}

}  // namespace

std::string openai_tools(const std::vector<Tool>& tools, std::vector<std::string>& changes) {
    std::string out;
    for (const Tool& tool : tools) {
        std::string function = "\"name\":" + json::quote(tool.name);
        if (!tool.description.empty())
            function += ",\"description\":" + json::quote(tool.description);
        function += ",\"parameters\":" +
                    (tool.schema.empty() ? R"({"type":"object","properties":{}})" : tool.schema);
        if (tool.strict) function += fmt::format(",\"strict\":{}", *tool.strict);
        out += fmt::format(R"({}{{"type":"function","function":{{{}}}}})", out.empty() ? "" : ",",
                           function);
        for (const Extra& extra : tool.extras)
            note(changes, fmt::format("removed tools[].{}", extra.key));
    }
    return '[' + out + ']';
}

base::Result<std::string> openai_body(const Chat& chat, const ChatRequest& request,
                                      const Upstream& upstream, std::vector<std::string>& changes) {
    MessageWriter messages(upstream, changes);
    for (const Message& message : chat.messages) messages.add(message);
    if (messages.error()) return std::unexpected(*messages.error());
    std::string out = R"({"model":"x","messages":)" + messages.str();
    if (!chat.tools.empty()) out += ",\"tools\":" + openai_tools(chat.tools, changes);
    for (const Extra& parameter : chat.parameters) {
        if (foreign(parameter.key, upstream)) {
            note(changes, fmt::format("removed {}", parameter.key));
            continue;
        }
        out += fmt::format(",{}:{}", json::quote(parameter.key), parameter.json);
    }
    if (request.stream) out += ",\"stream\":true";
    return out + '}';
}

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
    if (std::string content = text("content"); !content.empty())
        out.parts.push_back({.text = std::move(content)});
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
    return out;
}

std::expected<Completion, Failure> OpenAiUpstream::answer(const ChatRequest&,
                                                          const Upstream& upstream,
                                                          const Reply& reply,
                                                          base::WallTime now) const {
    auto judged = OpenAiDialect().answer(ChatRequest(), upstream, reply, now);
    if (!judged) return std::unexpected(std::move(judged.error()));
    return read_openai_answer(judged->body);
}

std::unique_ptr<AnswerReader> OpenAiUpstream::stream(const ChatRequest&, const Upstream& upstream,
                                                     base::WallTime now) const {
    return std::make_unique<OpenAiReader>(upstream, now);
}

}  // namespace llm
