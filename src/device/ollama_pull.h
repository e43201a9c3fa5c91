#pragma once

#include "base/result.h"
#include "device/fetch.h"
#include "net/upstream.h"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace device {

/// An Ollama service as it is asked for its models.
struct OllamaService {
    net::Origin origin;
    std::string path;     ///< of its base URL
    std::string headers;  ///< complete lines, key included: never logged
};

/// The full name of a model: `phi4-mini` is `phi4-mini:latest`.
std::string ollama_name(std::string_view model);

/// What the lines of one answer of /api/pull say.
class PullReport {
public:
    /// One line of NDJSON. Errors: not_found (there is no such model), refused (the service's
    /// own words), protocol (no JSON object).
    base::Result<void> line(std::string_view text);
    /// Over all layers that have been named so far.
    FetchProgress progress() const;
    bool finished() const { return finished_; }

private:
    static constexpr std::size_t kMostLayers = 1024;
    std::map<std::string, FetchProgress, std::less<>> layers_;  ///< by digest
    bool finished_ = false;
};

/// Told of progress; an error that it gives back ends the pull.
using PullWatch = std::function<base::Result<void>(FetchProgress)>;

/// The names of what the service has (/api/tags). Errors: of the transport (it is not up), or
/// unsupported (what answers there lists no models).
net::Task<base::Result<std::set<std::string>>> ollama_models(net::UpstreamClient& client,
                                                             const OllamaService& service,
                                                             net::AbortHandle& abort);

/// Has the service fetch a model (/api/pull) and returns when it has it. What was fetched before
/// stays with the service, so that another call goes on. References outlive the call. Errors: of
/// the transport, those of PullReport, of `watch`.
net::Task<base::Result<void>> ollama_pull(net::UpstreamClient& client, const OllamaService& service,
                                          std::string model, const PullWatch& watch,
                                          net::AbortHandle& abort);

}  // namespace device
