#pragma once

#include "config/load.h"

namespace app {

/// Some variables are read by libraries and child processes from the process itself
/// (proxies, trusted certificates, the engine's program): those that stand in `.env`
/// and not in the process are put there. Call before any thread is started.
void export_to_process(const config::Environment& environment);

}  // namespace app
