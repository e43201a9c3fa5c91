#include "device/child_environment.h"

#include "base/url_credentials.h"

#include <unistd.h>

#include <utility>

namespace device {
namespace {

bool secret(std::string_view name) {
    for (const std::string_view end : {"_KEY", "_TOKEN", "_SECRET", "_PASSWORD"})
        if (name.ends_with(end)) return true;
    return false;
}

bool proxy(std::string_view name) { return name.ends_with("_PROXY") || name.ends_with("_proxy"); }

}  // namespace

std::optional<std::string> handed_on(std::string_view variable) {
    const std::size_t equals = variable.find('=');
    if (equals == variable.npos) return std::nullopt;
    const std::string_view name = variable.substr(0, equals);
    const std::string_view value = variable.substr(equals + 1);
    if (secret(name)) return std::nullopt;
    return std::string(name) + '=' +
           (proxy(name) ? base::without_proxy_credentials(value)
                        : base::without_url_credentials(value));
}

std::vector<std::string> child_environment() {
    std::vector<std::string> theirs;
    for (char** variable = ::environ; *variable; ++variable)
        if (auto given = handed_on(*variable)) theirs.push_back(std::move(*given));
    return theirs;
}

}  // namespace device
