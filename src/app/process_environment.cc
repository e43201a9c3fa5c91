#include "app/process_environment.h"

#include <cstdlib>
#include <string>

namespace app {

void export_to_process(const config::Environment& environment) {
    for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE",
                             "SSL_CERT_DIR", "LLAMACPP_SERVER", "SD_SERVER", "WHISPER_SERVER"}) {
        const std::string value(environment.get(name));
        if (!value.empty()) ::setenv(name, value.c_str(), 0);
    }
}

}  // namespace app
