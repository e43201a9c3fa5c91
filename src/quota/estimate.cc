#include "quota/estimate.h"

#include <algorithm>
#include <cmath>

namespace quota {
namespace {

/// Weight of the newest observation.
constexpr double kNewest = 0.1;
/// Most bytes that a token of any usual text has.
constexpr double kMostBytesPerToken = 8;

}  // namespace

void Estimate::Average::add(double value) {
    if (!known) {
        mean = value;
        deviation = value / 4;
        known = true;
        return;
    }
    deviation += kNewest * (std::abs(value - mean) - deviation);
    mean += kNewest * (value - mean);
}

double Estimate::prompt(std::uint64_t bytes) const {
    const auto size = static_cast<double>(bytes);
    return std::ceil(per_byte_.known ? per_byte_.high() * size : kTokensPerByte * size + kOverhead);
}

double Estimate::answer(std::optional<std::uint64_t> max_tokens, double unknown) const {
    const double usual = std::max(1.0, std::ceil(answer_.known ? answer_.high() : unknown));
    return max_tokens ? std::min(usual, static_cast<double>(*max_tokens)) : usual;
}

double Estimate::least_prompt(std::uint64_t bytes) {
    return std::floor(static_cast<double>(bytes) / kMostBytesPerToken);
}

void Estimate::learn(std::uint64_t prompt_bytes, double prompt_tokens, double answer_tokens) {
    if (prompt_bytes > 0 && prompt_tokens > 0)
        per_byte_.add(prompt_tokens / static_cast<double>(prompt_bytes));
    if (answer_tokens > 0) answer_.add(answer_tokens);
}

}  // namespace quota
