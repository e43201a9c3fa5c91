#pragma once

#include "llm/images.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

struct ImageSize {
    std::uint64_t width = 0;
    std::uint64_t height = 0;
    bool operator==(const ImageSize&) const = default;
    std::string text() const;
};
/// `1024x768`; nullopt for anything else, and for sides of 0 or more than five digits.
std::optional<ImageSize> image_size(std::string_view text);
/// The one of `legal` whose form is nearest, then whose area is.
ImageSize nearest_size(ImageSize wanted, std::span<const ImageSize> legal);

/// A number or a boolean, or, in a form, the text of one.
std::optional<std::uint64_t> field_count(std::string_view json);
std::optional<bool> field_boolean(std::string_view json);

/// Checks `request.fields` and fills what is known of them. bad_input names the member.
base::Result<void> read_image_fields(ImageRequest& request);

/// The members of a request on their way into an upstream's body. Says what it changes.
class ImageFields {
public:
    /// Configuration has its way: dropped members are gone, defaults stand in where the client is
    /// silent (`"size":"auto"` is silence), overrides replace.
    ImageFields(const ImageRequest& request, const Upstream& upstream);

    /// The JSON of one member; empty if it is not set.
    std::string_view get(std::string_view key) const;
    std::string text(std::string_view key) const;
    void set(std::string_view key, std::string json);
    /// Takes a member away without a word.
    std::string take(std::string_view key);
    /// The same, and says so.
    void remove(std::string_view key);
    void rename(std::string_view from, std::string_view to);
    /// Replaces a text, and says so where it differs.
    void change(std::string_view key, const std::string& to);
    /// Removes what is neither in `known` nor sent because configuration says so.
    void keep_only(std::span<const std::string_view> known);

    const std::vector<Extra>& all() const { return fields_; }
    std::vector<std::string>& changes() { return changes_; }
    /// As a JSON object.
    std::string json() const;

private:
    bool configured(std::string_view key) const;

    std::vector<Extra> fields_;
    std::vector<std::string> changes_;
    const Upstream& upstream_;
};

}  // namespace llm
