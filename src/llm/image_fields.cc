#include "llm/image_fields.h"

#include "llm/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace llm {

using std::string_view;

std::string ImageSize::text() const { return fmt::format("{}x{}", width, height); }

ImageSize nearest_size(ImageSize wanted, std::span<const ImageSize> legal) {
    const auto form = [](ImageSize size) {
        return std::log(static_cast<double>(size.width) / static_cast<double>(size.height));
    };
    const auto area = [](ImageSize size) {
        return std::log(static_cast<double>(size.width) * static_cast<double>(size.height));
    };
    const auto distance = [&](ImageSize size) {
        return std::pair(std::round(std::abs(form(size) - form(wanted)) * 1000),
                         std::abs(area(size) - area(wanted)));
    };
    return *std::ranges::min_element(legal, {}, distance);
}

ImageFields::ImageFields(const ImageRequest& request, const Upstream& upstream)
    : upstream_(upstream) {
    for (const Extra& field : request.fields) {
        if (std::ranges::find(upstream.drop, field.key) != upstream.drop.end()) {
            changes_.push_back("removed " + field.key);
            continue;
        }
        fields_.push_back(field);
    }
    const auto stands_in = [&](const Extra& extra) {
        return get(extra.key).empty() || (extra.key == "size" && get("size") == "\"auto\"");
    };
    for (const Extra& extra : upstream.defaults)
        if (stands_in(extra)) set(extra.key, extra.json);
    for (const Extra& extra : upstream.overrides) set(extra.key, extra.json);
}

string_view ImageFields::get(string_view key) const {
    const auto found = std::ranges::find(fields_, key, &Extra::key);
    return found == fields_.end() ? string_view() : string_view(found->json);
}

std::string ImageFields::text(string_view key) const { return json::text(get(key)).value_or(""); }

void ImageFields::set(string_view key, std::string json) {
    const auto found = std::ranges::find(fields_, key, &Extra::key);
    if (found != fields_.end())
        found->json = std::move(json);
    else
        fields_.push_back({std::string(key), std::move(json)});
}

std::string ImageFields::take(string_view key) {
    std::string json(get(key));
    std::erase_if(fields_, [key](const Extra& field) { return field.key == key; });
    return json;
}

void ImageFields::remove(string_view key) {
    if (!take(key).empty()) changes_.push_back(fmt::format("removed {}", key));
}

void ImageFields::rename(string_view from, string_view to) {
    std::string json = take(from);
    if (json.empty()) return;
    set(to, std::move(json));
    changes_.push_back(fmt::format("renamed {} to {}", from, to));
}

void ImageFields::change(string_view key, const std::string& to) {
    const std::string from = text(key);
    if (from == to) return;
    set(key, json::quote(to));
    changes_.push_back(fmt::format("changed {} {} to {}", key, from, to));
}

bool ImageFields::configured(string_view key) const {
    const auto among = [key](std::span<const Extra> list) {
        return std::ranges::find(list, key, &Extra::key) != list.end();
    };
    return among(upstream_.defaults) || among(upstream_.overrides) ||
           std::ranges::find(upstream_.allow, key) != upstream_.allow.end();
}

void ImageFields::keep_only(std::span<const string_view> known) {
    std::vector<std::string> unknown;
    for (const Extra& field : fields_)
        if (std::ranges::find(known, field.key) == known.end() && !configured(field.key))
            unknown.push_back(field.key);
    for (const std::string& key : unknown) remove(key);
}

std::string ImageFields::json() const {
    std::string out = "{";
    for (const Extra& field : fields_) {
        if (out.size() > 1) out += ',';
        out += json::quote(field.key) + ':' + field.json;
    }
    return out + '}';
}

}  // namespace llm
