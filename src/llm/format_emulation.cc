#include "llm/format_emulation.h"

#include "base/units.h"
#include "llm/anthropic_rules.h"
#include "llm/json.h"

#include <fmt/format.h>

#include <algorithm>

namespace llm {
namespace {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

bool asks_to_think(const Chat& chat) {
    const Extra* effort = chat.find("reasoning_effort");
    return chat.find("thinking") || (effort && effort->json != "\"none\"");
}

/// Anthropic does not force tools on a model that thinks, Ollama on none.
bool by_tool(const Chat& chat, const AnswerFormat& format, const Upstream& upstream) {
    const Protocol protocol = protocol_of(upstream.provider);
    if (!upstream.tools || !chat.tools.empty() || protocol == Protocol::ollama) return false;
    if (protocol == Protocol::anthropic && asks_to_think(chat)) return false;
    return json::text(json::member(format.schema, "type")) == "object";
}

void add_tool(Chat& chat, const AnswerFormat& format) {
    const std::string description =
        format.description.empty() ? "Gives the answer." : format.description;
    chat.tools = {{.name = format.name, .description = description, .schema = format.schema}};
    chat.set("tool_choice", fmt::format(R"({{"type":"function","function":{{"name":{}}}}})",
                                        json::quote(format.name)));
}

/// After what the client's own instructions say.
void add_instruction(Chat& chat, const AnswerFormat& format) {
    constexpr string_view kBare = "and nothing else: no explanation and no code fence.";
    const std::string text =
        format.schema.empty()
            ? fmt::format("Answer with one JSON object {}", kBare)
            : fmt::format(
                  "Answer with one JSON value {} It must be valid under this JSON Schema:"
                  "\n{}",
                  kBare, format.schema);
    const bool instructed =
        !chat.messages.empty() && chat.messages.front().role == Message::Role::system;
    if (!instructed) chat.messages.insert(chat.messages.begin(), {.role = Message::Role::system});
    std::vector<Part>& parts = chat.messages.front().parts;
    const bool continues = !parts.empty() && parts.back().kind == Part::Kind::text;
    if (continues)
        parts.back().text += "\n\n" + text;
    else
        parts.push_back({.text = text});
}

std::string without_fence(const std::string& text) {
    string_view inner = base::trim(text);
    constexpr string_view kFence = "```";
    const std::size_t line = inner.find('\n');
    if (!inner.starts_with(kFence) || !inner.ends_with(kFence) || line == inner.npos) return text;
    inner = inner.substr(line + 1);
    return std::string(base::trim(inner.substr(0, inner.size() - kFence.size())));
}

class EmulatedReader : public AnswerReader {
public:
    EmulatedReader(std::unique_ptr<AnswerReader> reader, const ChatRequest& request)
        : reader_(std::move(reader)), request_(request) {}

private:
    MaybeFailure on_bytes(string_view bytes, AnswerSink& sink) override {
        return settle(reader_->feed(bytes, collected_), sink);
    }
    MaybeFailure on_close(AnswerSink& sink) override {
        return settle(reader_->finish(collected_), sink);
    }
    MaybeFailure settle(MaybeFailure failure, AnswerSink& sink) {
        usage_ = reader_->usage();
        if (failure || done_ || !reader_->done()) return failure;
        done_ = true;
        replay(as_asked(collected_.answer(), request_), sink);
        return std::nullopt;
    }

    std::unique_ptr<AnswerReader> reader_;
    const ChatRequest& request_;
    Collector collected_;
};

}  // namespace

bool emulates_format(const ChatRequest& request, const Upstream& upstream) {
    if (!request.format) return false;
    const Protocol protocol = protocol_of(upstream.provider);
    if (protocol == Protocol::cohere && (request.wants_tools || request.wants_documents))
        return true;
    // Others that speak Anthropic's protocol don't know its formats.
    if (protocol == Protocol::anthropic && anthropic::model_named(upstream.model).version == 0)
        return true;
    const bool free_form = request.format->schema.empty();
    return free_form ? protocol == Protocol::anthropic : !upstream.json_schema;
}

Completion as_asked(Completion answer, const ChatRequest& request) {
    const auto called = std::ranges::find_if(answer.parts, [&](const Part& part) {
        return part.kind == Part::Kind::tool_call && !request.wants_tools &&
               part.name == request.format->name;
    });
    if (called != answer.parts.end()) {
        const std::string arguments = called->json;
        std::erase_if(answer.parts, [](const Part& part) {
            return part.kind == Part::Kind::tool_call || part.kind == Part::Kind::text;
        });
        answer.parts.push_back({.text = arguments});
        if (answer.finish_reason == "tool_calls") answer.finish_reason = "stop";
        return answer;
    }
    const std::string text = answer.text();
    const std::string bare = without_fence(text);
    if (bare == text) return answer;
    std::erase_if(answer.parts, [](const Part& part) { return part.kind == Part::Kind::text; });
    answer.parts.push_back({.text = bare});
    return answer;
}

base::Result<Call> FormatEmulation::call(const Chat& chat, const ChatRequest& request,
                                         const Upstream& upstream) const {
    const AnswerFormat& format = *request.format;
    Chat changed = chat;
    std::erase_if(changed.parameters, [](const Extra& e) { return e.key == "response_format"; });
    const bool tool = by_tool(chat, format, upstream);
    if (tool)
        add_tool(changed, format);
    else
        add_instruction(changed, format);
    base::Result<Call> call = upstream_.call(changed, request, upstream);
    if (call)
        call->changes.insert(call->changes.begin(), tool ? "emulated response_format by a tool"
                                                         : "emulated response_format by an "
                                                           "instruction");
    return call;
}

std::expected<Completion, Failure> FormatEmulation::answer(const ChatRequest& request,
                                                           const Upstream& upstream,
                                                           const Reply& reply,
                                                           base::WallTime now) const {
    auto answer = upstream_.answer(request, upstream, reply, now);
    if (!answer) return answer;
    return as_asked(*std::move(answer), request);
}

std::unique_ptr<AnswerReader> FormatEmulation::stream(const ChatRequest& request,
                                                      const Upstream& upstream,
                                                      base::WallTime now) const {
    return std::make_unique<EmulatedReader>(upstream_.stream(request, upstream, now), request);
}

}  // namespace llm
