#include "store/files.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

namespace store {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Result;

struct Kind {
    std::string_view ending;
    std::string_view media_type;
};
constexpr Kind kKinds[] = {
    {".png", "image/png"}, {".jpg", "image/jpeg"}, {".webp", "image/webp"}, {".gif", "image/gif"}};

constexpr std::size_t kIdLength = 32;

bool is_id(std::string_view text) {
    return text.size() == kIdLength && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

std::string new_id() {
    std::array<unsigned char, kIdLength / 2> random{};
    if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
        return {};
    std::string id;
    for (const unsigned char byte : random) id += fmt::format("{:02x}", byte);
    return id;
}

std::unexpected<base::Error> failed(std::string_view what, const std::string& where) {
    return base::fail(ErrorKind::io, fmt::format("{} {}: {}", what, where, std::strerror(errno)));
}

/// A descriptor that closes itself.
struct Descriptor {
    explicit Descriptor(int number) : fd(number) {}
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int fd;
};

Result<void> write_file(const std::string& path, std::string_view bytes) {
    const Descriptor file(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (file.fd < 0) return failed("can't make", path);
    while (!bytes.empty()) {
        const ssize_t written = ::write(file.fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            const auto error = failed("can't write", path);
            ::unlink(path.c_str());
            return error;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<std::string> read_file(const std::string& path, std::uint64_t size) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.fd < 0) return failed("can't open", path);
    std::string bytes(size, '\0');
    std::size_t at = 0;
    while (at < bytes.size()) {
        const ssize_t got = ::read(file.fd, bytes.data() + at, bytes.size() - at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failed("can't read", path);
        if (got == 0) return base::fail(ErrorKind::io, path + " is shorter than it was");
        at += static_cast<std::size_t>(got);
    }
    return bytes;
}

void remove(const std::vector<std::string>& files) {
    for (const std::string& file : files) ::unlink(file.c_str());
}

}  // namespace

Result<std::unique_ptr<Files>> Files::open(std::string folder, Terms terms, base::Now now) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
        return base::fail(ErrorKind::io, fmt::format("can't make {}: {}", folder, error.message()));
    if (::access(folder.c_str(), W_OK) != 0) return failed("can't write into", folder);
    std::unique_ptr<Files> files(new Files(std::move(folder), terms));
    files->adopt(now);
    return files;
}

void Files::adopt(base::Now now) {
    std::error_code ignored;
    std::vector<fs::path> strangers;
    for (const fs::directory_entry& found : fs::directory_iterator(folder_, ignored)) {
        struct stat status{};
        const std::string ending = found.path().extension();
        const bool ours = is_id(found.path().stem().string()) &&
                          std::ranges::find(kKinds, ending, &Kind::ending) != std::end(kKinds) &&
                          ::stat(found.path().c_str(), &status) == 0;
        const auto written = base::WallClock::from_time_t(status.st_mtime);
        const auto left =
            std::min(terms_.keep,
                     std::chrono::duration_cast<base::Duration>(written + terms_.keep - now.wall));
        if (!ours || left <= base::Duration(0)) {
            strangers.push_back(found.path());
            continue;
        }
        const auto size = static_cast<std::uint64_t>(status.st_size);
        oldest_first_.push_back({found.path().stem(), ending, size, now.steady + left});
        bytes_ += size;
    }
    for (const fs::path& stranger : strangers) fs::remove(stranger, ignored);
    std::ranges::sort(oldest_first_, {}, &Entry::until);
    while (oldest_first_.size() > terms_.most_files || bytes_ > terms_.most_bytes)
        ::unlink(take_oldest().c_str());
}

std::string Files::path(const Entry& entry) const {
    return folder_ + '/' + entry.id + entry.ending;
}

std::string Files::take_oldest() {
    std::string file = path(oldest_first_.front());
    bytes_ -= oldest_first_.front().size;
    oldest_first_.pop_front();
    return file;
}

std::vector<std::string> Files::take_due(base::Time now) {
    std::vector<std::string> due;
    while (!oldest_first_.empty() && oldest_first_.front().until <= now)
        due.push_back(take_oldest());
    return due;
}

void Files::sweep(base::Time now) {
    std::vector<std::string> due;
    {
        const std::lock_guard lock(mutex_);
        due = take_due(now);
    }
    remove(due);
}

Result<std::string> Files::put(std::string_view bytes, std::string_view media_type,
                               base::Time now) {
    const auto kind = std::ranges::find(kKinds, media_type, &Kind::media_type);
    if (kind == std::end(kKinds)) return base::fail(ErrorKind::bad_input, "not a picture");
    if (bytes.size() > terms_.most_bytes)
        return base::fail(ErrorKind::too_large, "the picture is larger than all files may be");
    Entry entry{new_id(), std::string(kind->ending), bytes.size(), now + terms_.keep};
    if (entry.id.empty()) return failed("no random numbers for", folder_);
    std::vector<std::string> over;
    {
        const std::lock_guard lock(mutex_);
        over = take_due(now);
        while (!oldest_first_.empty() && (oldest_first_.size() >= terms_.most_files ||
                                          bytes_ + bytes.size() > terms_.most_bytes))
            over.push_back(take_oldest());
    }
    remove(over);
    if (auto written = write_file(path(entry), bytes); !written)
        return std::unexpected(written.error());
    const std::lock_guard lock(mutex_);
    bytes_ += entry.size;
    std::string id = entry.id;
    oldest_first_.push_back(std::move(entry));
    return id;
}

Result<Files::Found> Files::get(const std::string& id, base::Time now) {
    sweep(now);
    Entry entry;
    {
        const std::lock_guard lock(mutex_);
        const auto found = std::ranges::find(oldest_first_, id, &Entry::id);
        if (found == oldest_first_.end()) return base::fail(ErrorKind::not_found, "no such file");
        entry = *found;
    }
    auto bytes = read_file(path(entry), entry.size);
    if (!bytes) return std::unexpected(bytes.error());
    const auto kind = std::ranges::find(kKinds, std::string_view(entry.ending), &Kind::ending);
    return Found{std::move(*bytes), std::string(kind->media_type),
                 std::chrono::duration_cast<base::Duration>(entry.until - now)};
}

std::uint64_t Files::bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
}

std::size_t Files::count() const {
    const std::lock_guard lock(mutex_);
    return oldest_first_.size();
}

}  // namespace store
