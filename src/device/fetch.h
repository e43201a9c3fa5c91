#pragma once

#include "base/result.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace device {

struct FetchProgress {
    std::uint64_t done = 0;
    std::optional<std::uint64_t> total;
};

struct FetchRequest {
    std::string url;          ///< http or https
    std::string destination;  ///< file; written as `destination.part` and renamed when whole
    std::string sha256;       ///< lower-case hex, or empty: the one that the URL states, if any
    int tries = 5;            ///< connections that may break before giving up
    std::stop_token stop{};   ///< breaks it off: gone; what has come is kept
    bool replace = false;     ///< what is there is not the file: the new one takes its place
};

/// Downloads a file and blocks until it is there. A broken connection is resumed with
/// Range (and If-Range, so that a changed file starts again), also by a later call;
/// up to 5 redirects are followed and no credential is ever sent. A file already there
/// with the right checksum is left alone. Disk space is checked first. A web page is no file
/// unless its name ends in .html, and neither is nothing.
/// Errors: bad_input (URL, checksum), connect/tls/timed_out/reset, refused (status, checksum: the
/// partial file is removed), io, gone (stopped).
base::Result<void> fetch(const FetchRequest& request,
                         const std::function<void(FetchProgress)>& progress);

/// The checksum that a model's URL ends in (`https://host/file#sha256=HEX`), in lower case; empty:
/// none. What stands behind `#` is never sent.
std::string stated_sha256(std::string_view url);

}  // namespace device
