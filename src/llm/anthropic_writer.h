#pragma once

#include "llm/client_dialect.h"

#include <vector>

namespace llm::anthropic {

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
    enum class Block { none, text, thinking, call };
    struct Call {
        std::string id;
        std::string name;
        std::string input;  ///< all of it so far
    };
    struct Piece {
        Block block;
        std::string text;
    };

    void write(Block block, std::string_view piece);
    void open(Block block, std::string_view content_block);
    void close();
    void delta(std::string_view type, std::string_view key, std::string_view text);
    void event(std::string_view name, std::string_view data);
    void open_call();
    bool call_complete() const;
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
