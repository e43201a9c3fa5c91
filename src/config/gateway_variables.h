#pragma once

#include "config/catalog.h"
#include "config/findings.h"
#include "config/variables.h"

namespace config {

/// What variables alone say about the gateway: FREEWAY_FILES_KEEP, FREEWAY_PUBLIC_URL,
/// FREEWAY_IMAGE_HOSTS and PULL. What can't be used is told, and the default holds.
void read_gateway_variables(const Variables& variables, Settings& settings, Findings& findings);

}  // namespace config
