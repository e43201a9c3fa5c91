#include "quota/ledger.h"

#include <algorithm>

namespace quota {

double cost(const Used& used, const config::Prices& prices) {
    if (used.usd) return *used.usd;
    const double input = prices.input_cost_per_token;
    const double cached = std::min(used.cached_tokens, used.input_tokens);
    const double written = std::min(used.written_tokens, used.input_tokens - cached);
    return (used.input_tokens - cached - written) * input +
           cached * prices.cache_read_input_token_cost.value_or(input) +
           written * prices.cache_creation_input_token_cost.value_or(input) +
           used.output_tokens * prices.output_cost_per_token +
           used.audio_seconds * prices.input_cost_per_second +
           used.characters * prices.input_cost_per_character +
           used.images * prices.output_cost_per_image;
}

}  // namespace quota
