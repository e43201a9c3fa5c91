#pragma once

#include "route/record.h"

#include <optional>
#include <string>
#include <string_view>

namespace gateway {

/// What a client is told when it gets no answer, in OpenAI's shape.
struct ClientError {
    int status = 500;
    std::string message;
    std::string type = "invalid_request_error";
    std::string code;
    std::string param;  ///< empty: null
    std::optional<base::Duration> retry_after;
};

/// `{"error":{"message","type","param","code","attempts"?}}`; attempts where several
/// candidates were considered.
std::string error_body(const ClientError& error, const route::Record* record);

/// The most useful error after a chain has failed (or one answer that ends it): all
/// quota → 429 with the soonest return, all timeouts → 504, someone may be back soon →
/// 503, else 502; nobody fits → 400 or 413. `deadline_passed` → 504.
ClientError chain_error(const route::Record& record, bool deadline_passed);

}  // namespace gateway
