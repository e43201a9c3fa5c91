#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace app {

struct ClientReply {
    int status = 0;
    std::string body;
};

/// One request to a running gateway at `url` (http://HOST:PORT), within two seconds.
base::Result<ClientReply> ask_gateway(const std::string& url, std::string_view method,
                                      std::string_view path, std::string_view key,
                                      std::string_view body);

}  // namespace app
