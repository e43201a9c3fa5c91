#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace device {

/// What stands in `.NAME.source` beside a model's file: where it came from. Void once the file
/// has been written over. Holds no query of a URL: those can be secret.
struct SourceNote {
    std::string url_id;  ///< url_id() of where it came from
    std::string sha256;  ///< its checksum, where one was stated
};

/// Tells URLs from each other: a hash of lasting_url().
std::string url_id(std::string_view url);

/// nullopt: there is none for the file as it is now.
std::optional<SourceNote> read_note(const std::string& file);
/// A note that can't be written is none: the file then counts as put there by hand.
void write_note(const std::string& file, std::string_view url, const std::string& sha256);

}  // namespace device
