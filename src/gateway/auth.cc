#include "gateway/auth.h"

#include "base/units.h"

namespace gateway {

std::optional<ClientError> authenticate(const base::Secret& master_key, const net::Headers& headers) {
    if (master_key.empty()) return std::nullopt;
    const auto refuse = [](std::string message) {
        return ClientError{401, std::move(message), "authentication_error", "invalid_api_key", {}, {}};
    };
    if (const std::string_view value = headers.get("authorization"); !value.empty()) {
        if (value.size() < 7 || !base::iequals(value.substr(0, 7), "bearer "))
            return refuse("The Authorization header must read `Bearer KEY`.");
        if (master_key.matches(base::trim(value.substr(7)))) return std::nullopt;
        return refuse("The key in the Authorization header is not this gateway's key.");
    }
    for (const std::string_view name : {"x-litellm-api-key", "api-key", "x-api-key"}) {
        std::string_view value = headers.get(name);
        if (value.empty()) continue;
        if (value.starts_with("Bearer ")) value.remove_prefix(7);
        if (master_key.matches(value)) return std::nullopt;
        return refuse("The key in the " + std::string(name) + " header is not this gateway's key.");
    }
    return refuse("No key was sent: set `Authorization: Bearer KEY` to this gateway's master key.");
}

}  // namespace gateway
