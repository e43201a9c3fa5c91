#pragma once

#include "llm/chat.h"
#include "llm/json.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// The text under `key` of the object `object`; empty if there is none.
inline std::string text_of(std::string_view object, std::string_view key) {
    return json::text(json::member(object, key)).value_or("");
}

/// The same of a piece of a stream, which may be cut inside a character.
inline std::string piece_of(std::string_view object, std::string_view key) {
    return json::piece(json::member(object, key)).value_or("");
}

/// The members of `object` but `known`, as they stand.
inline void keep_rest(std::string_view object, std::initializer_list<std::string_view> known,
                      std::vector<Extra>& extras) {
    json::Cursor in(object);
    std::string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        std::string_view value = in.value();
        if (std::ranges::find(known, key) == known.end())
            extras.push_back({json::unescape(key), std::string(value)});
    }
}

/// Lines that a list of changes holds; a last one says that there is more.
inline constexpr std::size_t kMostChanges = 64;

/// Adds a line to a list of changes, once. The list is short whatever a client sends.
inline void note(std::vector<std::string>& changes, std::string text) {
    if (changes.size() > kMostChanges || std::ranges::find(changes, text) != changes.end()) return;
    changes.push_back(changes.size() < kMostChanges ? std::move(text) : "and more");
}

/// Notes in `left_out` the members of the object `name` beside `known` that say something.
inline void leave_rest(std::string_view name, std::string_view object,
                       std::initializer_list<std::string_view> known,
                       std::vector<std::string>& left_out) {
    std::vector<Extra> rest;
    if (object.starts_with('{')) keep_rest(object, known, rest);
    for (const Extra& extra : rest)
        if (!json::blank(extra.json))
            note(left_out, std::string(name).append(1, '.').append(extra.key));
}

/// Calls `visit` with every element; anything but an array has none.
template <class Visit>
void for_each_element(std::string_view array, Visit visit) {
    json::Cursor in(array);
    if (!array.starts_with('[') || !in.enter_array()) return;
    while (in.next_element()) visit(in.value());
}

/// Moves the elements that `first` names to the front; nothing else changes its order.
template <class T, class Test>
void to_front(std::vector<T>& list, Test first) {
    std::vector<T> front, rest;
    for (T& one : list) (first(one) ? front : rest).push_back(std::move(one));
    std::ranges::move(rest, std::back_inserter(front));
    list = std::move(front);
}

}  // namespace llm
