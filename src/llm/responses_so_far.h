#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace llm {

/// What the events of OpenAI's own Response have said so far, should it break off: its items as
/// they ended, and those that are open with what there is of them. Keeps kMost bytes; what comes
/// after is not held.
class ResponsesSoFar {
public:
    static constexpr std::size_t kMost = 4u << 20;

    /// `event` is one whole JSON object of that type.
    void take(std::string_view type, std::string_view event);
    /// The items, as an array.
    std::string output() const;

private:
    /// One piece of content or of a summary, whose text grows.
    struct Text {
        std::string type;
        std::string text;  ///< as between the quotes of JSON
    };
    struct Item {
        std::string json;  ///< as it began, or as it ended
        bool open = true;
        std::map<std::uint64_t, Text> content{};
        std::map<std::uint64_t, Text> summary{};
        std::string said{};  ///< of `arguments` or `input`, as between the quotes
    };

    static std::string json(const Item& item);
    void add(std::string_view type, std::string_view event, Item& item);

    std::map<std::uint64_t, Item> items_;
    std::size_t kept_ = 0;
};

}  // namespace llm
