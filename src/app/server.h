#pragma once

#include "config/load.h"

#include <string>

namespace app {

struct ServeOptions {
    std::string config = "./config";
    std::string env = "./.env";
    std::string listen = "127.0.0.1:4000";
    std::string data = "./.data";
    std::string tls_certificate;
    std::string tls_key;
    int drain_seconds = 30;
    int workers = 0;  ///< 0: one per core that we may use
    bool verbose = false;
};

/// Runs the gateway until SIGTERM or SIGINT. Returns the process's exit code; every
/// start-up problem is printed before it returns 1.
int serve(const ServeOptions& options);

}  // namespace app
