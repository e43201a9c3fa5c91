#pragma once

#include "base/result.h"
#include "quota/bucket.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace store {

/// DATA/ledger.live: a table of marks in shared mapped memory. What is written there is the
/// kernel's, so that a killed process leaves it whole. Its lock, held for the process's life, also
/// keeps a second gateway out of the folder. The file is a header of 64 bytes and kSlots slots of
/// 64 bytes, claimed from the first on: only pages that are in use are touched. Any thread.
class LiveFile {
public:
    static constexpr std::size_t kSlots = 4096;

    /// Opens or creates and locks it; its content is left alone. Errors: `refused` where another
    /// process has the lock, `io`.
    static base::Result<std::unique_ptr<LiveFile>> lock(const std::string& folder);
    LiveFile(const LiveFile&) = delete;
    LiveFile& operator=(const LiveFile&) = delete;
    ~LiveFile();

    /// Maps it, and reserves its room on the disk. A file that is none of ours is begun anew.
    base::Result<void> map();

    /// The mark of `key` with its old content, or a zeroed one. It stays until the LiveFile ends.
    /// nullptr: kSlots keys were asked for in this run. A key that nobody asked for gives up its
    /// slot when there is no other.
    quota::Mark* mark(std::string_view key);

private:
    struct Header;
    struct Slot;
    using Fingerprint = std::pair<std::uint64_t, std::uint64_t>;
    static Fingerprint fingerprint(std::string_view key);

    LiveFile(std::string path, int file) : path_(std::move(path)), file_(file) {}
    base::Error failure(const char* what, int number) const;
    /// The slot that may be claimed, or kSlots.
    std::size_t vacant() const;
    void claim(std::size_t index, const Fingerprint& key);

    std::string path_;
    int file_;
    Header* header_ = nullptr;
    Slot* slots_ = nullptr;
    std::mutex mutex_;
    std::map<Fingerprint, std::size_t> index_;
    std::vector<bool> asked_ = std::vector<bool>(kSlots);
};

}  // namespace store
