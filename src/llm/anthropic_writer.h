#pragma once

#include "llm/client_dialect.h"

#include <vector>

namespace llm::anthropic {

/// Follows one JSON object that comes in fragments, by its brackets and strings.
class ObjectScan {
public:
    void feed(std::string_view fragment) {
        for (char c : fragment) take(c);
    }
    /// Its closing brace has come, and nothing but white space since.
    bool whole() const { return state_ == State::after; }

private:
    enum class State { before, inside, string, escape, after, wrong };
    void take(char c);

    State state_ = State::before;
    std::size_t depth_ = 0;
};

/// Writes an answer as Anthropic's events: one block open at a time, indexes without a gap,
/// `input` of parallel calls one after the other however their fragments come in.
class AnthropicWriter : public AnswerWriter {
public:
    AnthropicWriter(const ChatRequest& request, std::string_view alias, base::WallTime now)
        : request_(request), alias_(alias), now_(now) {}

    void start(std::string_view id, std::uint64_t created) override;
    void text(std::string_view piece) override { write(Block::text, piece); }
    void refusal(std::string_view piece) override { write(Block::text, piece); }
    void thinking(std::string_view piece) override { write(Block::thinking, piece); }
    void signature(std::string_view signature) override;
    void redacted_thinking(std::string_view data) override;
    void tool_call(std::string_view id, std::string_view name) override;
    void arguments(std::size_t call, std::string_view fragment) override;
    void extra(std::string_view, std::string_view) override {}
    void finish(std::string_view reason, std::string_view stop_sequence,
                const Usage& usage) override;
    void ping() override;
    void broken(std::string_view error) override;

private:
    enum class Block { none, text, thinking, redacted_thinking, call };
    struct Call {
        std::string id;
        std::string name;
        std::string input{};  ///< what came before its block was open
        ObjectScan scan{};
    };
    struct Piece {
        Block block;
        std::string text{};
        std::string signature{};  ///< of thinking
    };

    void write(Block block, std::string_view piece);
    void open(Block block, std::string_view content_block);
    void close();
    void delta(std::string_view type, std::string_view key, std::string_view text);
    void event(std::string_view name, std::string_view data);
    void open_call();
    /// The open block is a call whose arguments are not whole: nothing else may come.
    bool in_call() const { return open_ == Block::call && !calls_[current_].scan.whole(); }
    void hold(Block block, std::string_view piece);
    void release();
    void show(Block block, std::string_view piece);
    void next_calls();

    const ChatRequest& request_;
    std::string alias_;
    base::WallTime now_;
    bool started_ = false;
    Block open_ = Block::none;
    bool signed_ = false;    ///< the open block of thinking
    std::size_t index_ = 0;  ///< of the open block, or the next one
    std::vector<Call> calls_;
    std::size_t current_ = 0;  ///< the call that is open, or the next to be
    std::vector<Piece> held_;  ///< what came while the arguments of a call were not whole
};

}  // namespace llm::anthropic
