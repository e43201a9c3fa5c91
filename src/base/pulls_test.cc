#include "base/pulls.h"

#include <gtest/gtest.h>

using namespace base;
using namespace std::chrono_literals;

namespace {

const Time kNow{1000h};

Pull pulling(std::uint64_t done, std::uint64_t total, double rate) {
    Pull pull{.model = "qwen3:8b", .service = "http://ollama:11434", .targets = {"local"}};
    pull.state = Pull::State::pulling;
    pull.done = done;
    pull.total = total;
    pull.rate = rate;
    pull.at = kNow;
    return pull;
}

}  // namespace

TEST(Pull, SaysHowFarItIsAndHowLongItTakes) {
    const Pull pull = pulling(2'184'000'000, 5'200'000'000, 10'000'000);
    EXPECT_EQ(pull.text(kNow), "pulling qwen3:8b: 42 % of 5.2 GB");
    EXPECT_EQ(pull.left(kNow), 301'600ms);
    EXPECT_EQ(pull.left(kNow + 1'600ms), 300'000ms);
    EXPECT_EQ(pull.left(kNow + 1h), 1s) << "never now";
}

TEST(Pull, PromisesNothingThatNobodyKnows) {
    EXPECT_FALSE(pulling(0, 5'000, 0).left(kNow));
    EXPECT_FALSE(pulling(0, 5'000'000'000'000, 1).left(kNow)) << "a rate that says nothing";
    Pull begun = pulling(0, 0, 0);
    begun.total.reset();
    EXPECT_EQ(begun.text(kNow), "pulling qwen3:8b");
    begun.state = Pull::State::waiting;
    EXPECT_EQ(begun.text(kNow), "qwen3:8b waits to be pulled");
    EXPECT_FALSE(begun.left(kNow));
}

TEST(Pull, AFailureSaysWhyAndWhenItIsTriedAgain) {
    Pull pull = pulling(0, 0, 0);
    pull.state = Pull::State::failed;
    pull.error = "file does not exist";
    pull.retry_at = kNow + 10min;
    EXPECT_EQ(pull.text(kNow),
              "qwen3:8b could not be pulled: file does not exist; next try in 10 m");
    EXPECT_EQ(pull.left(kNow), 10min);
}

TEST(Pulls, OnlyWhatIsNotThereYetKeepsATargetOut) {
    Pull done = pulling(10, 10, 1);
    done.state = Pull::State::done;
    done.targets = {"other"};
    Pull failed = pulling(0, 10, 1);
    failed.state = Pull::State::failed;
    failed.targets = {"cpu", "cuda"};
    const Pulls pulls({done, pulling(1, 10, 1), failed});
    EXPECT_FALSE(pulls.missing("other"));
    EXPECT_FALSE(pulls.missing("nobody"));
    ASSERT_TRUE(pulls.missing("local"));
    ASSERT_TRUE(pulls.missing("cuda"));
    EXPECT_EQ(pulls.missing("cuda")->state, Pull::State::failed);
}

TEST(PullBoard, ShowsNothingMissingOnceAllIsThere) {
    PullBoard board;
    EXPECT_FALSE(board.missing());
    board.show(std::make_shared<const Pulls>(std::vector{pulling(1, 10, 1)}));
    ASSERT_TRUE(board.missing());
    Pull done = pulling(10, 10, 1);
    done.state = Pull::State::done;
    board.show(std::make_shared<const Pulls>(std::vector{done}));
    EXPECT_FALSE(board.missing());
    EXPECT_EQ(board.all()->list().size(), 1u);
}
