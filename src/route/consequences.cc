#include "route/consequences.h"

#include <array>
#include <utility>

namespace route {
namespace {

using namespace std::chrono_literals;
using llm::Outcome;

constexpr auto kNone = base::Duration(0);

struct Row {
    Outcome outcome;
    Consequence consequence;
};

// outcome                    move_on bench  at most wait   quota  status type code
constexpr std::array kTable{
    Row{Outcome::served, {false, kNone, kNone, false, false, 200, "", ""}},
    Row{Outcome::busy, {true, 2s, 30s, true, false, 503, "server_error", "upstream_busy"}},
    Row{Outcome::rate_limited,
        {true, 60s, 15min, false, true, 429, "rate_limit_error", "rate_limit_exceeded"}},
    Row{Outcome::exhausted,
        {true, 1h, 6h, false, true, 429, "insufficient_quota", "quota_exhausted"}},
    Row{Outcome::too_large,
        {true, kNone, kNone, false, false, 413, "invalid_request_error", "request_too_large"}},
    Row{Outcome::context_overflow,
        {true, kNone, kNone, false, false, 400, "invalid_request_error",
         "context_length_exceeded"}},
    Row{Outcome::content_filtered,
        {false, kNone, kNone, false, false, 400, "invalid_request_error",
         "content_policy_violation"}},
    Row{Outcome::bad_request,
        {false, kNone, kNone, false, false, 400, "invalid_request_error", "bad_request"}},
    Row{Outcome::unsupported,
        {true, kNone, kNone, false, false, 400, "invalid_request_error", "unsupported_parameter"}},
    Row{Outcome::unauthorized,
        {true, 5min, 1h, false, false, 502, "server_error", "upstream_unauthorized"}},
    Row{Outcome::gone, {true, 10min, 6h, false, false, 502, "server_error", "upstream_model_gone"}},
    Row{Outcome::transient, {true, 5s, 60s, true, false, 502, "server_error", "upstream_error"}},
    Row{Outcome::timeout, {true, 5s, 60s, true, false, 504, "server_error", "upstream_timeout"}},
    Row{Outcome::malformed,
        {true, kNone, kNone, true, false, 502, "server_error", "upstream_malformed"}},
    Row{Outcome::cancelled, {false, kNone, kNone, false, false, 499, "server_error", "cancelled"}},
    Row{Outcome::client_gone, {false, kNone, kNone, false, false, 499, "", "client_gone"}},
};

constexpr bool in_order() {
    for (std::size_t i = 0; i < kTable.size(); ++i)
        if (static_cast<std::size_t>(kTable[i].outcome) != i) return false;
    return true;
}
static_assert(in_order(), "the table has one row an outcome, in the order of the enum");

}  // namespace

const Consequence& consequence(Outcome outcome) {
    return kTable[static_cast<std::size_t>(outcome)].consequence;
}

}  // namespace route
