#pragma once

#include <cstdint>
#include <optional>

namespace quota {

/// How many tokens a request will take, learned per target from what its requests really took:
/// no tokenizer. Errs on the large side by three times the usual deviation. Pure.
class Estimate {
public:
    /// Before anything was learned: fewer bytes a token than any usual text has.
    static constexpr double kTokensPerByte = 0.34;
    /// Tokens that the form of a chat takes whatever its length.
    static constexpr double kOverhead = 8;
    /// An answer of unknown length, for a ceiling that configuration states, and for one that the
    /// provider's own headers correct with each answer.
    static constexpr double kAnswer = 1024;
    static constexpr double kAnswerTold = 256;

    double prompt(std::uint64_t bytes) const;
    /// The usual answer, never more than `max_tokens`.
    double answer(std::optional<std::uint64_t> max_tokens, double unknown = kAnswer) const;
    /// No text has fewer tokens: what even a wrong estimate can't fall below.
    static double least_prompt(std::uint64_t bytes);

    void learn(std::uint64_t prompt_bytes, double prompt_tokens, double answer_tokens);

private:
    struct Average {
        double mean = 0;
        double deviation = 0;
        bool known = false;
        void add(double value);
        double high() const { return mean + 3 * deviation; }
    };
    Average per_byte_;
    Average answer_;
};

}  // namespace quota
