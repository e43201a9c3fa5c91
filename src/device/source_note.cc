#include "device/source_note.h"

#include "device/partial_file.h"
#include "device/url.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace device {
namespace {

namespace fs = std::filesystem;

std::string note_of(const std::string& file) {
    const fs::path path(file);
    return path.parent_path() / ("." + path.filename().string() + ".source");
}

/// Size and time of a file as they are now; empty: it is not there.
std::string stamp(const std::string& file) {
    struct stat found{};
    if (::stat(file.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) return "";
    return fmt::format("{} bytes of {}.{:09}", found.st_size, found.st_mtim.tv_sec,
                       found.st_mtim.tv_nsec);
}

}  // namespace

std::string url_id(std::string_view url) { return text_sha256(lasting_url(url)); }

std::optional<SourceNote> read_note(const std::string& file) {
    std::ifstream in(note_of(file));
    std::string shown;
    std::string stamped;
    SourceNote note;
    if (!std::getline(in, shown) || !std::getline(in, note.url_id) || !std::getline(in, stamped) ||
        !std::getline(in, note.sha256) || stamped.empty() || stamped != stamp(file))
        return std::nullopt;
    return note;
}

void write_note(const std::string& file, std::string_view url, const std::string& sha256) {
    std::ofstream(note_of(file), std::ios::trunc) << url.substr(0, url.find_first_of("?#")) << '\n'
                                                  << url_id(url) << '\n'
                                                  << stamp(file) << '\n'
                                                  << sha256 << '\n';
}

}  // namespace device
