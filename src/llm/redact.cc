#include "llm/redact.h"

#include "base/units.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace llm {
namespace {

constexpr std::string_view kHidden = "[redacted]";

struct Prefix {
    std::string_view text;
    std::size_t shortest;  ///< bytes after it that make it an id and not a word
};
constexpr auto kPrefixes = std::to_array<Prefix>({
    {"org_", 6},
    {"org-", 6},
    {"sk-", 6},
    {"sk_", 6},
    {"gsk_", 6},
    {"csk-", 6},
    {"hf_", 6},
    {"user_", 6},
    {"user-", 10},
    {"proj_", 6},
    {"xai-", 10},
    {"AIza", 10},
    {"pk-", 10},
    {"key-", 10},
    {"acct_", 6},
});
/// A run of letters and digits this long, with both in it, is taken for a key.
constexpr std::size_t kKeyLength = 32;

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '*';
}
bool is_token(char c) { return is_word(c) || c == '.' || c == '/' || c == '+' || c == '='; }

template <class Test>
std::size_t run_end(std::string_view text, std::size_t from, Test test) {
    while (from < text.size() && test(text[from])) ++from;
    return from;
}

bool looks_random(std::string_view word) {
    auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
    auto alpha = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
    auto plain = [&](char c) { return digit(c) || alpha(c); };
    return word.size() >= kKeyLength && std::ranges::all_of(word, plain) &&
           std::ranges::any_of(word, digit) && std::ranges::any_of(word, alpha);
}

/// End of the secret that starts at `at` (the start of a word), or `at`.
std::size_t secret_end(std::string_view text, std::size_t at) {
    std::size_t end = run_end(text, at, is_word);
    std::string_view word = text.substr(at, end - at);
    for (const Prefix& prefix : kPrefixes)
        if (word.starts_with(prefix.text) && word.size() >= prefix.text.size() + prefix.shortest)
            return end;
    return looks_random(word) ? end : at;
}

/// After `Bearer `, `api_key=` and the like the whole token goes.
std::size_t token_after_label(std::string_view text, std::size_t at) {
    static constexpr auto kLabels = std::to_array<std::string_view>(
        {"bearer ", "api_key=", "apikey=", "api-key: ", "x-api-key: ", "token=", "key="});
    for (std::string_view label : kLabels)
        if (base::iequals(text.substr(at, label.size()), label)) return at + label.size();
    return at;
}

/// `scheme://user:password@host`: where the credentials end (at the @), or `at`.
std::size_t credentials_end(std::string_view text, std::size_t at) {
    std::size_t end = text.find_first_of("/ \t\r\n\"'<>)", at);
    std::size_t sign = text.substr(0, end).rfind('@');
    return sign == text.npos || sign < at ? at : sign;
}

std::string hide(std::string_view text) {
    std::string out;
    std::size_t at = 0;
    bool word_start = true;
    while (at < text.size()) {
        std::size_t end = at;
        if (text.substr(at, 3) == "://") {
            out += "://";
            at += 3;
            end = credentials_end(text, at);
        } else if (word_start) {
            std::size_t token = token_after_label(text, at);
            out.append(text, at, token - at);
            end = token > at ? run_end(text, token, is_token) : secret_end(text, at);
            at = token;
        }
        if (end > at) {
            out += kHidden;
            at = end;
            word_start = false;
            continue;
        }
        if (at >= text.size()) break;
        auto c = static_cast<unsigned char>(text[at]);
        out.push_back(c < 0x20 || c == 0x7F ? ' ' : text[at]);
        // In JSON quoted as text a key may follow an escape: `\ngsk_…`.
        bool after_escape = at > 0 && text[at - 1] == '\\';
        word_start = !is_word(text[at]) || after_escape;
        ++at;
    }
    return out;
}

}  // namespace

std::string redact(std::string_view text, std::size_t limit) {
    std::string out = hide(text.substr(0, limit * 4));
    if (out.size() <= limit) return out;
    std::size_t end = limit;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;
    out.resize(end);
    return out;
}

}  // namespace llm
