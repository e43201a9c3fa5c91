#include "net/frame_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

using net::FramePool;

TEST(FramePool, AFrameOfASizeIsUsedAgainAndOnlyForThatSize) {
    std::thread([] {
        void* const first = FramePool::take(1'500);
        FramePool::give(first, 1'500);
        void* const other = FramePool::take(3'000);
        EXPECT_NE(other, first);
        void* const again = FramePool::take(1'500);
        EXPECT_EQ(again, first);
        FramePool::give(other, 3'000);
        FramePool::give(again, 1'500);
    }).join();
}

TEST(FramePool, FramesOfEverySizeHoldWhatIsWrittenIntoThem) {
    std::thread([] {
        for (int round = 0; round < 2; ++round) {
            std::vector<std::pair<unsigned char*, std::size_t>> frames;
            for (std::size_t size = 1; size < 6'000; size += 61) {
                auto* const frame = static_cast<unsigned char*>(FramePool::take(size));
                EXPECT_EQ(reinterpret_cast<std::uintptr_t>(frame) % alignof(std::max_align_t), 0u);
                std::fill_n(frame, size, static_cast<unsigned char>(size));
                frames.emplace_back(frame, size);
            }
            for (const auto& [frame, size] : frames) {
                EXPECT_EQ(frame[0], static_cast<unsigned char>(size));
                EXPECT_EQ(frame[size - 1], static_cast<unsigned char>(size));
                FramePool::give(frame, size);
            }
        }
    }).join();
}
