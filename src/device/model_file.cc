#include "device/model_file.h"

#include "device/partial_file.h"
#include "device/source_note.h"
#include "device/url.h"

#include <filesystem>

namespace device {

using base::ErrorKind;
using base::Result;

namespace {

namespace fs = std::filesystem;

enum class Owner { nobody, unknown, ours, another };

Owner owner(const std::string& path, const ModelFile& file) {
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) return Owner::nobody;
    const auto note = read_note(path);
    if (!note) return Owner::unknown;
    if (!file.sha256.empty() && !note->sha256.empty())
        return note->sha256 == file.sha256 ? Owner::ours : Owner::another;
    if (note->url_id != url_id(file.url)) return Owner::another;
    return file.sha256.empty() ? Owner::ours : Owner::unknown;
}

std::string plain_path(const ModelFile& file) { return fs::path(file.folder) / name_in(file.url); }

/// `model-1a2b3c4d.gguf`: does not depend on what else is configured.
std::string own_path(const ModelFile& file) {
    constexpr std::size_t kDigits = 8;
    const fs::path name(name_in(file.url));
    return fs::path(file.folder) /
           (name.stem().string() + '-' + url_id(file.url).substr(0, kDigits) +
            name.extension().string());
}

/// Of several that could be meant by a name, the stated checksum tells whose it is.
bool claim_by_checksum(const ModelFile& file, const std::stop_token& stop) {
    if (!file.shared || file.sha256.empty() || locate(file).there) return false;
    const std::string plain = plain_path(file);
    if (owner(plain, file) != Owner::unknown || file_sha256(plain, stop) != file.sha256)
        return false;
    write_note(plain, file.url, file.sha256);
    return true;
}

}  // namespace

bool ModelFile::agrees(const ModelFile& other) const {
    const bool sums = sha256 == other.sha256 || sha256.empty() || other.sha256.empty();
    return sums && folder == other.folder && url_id(url) == url_id(other.url);
}

ModelFile model_file(const std::string& data_dir, std::string_view url, std::string_view folder) {
    return {std::string(url), (fs::absolute(data_dir) / folder).lexically_normal(),
            stated_sha256(url)};
}

Place locate(const ModelFile& file) {
    const std::string own = own_path(file);
    const Owner in_own = owner(own, file);
    if (in_own == Owner::ours || in_own == Owner::unknown)
        return {own, true, in_own == Owner::ours};
    const std::string plain = plain_path(file);
    const Owner in_plain = owner(plain, file);
    if (in_plain == Owner::ours || (in_plain == Owner::unknown && !file.shared))
        return {plain, true, in_plain == Owner::ours};
    return {file.shared || in_own == Owner::another ? own : plain};
}

bool is_taken(const ModelFile& file) { return owner(plain_path(file), file) == Owner::another; }

Result<std::string> pull_file(const ModelFile& file,
                              const std::function<void(FetchProgress)>& progress,
                              const std::stop_token& stop) {
    const std::string_view name = name_in(file.url);
    if (name.empty() || name == "." || name == "..")
        return base::fail(ErrorKind::bad_input, "the URL names no file");
    if (claim_by_checksum(file, stop)) return plain_path(file);
    const Place place = locate(file);
    const FetchRequest request{.url = file.url,
                               .destination = place.path,
                               .sha256 = file.sha256,
                               .stop = stop,
                               .replace = !place.there};
    if (auto fetched = fetch(request, progress); !fetched) return std::unexpected(fetched.error());
    if (!place.there || !file.sha256.empty()) write_note(place.path, file.url, file.sha256);
    return place.path;
}

}  // namespace device
