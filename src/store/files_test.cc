#include "store/files.h"

#include "store/test_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace store {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct FilesTest : ::testing::Test {
    TestFolder folder;
    base::Now now = base::Now::read();

    std::string place() const { return folder.path() + "/files"; }
    std::unique_ptr<Files> open(Files::Terms terms = {}) {
        auto files = Files::open(place(), terms, now);
        EXPECT_TRUE(files.has_value());
        return std::move(*files);
    }
    std::size_t on_disk() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(place()), fs::directory_iterator()));
    }
};

TEST_F(FilesTest, GivesBackWhatWasPut) {
    auto files = open();
    const std::string bytes("\x89PNG\0x", 6);
    const auto id = files->put(bytes, "image/png", now.steady);
    ASSERT_TRUE(id.has_value());
    EXPECT_EQ(id->size(), 32u);
    const auto found = files->get(*id, now.steady + 10min);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->bytes, bytes);
    EXPECT_EQ(found->media_type, "image/png");
    EXPECT_EQ(found->left, 50min);
    EXPECT_NE(*files->put(bytes, "image/png", now.steady), *id);
}

TEST_F(FilesTest, NamesThatAreNoneAreNotFound) {
    auto files = open();
    ASSERT_TRUE(files->put("x", "image/gif", now.steady).has_value());
    for (const std::string id : {"", "../freeway.db", "00000000000000000000000000000000"})
        EXPECT_EQ(files->get(id, now.steady).error().kind, base::ErrorKind::not_found) << id;
    EXPECT_EQ(files->put("x", "text/html", now.steady).error().kind, base::ErrorKind::bad_input);
}

TEST_F(FilesTest, AreGoneWhenTheirTimeIsOver) {
    auto files = open();
    const auto first = files->put("first", "image/png", now.steady);
    const auto second = files->put("second", "image/png", now.steady + 30min);
    EXPECT_EQ(files->get(*first, now.steady + 1h).error().kind, base::ErrorKind::not_found);
    EXPECT_EQ(on_disk(), 1u);
    files->sweep(now.steady + 90min);
    EXPECT_EQ(on_disk(), 0u);
    EXPECT_EQ(files->bytes(), 0u);
    EXPECT_FALSE(files->get(*second, now.steady + 90min).has_value());
}

TEST_F(FilesTest, TheNewestPushOutTheOldest) {
    auto files = open({.most_bytes = 10, .most_files = 3});
    const auto first = files->put("aaaa", "image/png", now.steady);
    const auto second = files->put("bbbb", "image/png", now.steady);
    ASSERT_TRUE(files->put("cccc", "image/png", now.steady).has_value());
    EXPECT_FALSE(files->get(*first, now.steady).has_value());
    EXPECT_TRUE(files->get(*second, now.steady).has_value());
    EXPECT_EQ(files->put("eleven bytes", "image/png", now.steady).error().kind,
              base::ErrorKind::too_large);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(files->put("d", "image/png", now.steady).has_value());
    EXPECT_EQ(files->count(), 3u);
    EXPECT_EQ(on_disk(), 3u);
}

TEST_F(FilesTest, ARestartServesOnWhatIsDueLaterAndRemovesTheRest) {
    const auto id = open()->put("kept", "image/webp", now.steady);
    std::ofstream(place() + "/stranger.txt") << "x";
    now.wall += 10min;
    now.steady += 10min;
    {
        auto files = open();
        EXPECT_EQ(files->count(), 1u);
        const auto found = files->get(*id, now.steady);
        ASSERT_TRUE(found.has_value());
        EXPECT_EQ(found->bytes, "kept");
        EXPECT_LE(found->left, 50min);
        EXPECT_EQ(on_disk(), 1u);
    }
    now.wall += 1h;
    now.steady += 1h;
    EXPECT_EQ(open()->count(), 0u);
    EXPECT_EQ(on_disk(), 0u);
}

TEST_F(FilesTest, ADiskThatTakesNothingIsAnError) {
    auto files = open();
    fs::remove_all(place());
    EXPECT_EQ(files->put("x", "image/png", now.steady).error().kind, base::ErrorKind::io);
    EXPECT_EQ(files->count(), 0u);
    std::ofstream(folder.path() + "/plain") << "x";
    EXPECT_FALSE(Files::open(folder.path() + "/plain", {}, now).has_value());
}

}  // namespace
}  // namespace store
