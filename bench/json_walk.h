#pragma once

#include "llm/json.h"

#include <simdjson.h>
#include <string_view>
#include <vector>

// The walk of bench_json_spans, written once, over three kinds of values: Cursor's, simdjson
// on-demand's that skips without looking, and the same that looks at all it passes.

namespace json_walk {

namespace ondemand = simdjson::ondemand;
using llm::json::Cursor;
using std::string_view;

inline constexpr std::size_t kLargest = 5u << 20;

struct Span {
    std::size_t key, begin, end;
    bool operator==(const Span&) const = default;
};

/// What a walk finds; views into the text that was read.
struct Facts {
    std::vector<Span> members;
    string_view model, error, usage, finish_reason;
    std::size_t messages = 0, images = 0, choices = 0;
    bool content = false;
    bool operator==(const Facts&) const = default;
};

struct Key {
    const char* begin;  ///< first byte after the opening quote
    string_view name;
};

// The two kinds of values. `first` is the first byte, `take` the whole value as it stands,
// `begin` and `end` bound a value that is entered by `members` or `elements` instead.

struct CursorValue {
    Cursor& in;
    const char* text;

    char first() { return in.peek(); }
    string_view take() { return in.value(); }
    const char* begin() { return in.peek() == '\0' ? text : text + in.position(); }
    const char* end() { return text + in.position(); }

