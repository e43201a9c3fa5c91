#pragma once

#include <optional>

namespace config {

/// What a target charges, in USD, under LiteLLM's names. What is not stated costs nothing, but
/// for cached tokens: without a price of their own they cost what other input does.
struct Prices {
    double input_cost_per_token = 0;
    double output_cost_per_token = 0;
    std::optional<double> cache_read_input_token_cost{};
    std::optional<double> cache_creation_input_token_cost{};
    double input_cost_per_second = 0;     ///< of sound to transcribe
    double input_cost_per_character = 0;  ///< of text to speak
    double output_cost_per_image = 0;
    double input_cost_per_image_token = 0;
    double output_cost_per_image_token = 0;
};

}  // namespace config
