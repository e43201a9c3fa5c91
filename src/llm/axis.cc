#include "llm/axis.h"

#include "llm/hints.h"

#include <algorithm>
#include <array>

namespace llm {
namespace {

using base::Metric;
using std::string_view;

struct Noun {
    string_view words;
    Metric metric;
};
constexpr auto kNouns = std::to_array<Noun>({{"seconds of audio", Metric::audio_seconds},
                                             {"audio seconds", Metric::audio_seconds},
                                             {"input tokens", Metric::input_tokens},
                                             {"output tokens", Metric::output_tokens},
                                             {"tokens", Metric::tokens},
                                             {"api calls", Metric::requests},
                                             {"calls", Metric::requests},
                                             {"requests", Metric::requests},
                                             {"images", Metric::images},
                                             {"inputs", Metric::inputs}});
constexpr auto kJoints = std::to_array<string_view>({" per ", " / ", "/"});

struct Span {
    string_view word;
    Window window;
};
constexpr auto kSpans = std::to_array<Span>({{"minute", Window::minute},
                                             {"min", Window::minute},
                                             {"hour", Window::hour},
                                             {"day", Window::day},
                                             {"month", Window::month}});

struct Acronym {
    string_view letters;
    Metric metric;
    Window window;
};
constexpr auto kAcronyms = std::to_array<Acronym>({
    {"rpm", Metric::requests, Window::minute},
    {"rph", Metric::requests, Window::hour},
    {"rpd", Metric::requests, Window::day},
    {"tpm", Metric::tokens, Window::minute},
    {"tph", Metric::tokens, Window::hour},
    {"tpd", Metric::tokens, Window::day},
    {"itpm", Metric::input_tokens, Window::minute},
    {"otpm", Metric::output_tokens, Window::minute},
    {"itpd", Metric::input_tokens, Window::day},
    {"otpd", Metric::output_tokens, Window::day},
    {"ipm", Metric::images, Window::minute},
    {"ipd", Metric::images, Window::day},
    {"ash", Metric::audio_seconds, Window::hour},
    {"asph", Metric::audio_seconds, Window::hour},
    {"asd", Metric::audio_seconds, Window::day},
    {"aspd", Metric::audio_seconds, Window::day},
});

bool letter(char c) { return c >= 'a' && c <= 'z'; }

/// The letters at `from`, in parentheses or without.
string_view letters_at(string_view text, std::size_t from) {
    if (from < text.size() && text[from] == '(') ++from;
    std::size_t end = from;
    while (end < text.size() && letter(text[end])) ++end;
    return text.substr(std::min(from, text.size()), end - from);
}

const Acronym* acronym(string_view letters) {
    auto found = std::ranges::find(kAcronyms, letters, &Acronym::letters);
    return found == kAcronyms.end() ? nullptr : &*found;
}

/// "tokens per min": noun, joint and span, whole words.
std::optional<Axis> spoken_axis(string_view text) {
    for (const Noun& noun : kNouns) {
        if (!text.starts_with(noun.words)) continue;
        std::size_t at = noun.words.size();
        for (string_view joint : kJoints) {
            if (text.substr(at, joint.size()) != joint) continue;
            const string_view word = letters_at(text, at + joint.size());
            auto span = std::ranges::find(kSpans, word, &Span::word);
            if (span == kSpans.end()) return std::nullopt;
            return Axis{noun.metric, span->window, at + joint.size() + word.size()};
        }
    }
    return std::nullopt;
}

std::optional<double> number_at(string_view text) {
    std::optional<std::uint64_t> number = number_after(text, "");
    return number ? std::optional(static_cast<double>(*number)) : std::nullopt;
}

}  // namespace

std::optional<Axis> axis_at(string_view text) {
    std::optional<Axis> spoken = spoken_axis(text);
    if (!spoken) {
        const string_view letters = letters_at(text, 0);
        const Acronym* bare = acronym(letters);
        if (!bare) return std::nullopt;
        const std::size_t brackets = text.starts_with('(') ? 2 : 0;
        return Axis{bare->metric, bare->window, letters.size() + brackets};
    }
    if (text.substr(spoken->end).starts_with(" (")) {
        const Acronym* also = acronym(letters_at(text, spoken->end + 1));
        if (also && !spoken->same({also->metric, also->window})) return std::nullopt;
    }
    return spoken;
}

std::optional<Axis> axis_of_bucket(string_view text) {
    constexpr string_view kOn = " on ";
    std::optional<Axis> only;
    for (std::size_t at = text.find(kOn); at != text.npos; at = text.find(kOn, at + 1)) {
        std::optional<Axis> axis = axis_at(text.substr(at + kOn.size()));
        if (!axis) continue;
        if (only && !only->same(*axis)) return std::nullopt;
        axis->end += at + kOn.size();
        if (!only) only = axis;
    }
    return only;
}

std::optional<CountedAxis> counted_axis(string_view text) {
    constexpr string_view kDigits = "0123456789";
    std::optional<CountedAxis> only;
    std::size_t end = 0;
    for (std::size_t at = text.find_first_of(kDigits); at != text.npos;
         at = text.find_first_of(kDigits, end)) {
        end = std::min(text.find_first_not_of("0123456789,", at), text.size());
        const bool own_word = at == 0 || text[at - 1] == ' ';
        if (!own_word || text.substr(end, 1) != " ") continue;
        std::optional<Axis> axis = axis_at(text.substr(end + 1));
        std::optional<double> count = number_at(text.substr(at));
        if (!axis || !count) continue;
        if (only && !only->axis.same(*axis)) return std::nullopt;
        axis->end += end + 1;
        if (!only) only = {*axis, *count};
    }
    return only;
}

string_view window_name(Window window) {
    auto found = std::ranges::find(kSpans, window, &Span::window);
    return found == kSpans.end() ? string_view() : found->word;
}

Window window_named(string_view name) {
    if (name == "5h") return Window::hour;
    if (name == "7d") return Window::day;
    auto found = std::ranges::find(kSpans, name, &Span::word);
    return found == kSpans.end() ? Window::none : found->window;
}

}  // namespace llm
