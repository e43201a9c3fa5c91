#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llm::json {

/// Reads JSON text forward, once, building nothing: every value is a view of the
/// bytes, so that it can be passed on or spliced exactly as it stands. Checks the
/// whole grammar of what it passes over (RFC 8259); nesting is bounded.
///
///     Cursor in(text);
///     std::string_view key;
///     in.enter_object();
///     while (in.next_member(key)) use(key, in.value());
///     if (!in.complete()) …                   // in.position() says where it broke
///
/// Each member or element must be taken by value(), enter_*() with its loop, or skip().
/// After the first fault every call does nothing and returns false or empty.
class Cursor {
public:
    explicit Cursor(std::string_view text) : text_(text) {}

    /// First byte of the next value, 0 at the end: `{ [ " t f n - 0…9`.
    char peek();
    bool enter_object() { return enter('{'); }
    bool enter_array() { return enter('['); }
    /// The next key as it stands between its quotes; false at the closing brace.
    bool next_member(std::string_view& key);
    bool next_element();
    /// The bytes of the next value, whatever it is.
    std::string_view value();
    bool skip() { return !value().empty(); }

    bool failed() const { return failed_; }
    /// No fault, and nothing but white space is left.
    bool complete();
    std::size_t position() const { return at_; }

private:
    bool enter(char bracket);
    bool separator(char closing);
    bool fail();
    void space();
    bool literal(std::string_view word);
    bool number();
    bool string();
    bool scalar();
    bool container();

    std::string_view text_;
    std::size_t at_ = 0;
    bool fresh_ = false;  ///< just inside a bracket: no comma may stand here
    bool failed_ = false;
};

/// Nesting deeper than this is a fault: no chat needs it, and upstreams crash on it.
inline constexpr std::size_t kMaxDepth = 512;

/// A string value (`"…"` with its quotes) without quotes and escapes. Lone
/// surrogates become U+FFFD. nullopt: `value` is no string.
std::optional<std::string> text(std::string_view value);
/// The same of a string that may end or begin in the middle of a surrogate pair, as pieces of
/// a stream do: each half stays, as the three bytes that it would have if it were a character
/// (WTF-8). Characters puts them together.
std::optional<std::string> piece(std::string_view value);
/// A key as Cursor gives it, unescaped.
std::string unescape(std::string_view between_quotes);
/// true or false; nullopt for anything else.
std::optional<bool> boolean(std::string_view value);
/// A whole number >= 0 (`12`, `12.0`); nullopt for anything else.
std::optional<std::uint64_t> count(std::string_view value);
std::optional<double> number(std::string_view value);
/// `text` as a JSON string with its quotes. Bytes that are not UTF-8 stay as they are.
std::string quote(std::string_view text);
/// The value of `key` in the object `object`; empty if there is none. Escaped keys are not met.
std::string_view member(std::string_view object, std::string_view key);
/// The same along a path of keys.
template <class... Keys>
std::string_view member(std::string_view object, std::string_view key, Keys... rest) {
    return member(member(object, key), rest...);
}
/// True for `""`, `[]`, `{}`, `null` and no value at all.
bool blank(std::string_view value);

}  // namespace llm::json
