#pragma once

#include "base/result.h"

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace device {

/// A file that is being downloaded: `DESTINATION.part`, its SHA-256 so far, and beside it
/// the validator (ETag or date) of the version that its bytes belong to, and their source. Held by
/// one process at a time. Errors are io unless said.
class PartialFile {
public:
    /// Opens what an earlier download left, or an empty file, and hashes what is there; gone:
    /// stopped meanwhile.
    /// What is there of another source than `source` is emptied.
    static base::Result<std::unique_ptr<PartialFile>> open(std::string destination,
                                                           std::string source = {},
                                                           const std::stop_token& stop = {});
    /// Removes it if nothing has come.
    ~PartialFile();
    PartialFile(const PartialFile&) = delete;
    PartialFile& operator=(const PartialFile&) = delete;

    std::uint64_t size() const { return size_; }
    const std::string& validator() const { return validator_; }

    /// Empties the file; what comes is the version of `validator`.
    base::Result<void> restart(std::string_view validator);
    base::Result<void> append(std::string_view bytes);
    /// Fails if the disk has less than `bytes` to give.
    base::Result<void> expect_room(std::uint64_t bytes) const;
    /// Lower-case hex of all bytes so far.
    std::string sha256() const;
    /// Makes it durable and gives it its name.
    base::Result<void> finish();
    void remove();

private:
    struct FreeDigest {
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };
    using Digest = std::unique_ptr<EVP_MD_CTX, FreeDigest>;

    PartialFile(std::string destination, std::string source, int fd);
    base::Result<void> hash_existing(const std::stop_token& stop);
    std::string path() const { return destination_ + ".part"; }
    std::string validator_path() const { return destination_ + ".part.etag"; }

    std::string destination_;
    std::string source_;
    int fd_;
    bool ready_ = false;  ///< ours, and size_ is right
    std::uint64_t size_ = 0;
    std::string validator_;
    Digest digest_;
};

/// Lower-case hex.
std::string text_sha256(std::string_view text);

/// SHA-256 of a whole file; nullopt if it can't be read, or was stopped.
std::optional<std::string> file_sha256(const std::string& path, const std::stop_token& stop = {});

}  // namespace device
