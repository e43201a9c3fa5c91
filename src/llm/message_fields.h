#pragma once

#include "llm/json.h"

#include <string_view>

namespace llm::openai {

/// One member of a message, as views into its text.
struct Field {
    std::string_view key;
    std::string_view quoted_key;
    std::string_view value;
    std::string_view whole;
};

template <class Visit>
void for_each_field(std::string_view object, Visit visit) {
    json::Cursor in(object);
    std::string_view key;
    if (!object.starts_with('{') || !in.enter_object()) return;
    while (in.next_member(key)) {
        std::string_view value = in.value();
        const char* begin = key.data() - 1;
        auto size = static_cast<std::size_t>(value.data() + value.size() - begin);
        visit(Field{key, {begin, key.size() + 2}, value, {begin, size}});
    }
}

}  // namespace llm::openai
