#pragma once

#include "llm/chat.h"

#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// A text that comes in pieces which may be cut inside a character: what begins one waits for
/// its rest. Takes UTF-8 cut anywhere, and halves of a surrogate pair as json::piece() gives them;
/// a half that stays alone becomes U+FFFD.
class Characters {
public:
    /// What is whole of the text so far and has not been given yet.
    std::string take(std::string_view piece);
    /// The text is over: what waited in vain.
    std::string rest();
    /// Nothing waits, and `piece` can be given as it stands.
    bool passes(std::string_view piece) const;
    bool waits() const { return !begun_.empty(); }

private:
    std::string begun_;
};

/// Stands before a sink and keeps its contract for readers whose upstreams do not: no piece of
/// text, thinking or arguments that it passes on ends inside a character.
class WholeCharacters : public AnswerSink {
public:
    /// Where to the next calls go.
    WholeCharacters& to(AnswerSink& sink) {
        to_ = &sink;
        return *this;
    }

    void start(std::string_view id, std::uint64_t created) override { to_->start(id, created); }
    void text(std::string_view piece) override { pass(kText, piece); }
    void refusal(std::string_view piece) override { pass(kRefusal, piece); }
    void thinking(std::string_view piece) override { pass(kThinking, piece); }
    void signature(std::string_view signature) override;
    void redacted_thinking(std::string_view data) override;
    void tool_call(std::string_view id, std::string_view name) override;
    void arguments(std::size_t call, std::string_view fragment) override;
    void extra(std::string_view key, std::string_view json) override { to_->extra(key, json); }
    void ping() override { to_->ping(); }
    void finish(std::string_view reason, std::string_view stop_sequence,
                const Usage& usage) override;

private:
    enum Kind : std::size_t { kText, kRefusal, kThinking, kKinds };

    void pass(Kind kind, std::string_view piece);
    void give(Kind kind, std::string_view whole);
    /// Other words begin: of those before nothing more will come.
    void end_words_but(Kind kind);

    AnswerSink* to_ = nullptr;
    Characters words_[kKinds];
    std::vector<Characters> calls_;
};

}  // namespace llm
