#include "device/partial_file.h"

#include "device/disk_room.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

namespace device {

using base::ErrorKind;
using base::Result;

namespace {

namespace fs = std::filesystem;
constexpr std::size_t kBlock = 256u << 10;

std::unexpected<base::Error> failed(std::string_view what, const std::string& path) {
    return base::fail(ErrorKind::io, fmt::format("{} {}: {}", what, path, std::strerror(errno)));
}

void begin(EVP_MD_CTX* context) { EVP_DigestInit_ex(context, EVP_sha256(), nullptr); }

std::string hex(EVP_MD_CTX* context) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned int size = 0;
    EVP_DigestFinal_ex(context, digest.data(), &size);
    std::string text;
    for (unsigned int i = 0; i < size; ++i)
        fmt::format_to(std::back_inserter(text), "{:02x}", digest[i]);
    return text;
}

/// Feeds a descriptor's bytes from its start; how many there were, or -1. A large file takes
/// minutes: it can be stopped, which is -1 too.
std::int64_t hash(int fd, EVP_MD_CTX* context, const std::stop_token& stop) {
    std::vector<char> block(kBlock);
    std::int64_t done = 0;
    while (!stop.stop_requested()) {
        const ssize_t got = ::pread(fd, block.data(), block.size(), done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got < 0 ? -1 : done;
        EVP_DigestUpdate(context, block.data(), static_cast<std::size_t>(got));
        done += got;
    }
    return -1;
}

/// A rename is durable once its folder is.
void sync_folder(const std::string& path) {
    const int fd = ::open(fs::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    ::fsync(fd);
    ::close(fd);
}

}  // namespace

std::string text_sha256(std::string_view text) {
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    begin(context);
    EVP_DigestUpdate(context, text.data(), text.size());
    std::string sum = hex(context);
    EVP_MD_CTX_free(context);
    return sum;
}

std::optional<std::string> file_sha256(const std::string& path, const std::stop_token& stop) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    begin(context);
    const bool whole = hash(fd, context, stop) >= 0;
    std::string sum = hex(context);
    EVP_MD_CTX_free(context);
    ::close(fd);
    return whole ? std::optional(std::move(sum)) : std::nullopt;
}

PartialFile::PartialFile(std::string destination, std::string source, int fd)
    : destination_(std::move(destination)),
      source_(std::move(source)),
      fd_(fd),
      digest_(EVP_MD_CTX_new()) {}

PartialFile::~PartialFile() {
    if (ready_ && size_ == 0) remove();
    ::close(fd_);
}

Result<std::unique_ptr<PartialFile>> PartialFile::open(std::string destination, std::string source,
                                                       const std::stop_token& stop) {
    destination = fs::absolute(destination);
    const std::string part = destination + ".part";
    std::error_code error;
    fs::create_directories(fs::path(destination).parent_path(), error);
    if (error)
        return base::fail(ErrorKind::io,
                          "can't make the folder of " + destination + ": " + error.message());
    const int fd = ::open(part.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return failed("can't write", part);
    std::unique_ptr<PartialFile> file(
        new PartialFile(std::move(destination), std::move(source), fd));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0)
        return base::fail(ErrorKind::io, "another process is already downloading to " + part);
    if (auto hashed = file->hash_existing(stop); !hashed) return std::unexpected(hashed.error());
    file->ready_ = true;
    return file;
}

Result<void> PartialFile::hash_existing(const std::stop_token& stop) {
    std::ifstream note(validator_path());
    std::string source;
    std::getline(note, validator_);
    std::getline(note, source);
    if (!source.empty() && source != source_) return restart({});
    begin(digest_.get());
    const std::int64_t size = hash(fd_, digest_.get(), stop);
    if (stop.stop_requested()) return base::fail(ErrorKind::gone, "it was stopped");
    if (size < 0 || ::lseek(fd_, size, SEEK_SET) < 0) return failed("can't read", path());
    size_ = static_cast<std::uint64_t>(size);
    return {};
}

Result<void> PartialFile::restart(std::string_view validator) {
    if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) < 0)
        return failed("can't empty", path());
    size_ = 0;
    begin(digest_.get());
    validator_ = validator;
    std::ofstream note(validator_path(), std::ios::trunc);
    note << validator_ << '\n' << source_ << '\n';
    if (!note.flush()) return failed("can't write", validator_path());
    return {};
}

Result<void> PartialFile::append(std::string_view bytes) {
    EVP_DigestUpdate(digest_.get(), bytes.data(), bytes.size());
    size_ += bytes.size();
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return failed("can't write", path());
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> PartialFile::expect_room(std::uint64_t bytes) const {
    return disk_room(path(), destination_, bytes);
}

std::string PartialFile::sha256() const {
    const Digest copy(EVP_MD_CTX_new());
    EVP_MD_CTX_copy_ex(copy.get(), digest_.get());
    return hex(copy.get());
}

Result<void> PartialFile::finish() {
    if (::fsync(fd_) != 0) return failed("can't write", path());
    if (::rename(path().c_str(), destination_.c_str()) != 0)
        return failed("can't write", destination_);
    sync_folder(destination_);
    ::unlink(validator_path().c_str());
    ready_ = false;
    return {};
}

void PartialFile::remove() {
    ready_ = false;
    ::unlink(path().c_str());
    ::unlink(validator_path().c_str());
}

}  // namespace device
