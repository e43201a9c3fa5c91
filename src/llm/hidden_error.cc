#include "llm/hidden_error.h"

#include "base/units.h"
#include "llm/classify.h"
#include "llm/json.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

/// Texts of a failing agent are short; an answer that quotes one is not.
constexpr std::size_t kLongestComplaint = 600;

/// What may stand behind a message's beginning: its end, or what parts it from an advice or a
/// return. Words that go on are those of an ordinary answer.
constexpr auto kBreaks = std::to_array<string_view>(
    {"|", " \u00b7", "\u00b7", " \u2219", " |", " - resets", ", resets", " resets at "});

enum class Behind {
    end_or_break,
    status,   ///< " (…)" or ": " and a status, an object or one of Claude Code's own reasons
    bracket,  ///< whatever comes, closed by a bracket
    object,   ///< the rest of a JSON object
};

struct Sign {
    string_view begins;
    Behind behind = Behind::end_or_break;
};
constexpr auto kSigns = std::to_array<Sign>({
    {"[error:", Behind::bracket},
    {"[error]", Behind::end_or_break},
    {"API Error", Behind::status},
    {"Failed to authenticate. API Error", Behind::status},
    {"Failed to authenticate"},
    {"Please run /login \u00b7 API Error", Behind::status},
    {"Claude AI usage limit reached"},
    {"Claude usage limit reached"},
    {"5-hour limit reached"},
    {"Session limit reached"},
    {"Weekly limit reached"},
    {"Opus weekly limit reached"},
    {"You've hit your limit"},
    {"You've hit your session limit"},
    {"You've hit your weekly limit"},
    {"You've hit your Opus limit"},
    {"You've hit your usage limit"},
    {"Credit balance is too low"},
    {"Prompt is too long"},
    {"Execution error"},
    {"Invalid API key"},
    {"Not logged in"},
    {"OAuth token has expired"},
    {"OAuth token revoked"},
    {"{\"type\":\"error\"", Behind::object},
    {"{\"error\":{\"type\":\"authentication_error\"", Behind::object},
});

/// Claude Code's reasons behind "API Error: ", where no status came.
constexpr auto kReasons = std::to_array<string_view>(
    {"Connection error", "Request timed out", "Request was aborted", "Repeated 529", "Overloaded"});

bool states_failure(string_view rest) {
    if (rest.empty() || (rest.starts_with(" (") && rest.ends_with(')'))) return true;
    if (!rest.starts_with(": ")) return false;
    rest.remove_prefix(2);
    if (rest.starts_with('{')) return true;
    const bool reason =
        std::ranges::any_of(kReasons, [rest](string_view one) { return rest.starts_with(one); });
    const auto digits = rest.find_first_not_of("0123456789");
    const bool status = std::min(digits, rest.size()) == 3;
    if (reason || (status && rest.size() == 3)) return true;
    // "401 {…}", "500 Internal server error": no sentence that explains what 401 means.
    rest.remove_prefix(status ? 3 : rest.size());
    return rest.starts_with(" {") || rest.starts_with(" Internal") ||
           rest.starts_with(" Overloaded") || rest.starts_with(" Invalid") ||
           rest.starts_with(" Too Many") || rest.starts_with(" \u00b7");
}

bool matches(const Sign& sign, string_view text) {
    if (sign.begins.front() != text.front() || !text.starts_with(sign.begins)) return false;
    string_view rest = text.substr(sign.begins.size());
    switch (sign.behind) {
        case Behind::status: return states_failure(rest);
        case Behind::bracket: return rest.ends_with(']');
        case Behind::object: return text.ends_with('}') && text.contains("\"error\":{");
        case Behind::end_or_break: break;
    }
    if (rest.empty() || rest == "." || rest == "!") return true;
    return std::ranges::any_of(kBreaks, [rest](string_view one) { return rest.starts_with(one); });
}

/// What stands behind a sign may be, or become, what `matches` wants there.
bool may_match(const Sign& sign, string_view text) {
    if (text.size() <= sign.begins.size()) return sign.begins.starts_with(text);
    if (!text.starts_with(sign.begins)) return false;
    const string_view rest = text.substr(sign.begins.size());
    const auto begins = [rest](string_view one) {
        return rest.starts_with(one) || one.starts_with(rest);
    };
    switch (sign.behind) {
        case Behind::status: return begins(" (") || begins(": ");
        case Behind::bracket:
        case Behind::object: return true;
        case Behind::end_or_break: break;
    }
    return rest == "." || rest == "!" || std::ranges::any_of(kBreaks, begins);
}

/// "…|1779792000": when the plan is usable again.
std::optional<base::Duration> stated_return(string_view text, base::WallTime now) {
    const std::size_t bar = text.rfind('|');
    if (bar == text.npos) return std::nullopt;
    return base::parse_return(base::trim(text.substr(bar + 1)), now);
}

}  // namespace

std::optional<Failure> agent_complaint(base::Provider provider, string_view text,
                                       base::WallTime now) {
    text = base::trim(text);
    if (text.empty() || text.size() > kLongestComplaint || text.find('\n') != text.npos)
        return std::nullopt;
    if (std::ranges::none_of(kSigns, [text](const Sign& sign) { return matches(sign, text); }))
        return std::nullopt;
    // The provider's own error, where the text quotes one, says more than the text around it.
    std::size_t begin = text.find('{');
    string_view quoted =
        begin == text.npos ? string_view() : json::Cursor(text.substr(begin)).value();
    std::string error =
        quoted.empty() ? fmt::format(R"({{"error":{}}})", json::quote(text)) : std::string(quoted);
    Failure failure = classify_embedded(provider, error, now);
    const bool key = base::icontains(text, "authentic") || base::icontains(text, "api key") ||
                     base::icontains(text, "oauth") || base::icontains(text, "logged in") ||
                     text.find(" 401") != text.npos;
    const bool used_up = base::icontains(text, "limit") || base::icontains(text, "credit balance");
    if (base::icontains(text, "prompt is too long")) {
        failure.outcome = Outcome::context_overflow;
        failure.scope = Scope::request;
    } else if (failure.outcome == Outcome::malformed) {
        failure.scope = key || used_up ? Scope::account : Scope::target;
        if (key)
            failure.outcome = Outcome::unauthorized;
        else if (used_up)
            failure.outcome = Outcome::exhausted;
    }
    if (used_up && !failure.back_in) failure.back_in = stated_return(text, now);
    return failure;
}

bool may_be_complaint(string_view text) {
    if (text.size() > kLongestComplaint) return false;
    text = base::trim(text);
    return text.find('\n') == text.npos &&
           std::ranges::any_of(kSigns, [text](const Sign& sign) { return may_match(sign, text); });
}

std::optional<Failure> hidden_error(const Upstream& upstream, string_view text,
                                    base::WallTime now) {
    if (upstream.provider != base::Provider::openai_compatible ||
        text.size() > 2 * kLongestComplaint)
        return std::nullopt;
    return agent_complaint(upstream.provider, json::text(text).value_or(""), now);
}

}  // namespace llm
