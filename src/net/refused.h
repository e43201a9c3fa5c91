#pragma once

#include "net/upstream.h"

namespace net {

/// Whether a call failed because nothing listens at `endpoint`: its host answered, and said so. A
/// proxy on the way that can't be reached is something else.
bool nobody_listens(const base::Error& error, const Endpoint& endpoint);

}  // namespace net
