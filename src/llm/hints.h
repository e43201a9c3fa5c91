#pragma once

#include "base/clock.h"
#include "llm/complaint.h"
#include "llm/http.h"
#include "llm/outcome.h"

#include <optional>
#include <string_view>

namespace llm {

/// What refusals say about time, in prose and headers (provider-wire 0.2–0.4).

/// "Please try again in 9m38.016s", "Retry after 40 seconds", "reset in 2 hours".
std::optional<base::Duration> prose_duration(std::string_view text);

/// "Your limit will reset at 2026-09-29 23:10:05": z.ai's clock is UTC+8.
std::optional<base::Duration> prose_reset_date(std::string_view text, base::WallTime now);

/// The window that a text names. `none` where it names none, or two.
Window prose_window(std::string_view lower_case_text);

/// Retry-After (seconds or date), retry-after-ms.
std::optional<base::Duration> retry_after(const Reply& reply, base::WallTime now);

base::Duration until_next_minute(base::WallTime now);
base::Duration until_next_utc_day(base::WallTime now);
base::Duration until_next_utc_month(base::WallTime now);

/// The number after `label` ("Limit 6000", "Requested ~14368", "of 20,000").
std::optional<std::uint64_t> number_after(std::string_view text, std::string_view label);

inline void at_least(std::optional<base::Duration>& back_in, std::optional<base::Duration> stated) {
    if (stated && (!back_in || *back_in < *stated)) back_in = stated;
}

}  // namespace llm
