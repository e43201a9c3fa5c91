#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace store {

/// Pictures made for clients, kept for a while under names that nobody can guess: whoever knows
/// the name may have the file. One file on disk each, written in one go; the newest push out the
/// oldest. Used from any thread.
class Files {
public:
    struct Terms {
        base::Duration keep{3'600'000};
        std::uint64_t most_bytes = 1ull << 30;
        std::size_t most_files = 10'000;
    };

    /// A file as it is handed out.
    struct Found {
        std::string bytes;
        std::string media_type;
        base::Duration left{0};  ///< until it is gone
    };

    /// Makes `folder`; files of an earlier run that are still due are served on, all else in it is
    /// removed. io: the folder can't be written.
    static base::Result<std::unique_ptr<Files>> open(std::string folder, Terms terms,
                                                     base::Now now);

    /// Its id: 128 random bits in hexadecimal. `media_type` is one of image/png, image/jpeg,
    /// image/webp, image/gif. too_large: more than all files may have together; io: the disk.
    base::Result<std::string> put(std::string_view bytes, std::string_view media_type,
                                  base::Time now);
    /// not_found: never there, or gone; io: the disk.
    base::Result<Found> get(const std::string& id, base::Time now);
    /// Removes what is due.
    void sweep(base::Time now);

    std::uint64_t bytes() const;
    std::size_t count() const;

private:
    struct Entry {
        std::string id;
        std::string ending;
        std::uint64_t size = 0;
        base::Time until;
    };

    Files(std::string folder, Terms terms) : folder_(std::move(folder)), terms_(terms) {}
    void adopt(base::Now now);
    std::string path(const Entry& entry) const;
    /// Takes it out of the list; its file is the caller's to remove, without the lock.
    std::string take_oldest();
    std::vector<std::string> take_due(base::Time now);

    const std::string folder_;
    const Terms terms_;
    mutable std::mutex mutex_;
    std::deque<Entry> oldest_first_;
    std::uint64_t bytes_ = 0;
};

}  // namespace store
