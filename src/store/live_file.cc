#include "store/live_file.h"

#include "base/log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>

namespace store {

namespace {

constexpr std::uint64_t kMagic = 0x6576696C'79776566;  // "fewylive"
constexpr std::uint32_t kVersion = 1;

/// FNV-1a from `seed`, mixed: the same in every build and on every machine.
std::uint64_t hash(std::string_view text, std::uint64_t seed) {
    for (const char c : text) seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
    seed = (seed ^ (seed >> 33U)) * 0xFF51AFD7ED558CCDU;
    return seed ^ (seed >> 33U);
}

}  // namespace

struct LiveFile::Header {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t slots;
    std::uint32_t claimed;  ///< slots before this one were claimed at some time
    std::uint32_t unused[11];
};

struct LiveFile::Slot {
    std::uint64_t key;  ///< 0: vacant. Written last
    std::uint64_t check;
    quota::Mark mark;
    std::uint64_t unused[3];
};

namespace {

constexpr std::size_t kUnit = 64;
constexpr std::size_t kBytes = kUnit * (1 + LiveFile::kSlots);

}  // namespace

base::Error LiveFile::failure(const char* what, int number) const {
    return {base::ErrorKind::io,
            path_ + " can't be " + what + ": " + std::generic_category().message(number)};
}

base::Result<std::unique_ptr<LiveFile>> LiveFile::lock(const std::string& folder) {
    static_assert(sizeof(Header) == kUnit && sizeof(Slot) == kUnit);
    const std::string path = folder + "/ledger.live";
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const int opening = errno;
    std::unique_ptr<LiveFile> live(new LiveFile(path, file));
    if (file < 0) return std::unexpected(live->failure("opened", opening));
    if (::flock(file, LOCK_EX | LOCK_NB) == 0) return live;
    if (errno != EWOULDBLOCK) return std::unexpected(live->failure("locked", errno));
    return base::fail(base::ErrorKind::refused,
                      "another freeway serves from " + folder + ": stop it, or use another --data");
}

LiveFile::~LiveFile() {
    if (header_ != nullptr) ::munmap(header_, kBytes);
    if (file_ >= 0) ::close(file_);
}

base::Result<void> LiveFile::map() {
    struct stat status{};
    if (::fstat(file_, &status) != 0) return std::unexpected(failure("read", errno));
    Header found{};
    const bool whole = static_cast<std::size_t>(status.st_size) == kBytes &&
                       ::pread(file_, &found, sizeof found, 0) == sizeof found &&
                       found.magic == kMagic && found.version == kVersion &&
                       found.slots == kSlots && found.claimed <= kSlots;
    if (!whole && ::ftruncate(file_, 0) != 0) return std::unexpected(failure("emptied", errno));
    if (!whole && status.st_size > 0)
        base::log::write(base::log::Level::warning,
                         "marks of an earlier run can't be read and are begun anew",
                         {{"file", path_}});
    if (const int error = ::posix_fallocate(file_, 0, kBytes); error != 0)
        return std::unexpected(failure("given its room on the disk", error));
    void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    if (memory == MAP_FAILED) return std::unexpected(failure("mapped", errno));
    header_ = static_cast<Header*>(memory);
    slots_ = reinterpret_cast<Slot*>(static_cast<char*>(memory) + kUnit);
    if (!whole) *header_ = {kMagic, kVersion, kSlots, 0, {}};
    for (std::size_t i = 0; i < header_->claimed; ++i)
        if (slots_[i].key != 0) index_.emplace(Fingerprint{slots_[i].key, slots_[i].check}, i);
    return {};
}

LiveFile::Fingerprint LiveFile::fingerprint(std::string_view key) {
    const std::uint64_t first = hash(key, 0xCBF29CE484222325U);
    return {first == 0 ? 1 : first, hash(key, 0x84222325CBF29CE4U)};
}

std::size_t LiveFile::vacant() const {
    if (header_->claimed < kSlots) return header_->claimed;
    std::size_t oldest = kSlots;
    for (std::size_t i = 0; i < kSlots; ++i) {
        if (asked_[i]) continue;
        if (oldest == kSlots || slots_[i].mark.last_charge < slots_[oldest].mark.last_charge)
            oldest = i;
    }
    return oldest;
}

void LiveFile::claim(std::size_t index, const Fingerprint& key) {
    Slot& slot = slots_[index];
    index_.erase({slot.key, slot.check});
    // A process killed on the way leaves a vacant slot, never one key's mark to another.
    const std::atomic_ref name(slot.key);
    name.store(0, std::memory_order_release);
    slot.mark = {};
    slot.check = key.second;
    name.store(key.first, std::memory_order_release);
    if (index == header_->claimed)
        std::atomic_ref(header_->claimed).store(header_->claimed + 1, std::memory_order_release);
    index_.emplace(key, index);
}

quota::Mark* LiveFile::mark(std::string_view key) {
    const Fingerprint print = fingerprint(key);
    const std::lock_guard lock(mutex_);
    const auto known = index_.find(print);
    const std::size_t index = known != index_.end() ? known->second : vacant();
    if (index == kSlots) return nullptr;
    if (known == index_.end()) claim(index, print);
    asked_[index] = true;
    return &slots_[index].mark;
}

}  // namespace store
