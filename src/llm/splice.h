#pragma once

#include "llm/json.h"

#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// Changes to a text, collected first and made in one copy. Everything that no
/// edit names stays byte for byte. Edits are given by views into the text.
class Splice {
public:
    explicit Splice(std::string_view text) : text_(text) {}

    void replace(std::string_view part, std::string by);
    void remove(std::string_view part) { replace(part, {}); }
    /// Before the byte at `place`; several at one place stay in the order given.
    void insert(const char* place, std::string what);
    /// `members` of an object, before those that it has.
    void insert_first(std::string_view object, std::string members);
    bool empty() const { return edits_.empty(); }
    std::string_view text() const { return text_; }
    std::string apply();

private:
    struct Edit {
        std::size_t begin;
        std::size_t end;
        std::size_t order;
        std::string by;
    };
    std::string_view text_;
    std::vector<Edit> edits_;
};

/// What happens to the members of one JSON object inside a Splice: commas are
/// looked after when finish() is called. Members are given in their order.
class ObjectEdit {
public:
    ObjectEdit(Splice& splice, std::string_view object) : splice_(splice), object_(object) {}

    /// `whole` reaches from the key's quote to the value's last byte.
    void keep(std::string_view whole) { members_.push_back({whole, true}); }
    void remove(std::string_view whole) { members_.push_back({whole, false}); }
    void rename(std::string_view whole, std::string_view key_with_quotes, std::string_view new_key);
    void add(std::string_view key, std::string_view json);
    void finish();

private:
    struct Item {
        std::string_view whole;
        bool kept;
    };
    Splice& splice_;
    std::string_view object_;
    std::vector<Item> members_;
    std::string added_;
};

/// `object` without one of its members.
std::string without_member(std::string_view object, std::string_view key);

}  // namespace llm
