#include "net/refused.h"

namespace net {

bool nobody_listens(const base::Error& error, const Endpoint& endpoint) {
    static const std::string reason =
        asio::error::make_error_code(asio::error::connection_refused).message();
    return error.kind == base::ErrorKind::connect &&
           error.detail == endpoint.host + ':' + std::to_string(endpoint.port) + ": " + reason;
}

}  // namespace net
