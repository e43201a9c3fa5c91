#include "llm/chat.h"

#include <algorithm>

namespace llm {

using std::string_view;

void Chat::set(string_view key, std::string json) {
    auto it = std::ranges::find(parameters, key, &Extra::key);
    if (it != parameters.end())
        it->json = std::move(json);
    else
        parameters.push_back({std::string(key), std::move(json)});
}

namespace {

std::string joined(const std::vector<Part>& parts, Part::Kind kind) {
    std::string out;
    for (const Part& part : parts)
        if (part.kind == kind) out += part.text;
    return out;
}

}  // namespace

std::string Completion::text() const { return joined(parts, Part::Kind::text); }

std::string Completion::thinking() const { return joined(parts, Part::Kind::thinking); }

std::size_t Completion::content_bytes() const {
    std::size_t bytes = 0;
    for (const Part& part : parts)
        bytes += part.text.size() + part.data.size() + part.name.size() + part.json.size();
    return bytes;
}

namespace {

/// Calls `give` with one piece of `text` after the other, none of them cut inside a character.
template <class Give>
void in_pieces(string_view text, std::size_t piece, Give give) {
    do {
        std::size_t end = std::min(piece, text.size());
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) ++end;
        give(text.substr(0, end));
        text.remove_prefix(end);
    } while (!text.empty());
}

}  // namespace

void replay(const Completion& answer, AnswerSink& sink, std::size_t piece) {
    sink.start(answer.id, answer.created);
    std::size_t calls = 0;
    for (const Part& part : answer.parts) {
        switch (part.kind) {
            case Part::Kind::refusal:
                in_pieces(part.text, piece, [&](string_view text) { sink.refusal(text); });
                break;
            case Part::Kind::thinking:
                in_pieces(part.text, piece, [&](string_view text) { sink.thinking(text); });
                if (!part.signature.empty()) sink.signature(part.signature);
                break;
            case Part::Kind::redacted_thinking: sink.redacted_thinking(part.data); break;
            case Part::Kind::tool_call:
                sink.tool_call(part.id, part.name);
                in_pieces(part.json, piece, [&](string_view text) { sink.arguments(calls, text); });
                ++calls;
                break;
            default: in_pieces(part.text, piece, [&](string_view text) { sink.text(text); });
        }
    }
    for (const Extra& extra : answer.extras) sink.extra(extra.key, extra.json);
    sink.finish(answer.finish_reason, answer.stop_sequence, answer.usage);
}

Part& Collector::last(Part::Kind kind) {
    std::vector<Part>& parts = answer_.parts;
    if (parts.empty() || parts.back().kind != kind || !parts.back().signature.empty())
        parts.push_back({.kind = kind});
    return parts.back();
}

void Collector::start(string_view id, std::uint64_t created) {
    answer_.id = id;
    answer_.created = created;
}

void Collector::text(string_view piece) { last(Part::Kind::text).text += piece; }

void Collector::refusal(string_view piece) { last(Part::Kind::refusal).text += piece; }

void Collector::thinking(string_view piece) { last(Part::Kind::thinking).text += piece; }

void Collector::signature(string_view signature) {
    last(Part::Kind::thinking).signature = signature;
}

void Collector::redacted_thinking(string_view data) {
    answer_.parts.push_back({.kind = Part::Kind::redacted_thinking, .data = std::string(data)});
}

void Collector::tool_call(string_view id, string_view name) {
    calls_.push_back(answer_.parts.size());
    answer_.parts.push_back(
        {.kind = Part::Kind::tool_call, .name = std::string(name), .id = std::string(id)});
}

void Collector::arguments(std::size_t call, string_view fragment) {
    if (call < calls_.size()) answer_.parts[calls_[call]].json += fragment;
}

void Collector::extra(string_view key, string_view json) {
    answer_.extras.push_back({std::string(key), std::string(json)});
}

void Collector::finish(string_view reason, string_view stop_sequence, const Usage& usage) {
    answer_.finish_reason = reason;
    answer_.stop_sequence = stop_sequence;
    answer_.usage = usage;
    finished_ = true;
}

}  // namespace llm
