#pragma once

#include <vector>

namespace device {

/// All that came of a process and still runs, without itself: the processes below it in the tree,
/// as far as /proc shows them.
std::vector<int> descendants_of(int root);

}  // namespace device
