#include "llm/splice.h"

#include <algorithm>

namespace llm {

void Splice::replace(std::string_view part, std::string by) {
    auto begin = static_cast<std::size_t>(part.data() - text_.data());
    edits_.push_back({begin, begin + part.size(), edits_.size(), std::move(by)});
}

void Splice::insert(const char* place, std::string what) {
    replace(std::string_view(place, 0), std::move(what));
}

void Splice::insert_first(std::string_view object, std::string members) {
    insert(object.data() + 1, json::blank(object) ? std::move(members) : std::move(members) + ',');
}

std::string Splice::apply() {
    std::ranges::sort(edits_, {},
                      [](const Edit& edit) { return std::pair(edit.begin, edit.order); });
    std::size_t size = text_.size();
    for (const Edit& edit : edits_) size += edit.by.size();
    std::string out;
    out.reserve(size);
    std::size_t at = 0;
    for (const Edit& edit : edits_) {
        out.append(text_, at, edit.begin - at);
        out += edit.by;
        at = edit.end;
    }
    out.append(text_, at);
    return out;
}

void ObjectEdit::rename(std::string_view whole, std::string_view key_with_quotes,
                        std::string_view new_key) {
    keep(whole);
    splice_.replace(key_with_quotes, json::quote(new_key));
}

void ObjectEdit::add(std::string_view key, std::string_view value) {
    added_ += ',';
    added_ += json::quote(key);
    added_ += ':';
    added_ += value;
}

/// A removed member takes the comma before it along, or the one after it while
/// no member before it is kept.
void ObjectEdit::finish() {
    bool any_kept = false;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const auto& [whole, kept] = members_[i];
        any_kept = any_kept || kept;
        if (kept) continue;
        const char* begin = whole.data();
        const char* end = whole.data() + whole.size();
        if (any_kept)
            begin = members_[i - 1].whole.data() + members_[i - 1].whole.size();
        else if (i + 1 < members_.size())
            end = members_[i + 1].whole.data();
        splice_.remove({begin, static_cast<std::size_t>(end - begin)});
    }
    if (added_.empty()) return;
    const char* place = object_.data() + 1;
    if (!members_.empty()) place = members_.back().whole.data() + members_.back().whole.size();
    splice_.insert(place, any_kept ? std::move(added_) : added_.substr(1));
}

std::string without_member(std::string_view object, std::string_view key) {
    Splice splice(object);
    ObjectEdit edit(splice, object);
    json::Cursor in(object);
    std::string_view name;
    in.enter_object();
    while (in.next_member(name)) {
        const std::string_view value = in.value();
        const std::string_view whole(name.data() - 1, value.data() + value.size());
        if (name == key)
            edit.remove(whole);
        else
            edit.keep(whole);
    }
    edit.finish();
    return splice.apply();
}

}  // namespace llm
