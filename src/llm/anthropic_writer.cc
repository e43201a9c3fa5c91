#include "llm/anthropic_writer.h"

#include "llm/anthropic_client.h"
#include "llm/anthropic_rules.h"
#include "llm/json.h"
#include "llm/usage_json.h"

#include <fmt/format.h>

namespace llm::anthropic {

using std::string_view;

void ObjectScan::take(char c) {
    const bool space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    switch (state_) {
        case State::before:
            if (!space) state_ = c == '{' ? State::inside : State::wrong;
            if (c == '{') depth_ = 1;
            break;
        case State::inside:
            if (c == '"') state_ = State::string;
            if (c == '{' || c == '[') ++depth_;
            if ((c == '}' || c == ']') && --depth_ == 0) state_ = State::after;
            break;
        case State::string:
            if (c == '\\') state_ = State::escape;
            if (c == '"') state_ = State::inside;
            break;
        case State::escape: state_ = State::string; break;
        case State::after:
            if (!space) state_ = State::wrong;
            break;
        case State::wrong: break;
    }
}

void AnthropicWriter::event(string_view name, string_view data) {
    fmt::format_to(std::back_inserter(out_), "event: {}\ndata: {}\n\n", name, data);
}

void AnthropicWriter::start(string_view id, std::uint64_t) {
    if (std::exchange(started_, true)) return;
    Usage asked;
    asked.prompt = estimate_usage(request_, 0).prompt;
    event(
        "message_start",
        fmt::format(
            R"({{"type":"message_start","message":{{"id":{},"type":"message","role":"assistant","model":{},"content":[],"stop_reason":null,"stop_sequence":null,"usage":{}}}}})",
            json::quote(message_id(id, now_)), json::quote(alias_), usage_object(asked)));
}

void AnthropicWriter::open(Block block, string_view content_block) {
    start({}, 0);
    close();
    open_ = block;
    event("content_block_start",
          fmt::format(R"({{"type":"content_block_start","index":{},"content_block":{}}})", index_,
                      content_block));
}

/// Thinking that nobody signed gets an empty signature: clients wait for one.
void AnthropicWriter::close() {
    if (open_ == Block::none) return;
    if (open_ == Block::thinking && !std::exchange(signed_, false))
        delta("signature_delta", "signature", {});
    if (open_ == Block::call) ++current_;
    signed_ = false;
    open_ = Block::none;
    event("content_block_stop",
          fmt::format(R"({{"type":"content_block_stop","index":{}}})", index_++));
}

void AnthropicWriter::delta(string_view type, string_view key, string_view text) {
    event("content_block_delta",
          fmt::format(
              R"({{"type":"content_block_delta","index":{},"delta":{{"type":"{}","{}":{}}}}})",
              index_, type, key, json::quote(text)));
}

void AnthropicWriter::write(Block block, string_view piece) {
    if (in_call()) return hold(block, piece);
    release();
    show(block, piece);
}

void AnthropicWriter::hold(Block block, string_view piece) {
    const bool goes_on = !held_.empty() && held_.back().block == block &&
                         block != Block::redacted_thinking && held_.back().signature.empty();
    if (!goes_on) held_.push_back({.block = block});
    held_.back().text += piece;
}

void AnthropicWriter::release() {
    for (const Piece& piece : std::exchange(held_, {})) {
        show(piece.block, piece.text);
        if (!piece.signature.empty()) signature(piece.signature);
    }
}

void AnthropicWriter::show(Block block, string_view piece) {
    if (block == Block::redacted_thinking) {
        open(block, fmt::format(R"({{"type":"redacted_thinking","data":{}}})", json::quote(piece)));
        return close();
    }
    const bool text = block == Block::text;
    if (open_ != block || (block == Block::thinking && signed_))
        open(block, text ? R"({"type":"text","text":""})"
                         : R"({"type":"thinking","thinking":"","signature":""})");
    delta(text ? "text_delta" : "thinking_delta", text ? "text" : "thinking", piece);
}

void AnthropicWriter::signature(string_view signature) {
    if (in_call() && !held_.empty() && held_.back().block == Block::thinking)
        held_.back().signature = signature;
    if (open_ != Block::thinking) return;
    delta("signature_delta", "signature", signature);
    signed_ = true;
}

void AnthropicWriter::redacted_thinking(string_view data) { write(Block::redacted_thinking, data); }

void AnthropicWriter::open_call() {
    const Call& call = calls_[current_];
    open(Block::call, fmt::format(R"({{"type":"tool_use","id":{},"name":{},"input":{{}}}})",
                                  json::quote(tool_id(call.id)), json::quote(call.name)));
    delta("input_json_delta", "partial_json", call.input);
}

void AnthropicWriter::tool_call(string_view id, string_view name) {
    calls_.push_back({.id = std::string(id), .name = std::string(name)});
    if (!in_call()) {
        release();
        close();
        open_call();
    }
}

void AnthropicWriter::arguments(std::size_t call, string_view fragment) {
    if (call >= calls_.size() || call < current_) return;
    calls_[call].scan.feed(fragment);
    if (call > current_) {
        calls_[call].input += fragment;
        return;
    }
    delta("input_json_delta", "partial_json", fragment);
    next_calls();
}

/// Goes on to the calls that wait once the open one is whole.
void AnthropicWriter::next_calls() {
    while (open_ == Block::call && current_ + 1 < calls_.size() && !in_call()) {
        close();
        open_call();
    }
}

void AnthropicWriter::finish(string_view reason, string_view stop_sequence, const Usage& usage) {
    start({}, 0);
    close();
    while (current_ < calls_.size()) {
        open_call();
        close();
    }
    release();
    close();
    event(
        "message_delta",
        fmt::format(
            R"({{"type":"message_delta","delta":{{"stop_reason":"{}","stop_sequence":{}}},"usage":{}}})",
            stop_reason_of(reason, stop_sequence),
            stop_sequence.empty() ? "null" : json::quote(stop_sequence), usage_object(usage)));
    event("message_stop", R"({"type":"message_stop"})");
}

void AnthropicWriter::broken(string_view error) { out_ += broken_frames(error); }

void AnthropicWriter::ping() { event("ping", R"({"type":"ping"})"); }

}  // namespace llm::anthropic
