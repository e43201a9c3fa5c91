#pragma once

#include "base/result.h"
#include "net/upstream.h"

#include <string>
#include <string_view>

namespace device {

/// An http(s) URL of a file, for fetching.
struct Url {
    net::Endpoint endpoint;
    std::string target;  ///< path and query
};

/// Credentials in the URL are refused: they would end up in logs. bad_input; the
/// detail never repeats the text.
base::Result<Url> parse_url(std::string_view text);

/// What a Location header means (RFC 3986, 5.2): absolute, or relative to `base`.
base::Result<Url> follow(const Url& base, std::string_view location);

/// What of a URL stays the same when a signed link to the same file is made anew: all but what
/// follows `#` and the parameters that sign or authorize.
std::string lasting_url(std::string_view url);

/// The last segment of a URL's path, as the name of a file.
std::string_view name_in(std::string_view url);

}  // namespace device
