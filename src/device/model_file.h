#pragma once

#include "device/fetch.h"

#include <string>
#include <string_view>

namespace device {

/// A file that an engine's command names by URL, and what it is known by on this disk. It has the
/// name of the URL's last segment, unless files of other URLs would have it too: then a part of
/// the URL's hash stands in it. What freeway has fetched, or found to have the stated checksum,
/// has a note beside it, `.NAME.source`, which says so. A file without a note was put there by
/// hand and counts as the URL's, as does one that was written over since.
struct ModelFile {
    std::string url;      ///< may end in `#sha256=HEX`
    std::string folder;   ///< absolute
    std::string sha256;   ///< lower-case hex; empty: not stated
    bool shared = false;  ///< a file of another URL would have the same name
    bool operator==(const ModelFile&) const = default;

    /// They are one: of one URL, and no checksum says otherwise.
    bool agrees(const ModelFile& other) const;
};

/// The file that `url` means, in a folder below the data folder.
ModelFile model_file(const std::string& data_dir, std::string_view url,
                     std::string_view folder = "models");

struct Place {
    std::string path;
    bool there = false;
    bool known = false;  ///< it has a note that says so, not just the name
};
/// Where the file is, or where it is to be fetched to. Reads no more than notes.
Place locate(const ModelFile& file);

/// Its plain name is that of another URL's file which freeway fetched.
bool is_taken(const ModelFile& file);

/// Sees to it that the file is there and notes where it came from; its path. A file that is there
/// is fetched again if its checksum is not the stated one. Errors: those of fetch().
base::Result<std::string> pull_file(const ModelFile& file,
                                    const std::function<void(FetchProgress)>& progress,
                                    const std::stop_token& stop = {});

}  // namespace device
