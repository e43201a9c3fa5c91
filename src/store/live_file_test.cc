#include "store/live_file.h"

#include "store/test_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <thread>

namespace store {
namespace {

std::unique_ptr<LiveFile> open(const TestFolder& folder) {
    auto live = LiveFile::lock(folder.path());
    if (!live || !(*live)->map()) return nullptr;
    return std::move(*live);
}

TEST(LiveFile, KeepsMarksByKey) {
    const TestFolder folder;
    {
        const auto live = open(folder);
        ASSERT_TRUE(live);
        quota::Mark* mark = live->mark("model:groq:KEY/llama requests/day");
        ASSERT_TRUE(mark);
        EXPECT_EQ(mark->charged, 0);
        EXPECT_EQ(mark, live->mark("model:groq:KEY/llama requests/day"));
        EXPECT_NE(mark, live->mark("model:groq:KEY/llama tokens/day"));
        *mark = {.charged = 12.5, .held = 3, .last_charge = 77};
    }
    const auto live = open(folder);
    ASSERT_TRUE(live);
    EXPECT_EQ(live->mark("model:groq:KEY/llama tokens/day")->charged, 0);
    const quota::Mark* mark = live->mark("model:groq:KEY/llama requests/day");
    EXPECT_EQ(mark->charged, 12.5);
    EXPECT_EQ(mark->held, 3);
    EXPECT_EQ(mark->last_charge, 77);
}

TEST(LiveFile, IsOneProcessAlone) {
    const TestFolder folder;
    auto live = open(folder);
    const auto second = LiveFile::lock(folder.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, base::ErrorKind::refused);
    EXPECT_EQ(second.error().detail,
              "another freeway serves from " + folder.path() + ": stop it, or use another --data");
    live.reset();
    EXPECT_TRUE(open(folder));
}

TEST(LiveFile, BeginsAnewWhatIsNotIts) {
    const TestFolder folder;
    for (const std::string& content :
         {std::string("hello"), std::string(64 * (LiveFile::kSlots + 1), 'x')}) {
        std::ofstream(folder.file("ledger.live"), std::ios::trunc) << content;
        const auto live = open(folder);
        ASSERT_TRUE(live);
        EXPECT_EQ(live->mark("key")->charged, 0);
        EXPECT_EQ(std::filesystem::file_size(folder.file("ledger.live")),
                  64 * (LiveFile::kSlots + 1));
    }
}

TEST(LiveFile, GivesSlotsOfForgottenKeysOnlyWhenFull) {
    const TestFolder folder;
    {
        const auto live = open(folder);
        for (std::size_t i = 0; i < LiveFile::kSlots; ++i)
            live->mark("old " + std::to_string(i))->last_charge = static_cast<std::int64_t>(i + 1);
        EXPECT_EQ(live->mark("one too many"), nullptr);
    }
    const auto live = open(folder);
    EXPECT_EQ(live->mark("old 0")->last_charge, 1);
    quota::Mark* fresh = live->mark("new");
    ASSERT_TRUE(fresh);
    EXPECT_EQ(fresh->last_charge, 0);
    fresh->last_charge = 5'000;
    EXPECT_EQ(live->mark("old 2")->last_charge, 3);
    EXPECT_EQ(live->mark("new")->last_charge, 5'000);
    EXPECT_EQ(live->mark("old 1")->last_charge, 0) << "its slot was the longest unused";
    EXPECT_EQ(live->mark("old 4")->last_charge, 5);
    EXPECT_EQ(live->mark("old 3")->last_charge, 0);
}

TEST(LiveFile, ReservesItsRoomOrSaysSo) {
    const TestFolder folder;
    const pid_t child = in_child([&folder] {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit little{1000, 1000};
        ::setrlimit(RLIMIT_FSIZE, &little);
        const auto live = LiveFile::lock(folder.path());
        ASSERT_TRUE(live);
        const auto mapped = (*live)->map();
        ASSERT_FALSE(mapped);
        EXPECT_EQ(mapped.error().kind, base::ErrorKind::io);
        EXPECT_NE(mapped.error().detail.find("ledger.live can't be"), std::string::npos);
    });
    EXPECT_EQ(status_of(child), 0);
}

TEST(LiveFile, IsNotHandedToStartedPrograms) {
    const TestFolder folder;
    const auto live = open(folder);
    int seen = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code error;
        if (std::filesystem::read_symlink(entry, error) != folder.file("ledger.live")) continue;
        ++seen;
        EXPECT_TRUE(::fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC);
    }
    EXPECT_EQ(seen, 1);
}

TEST(LiveFile, AnswersSeveralThreads) {
    const TestFolder folder;
    const auto live = open(folder);
    const auto ask = [&live] {
        for (int i = 0; i < 500; ++i) EXPECT_TRUE(live->mark("key " + std::to_string(i)));
    };
    std::jthread one(ask);
    std::jthread other(ask);
}

}  // namespace
}  // namespace store
