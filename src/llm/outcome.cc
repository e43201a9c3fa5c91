#include "llm/outcome.h"

namespace llm {

std::string_view name(Outcome outcome) {
    switch (outcome) {
        case Outcome::served: return "served";
        case Outcome::busy: return "busy";
        case Outcome::rate_limited: return "rate_limited";
        case Outcome::exhausted: return "exhausted";
        case Outcome::too_large: return "too_large";
        case Outcome::context_overflow: return "context_overflow";
        case Outcome::content_filtered: return "content_filtered";
        case Outcome::bad_request: return "bad_request";
        case Outcome::unsupported: return "unsupported";
        case Outcome::unauthorized: return "unauthorized";
        case Outcome::gone: return "gone";
        case Outcome::transient: return "transient";
        case Outcome::timeout: return "timeout";
        case Outcome::malformed: return "malformed";
        case Outcome::cancelled: return "cancelled";
        case Outcome::client_gone: return "client_gone";
    }
    return "unknown";
}

std::optional<Outcome> outcome_named(std::string_view text) {
    for (int i = 0; i <= static_cast<int>(Outcome::client_gone); ++i)
        if (name(static_cast<Outcome>(i)) == text) return static_cast<Outcome>(i);
    return std::nullopt;
}

}  // namespace llm
