#pragma once

#include "base/metric.h"
#include "llm/outcome.h"

#include <cstddef>
#include <optional>
#include <string_view>

namespace llm {

/// What a refusal's words say is used up: "tokens per day (TPD)", "20 API calls / minute".
/// Texts are in lower case. Nothing is guessed: words and acronym that disagree, or a text
/// that names two axes, give none.
struct Axis {
    base::Metric metric = base::Metric::requests;
    Window window = Window::none;
    std::size_t end = 0;  ///< in the text, past the axis' last byte

    bool same(const Axis& other) const { return metric == other.metric && window == other.window; }
};

/// The axis with which `text` begins: "tokens per min (tpm): limit …".
std::optional<Axis> axis_at(std::string_view text);

/// The axis after an " on ": "rate limit reached for … on tokens per day (tpd): …".
std::optional<Axis> axis_of_bucket(std::string_view text);

struct CountedAxis {
    Axis axis;
    double count = 0;
};
/// The axis after a number: "rate limit … of 20,000 input tokens per minute".
std::optional<CountedAxis> counted_axis(std::string_view text);

/// `minute`, `hour`, `day`, `month` as Rate has them; empty for none.
std::string_view window_name(Window window);
/// The other way; `5h` counts among the hours, `7d` among the days.
Window window_named(std::string_view name);

}  // namespace llm