    template <class Use>
    void members(Use use) {
        string_view key;
        in.enter_object();
        while (in.next_member(key)) use(Key{key.data(), key}, *this);
    }
    template <class Use>
    void elements(Use use) {
        in.enter_array();
        while (in.next_element()) use(*this);
    }
};

inline string_view trimmed(const char* begin, const char* end) {
    while (end > begin && (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t'))
        --end;
    return {begin, static_cast<std::size_t>(end - begin)};
}

struct Walk {
    ondemand::document& document;
    bool failed = false;

    bool ok(simdjson::error_code error) {
        failed = failed || error != simdjson::SUCCESS;
        return !failed;
    }
    /// The last byte before the token that comes next; a comma or a bracket stands there.
    const char* end_after(const char* begin) {
        const char* next = begin;
        if (ok(document.current_location().get(next))) return trimmed(begin, next).end();
        return begin;
    }
};

enum class Skipped { unchecked, checked };

/// Reads a value to its last byte, looking at every scalar: on-demand itself checks only
/// what is asked of it.
inline bool check(Walk& walk, ondemand::value value, std::size_t depth) {
    ondemand::json_type type;
    if (depth == llm::json::kMaxDepth) walk.failed = true;
    if (walk.failed || !walk.ok(value.type().get(type))) return false;
    switch (type) {
        case ondemand::json_type::object: {
            ondemand::object object;
            if (!walk.ok(value.get_object().get(object))) return false;
            for (auto field : object) {
                ondemand::value inner;
                if (!walk.ok(field.unescaped_key().error()) || !walk.ok(field.value().get(inner)) ||
                    !check(walk, inner, depth + 1))
                    return false;
            }
            return true;
        }
        case ondemand::json_type::array: {
            ondemand::array array;
            if (!walk.ok(value.get_array().get(array))) return false;
            for (auto element : array) {
                ondemand::value inner;
                if (!walk.ok(element.get(inner)) || !check(walk, inner, depth + 1)) return false;
            }
            return true;
        }
        case ondemand::json_type::string: return walk.ok(value.get_string().error());
        case ondemand::json_type::number: return walk.ok(value.get_double().error());
        case ondemand::json_type::boolean: return walk.ok(value.get_bool().error());
        case ondemand::json_type::null: {
            bool null = false;
            walk.failed = !walk.ok(value.is_null().get(null)) || !null;
            return !walk.failed;
        }
    }
    return false;
}

template <Skipped kSkipped>
struct LazyValue {
    ondemand::value value;
    Walk& walk;

    char first() { return value.raw_json_token().front(); }
    const char* begin() { return value.raw_json_token().data(); }
    const char* end() { return walk.end_after(begin()); }

    string_view take() {
        string_view token = value.raw_json_token();
        bool container = token.front() == '{' || token.front() == '[';
        if constexpr (kSkipped == Skipped::checked) {
            if (!check(walk, value, 1)) return {};
            if (container) return trimmed(token.data(), walk.end_after(token.data()));
        } else if (container) {
            string_view raw;
            if (token.front() == '{') {
                ondemand::object object;
                if (!walk.ok(value.get_object().get(object)) ||
                    !walk.ok(object.raw_json().get(raw)))
                    return {};
            } else {
                ondemand::array array;
                if (!walk.ok(value.get_array().get(array)) || !walk.ok(array.raw_json().get(raw)))
                    return {};
            }
            return trimmed(raw.data(), raw.end());
        }
        return trimmed(token.data(), token.end());
    }

    template <class Use>
    static void each_member(Walk& walk, ondemand::object object, Use use) {
        for (auto field : object) {
            ondemand::value value;
            ondemand::raw_json_string raw;
            string_view name;
            if (!walk.ok(field.key().get(raw)) || !walk.ok(field.unescaped_key().get(name)) ||
                !walk.ok(field.value().get(value)))
                return;
            use(Key{raw.raw(), name}, LazyValue{value, walk});
            if (walk.failed) return;
        }
    }
    template <class Use>
    void members(Use use) {
        ondemand::object object;
        if (walk.ok(value.get_object().get(object))) each_member(walk, object, use);
    }
    template <class Use>
    void elements(Use use) {
        ondemand::array array;
        if (!walk.ok(value.get_array().get(array))) return;
        for (auto element : array) {
            ondemand::value inner;
            if (!walk.ok(element.get(inner))) return;
            use(LazyValue{inner, walk});
            if (walk.failed) return;
        }
    }
};

// The walk.

template <class Value>
void look_at_part(Value part, Facts& facts) {
    if (part.first() != '{') return static_cast<void>(part.take());
    part.members([&](Key key, Value value) {
        if (value.take() == "\"image_url\"" && key.name == "type") ++facts.images;
    });
}

/// A message of a request, or a choice's message or delta.
template <class Value>
void look_at_message(Value message, Facts& facts) {
    if (message.first() != '{') return static_cast<void>(message.take());
    message.members([&](Key key, Value value) {
        bool content = key.name == "content" || key.name == "tool_calls";
        if (key.name == "content" && value.first() == '[')
            value.elements([&](Value part) { look_at_part(part, facts); });
        else if (string_view text = value.take(); content && !llm::json::blank(text))
            facts.content = true;
    });
}

template <class Value>
void look_at_choice(Value choice, Facts& facts) {
    if (choice.first() != '{') return static_cast<void>(choice.take());
    choice.members([&](Key key, Value value) {
        if (key.name == "delta" || key.name == "message")
            look_at_message(value, facts);
        else if (string_view text = value.take(); key.name == "finish_reason")
            facts.finish_reason = text;
    });
}

template <class Value>
void look_at_member(Key key, Value value, const char* text, Facts& facts) {
    const char* begin = value.begin();
    const char* end = nullptr;
    if (key.name == "messages" && value.first() == '[') {
        value.elements([&](Value message) {
            ++facts.messages;
            look_at_message(message, facts);
        });
        end = value.end();
    } else if (key.name == "choices" && value.first() == '[') {
        value.elements([&](Value choice) {
            ++facts.choices;
            look_at_choice(choice, facts);
        });
        end = value.end();
    } else {
        string_view taken = value.take();
        end = taken.end();
        if (key.name == "model")
            facts.model = taken;
        else if (key.name == "error")
            facts.error = taken;
        else if (key.name == "usage")
            facts.usage = taken;
    }
    auto offset = [text](const char* at) { return static_cast<std::size_t>(at - text); };
    facts.members.push_back({offset(key.begin) - 1, offset(begin), offset(end)});
}

inline bool read_cursor(string_view text, Facts& facts) {
    Cursor in(text);
    CursorValue root{in, text.data()};
    root.members(
        [&](Key key, CursorValue value) { look_at_member(key, value, text.data(), facts); });
    return in.complete();
}

template <Skipped kSkipped>
bool read_lazy(string_view text, Facts& facts) {
    static ondemand::parser parser(kLargest);
    ondemand::document document;
    Walk walk{document};
    ondemand::object root;
    std::size_t allocated = text.size() + simdjson::SIMDJSON_PADDING;
    if (!walk.ok(parser.iterate(text, allocated).get(document)) ||
        !walk.ok(document.get_object().get(root)))
        return false;
    using Value = LazyValue<kSkipped>;
    Value::each_member(
        walk, root, [&](Key key, Value value) { look_at_member(key, value, text.data(), facts); });
    return !walk.failed && document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

}  // namespace json_walk
