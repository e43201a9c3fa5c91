#include "device/child_guard.h"

#include <gtest/gtest.h>

/// Children of the tests are guarded by this program.
int main(int argc, char** argv) {
    if (const auto status = device::run_guard(argc, argv)) return *status;
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
