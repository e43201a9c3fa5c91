#include "store/store.h"

#include "base/log.h"
#include "store/answer_log.h"
#include "store/database.h"
#include "store/live_file.h"
#include "store/usage_log.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

namespace store {

namespace {

using base::log::Level;

constexpr base::Duration kStalledAfter{2'000};
constexpr std::chrono::hours kForgetEvery{1};

std::int64_t epoch_seconds() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               base::WallClock::now().time_since_epoch())
        .count();
}

base::Duration since(base::Clock::rep then) {
    const base::Time time{base::Clock::duration(then)};
    return std::chrono::duration_cast<base::Duration>(base::Clock::now() - time);
}

base::Clock::rep ticks_now() { return base::Clock::now().time_since_epoch().count(); }

void sort_by_key(std::vector<SavedBench>& benches) {
    std::ranges::sort(benches, {}, &SavedBench::key);
}

}  // namespace

/// Everything the writer thread needs. It shares the ownership, so that a thread left to a hung
/// disk never touches what is gone.
struct Store::State {
    State(std::string folder_name, std::unique_ptr<LiveFile> live_file, Database::Opened opened)
        : folder(std::move(folder_name)), live(std::move(live_file)), found(opened.contents) {
        adopt(std::move(opened));
    }

    void work();
    void tick();
    void gather();
    void commit();
    void commit_answers();
    void forget();
    void restore();
    bool reopen();
    void failed(const Database::Failure& failure);
    void worked();
    void adopt(Database::Opened opened);

    const std::string folder;
    const std::unique_ptr<LiveFile> live;
    UsageLog usage{kMostWaitingRows};
    AnswerLog answer_log;
    std::atomic<std::size_t> most_answer_bytes = 0;

    // The writer thread's, once it runs.
    std::unique_ptr<Database> database;  ///< nullptr: a damaged one could not be replaced yet
    Contents found;
    Batch pending;               ///< kept until a commit succeeds
    AnswerLog::Changes answers;  ///< given up if they can't be written: they can be asked for again
    std::vector<SavedBench> written_benches;
    base::Time forget_at = base::Clock::now();

    std::mutex sources_mutex;  ///< held while sources are called: after stop() none ever is
    Sources sources;

    mutable std::mutex mutex;
    std::condition_variable changed;
    bool stopping = false;
    bool finished = false;
    std::string problem;
    std::string moved;

    std::atomic<base::Clock::rep> last_commit = ticks_now();
    std::atomic<base::Clock::rep> commit_began = 0;  ///< 0: none is under way

    std::thread thread;
};

void Store::State::work() {
    restore();
    for (bool last = false; !last;) {
        {
            std::unique_lock lock(mutex);
            last = changed.wait_for(lock, kTick, [this] { return stopping; });
        }
        tick();
    }
    if (pending.empty()) tick();  // what was added behind a batch that had failed before
    const std::lock_guard lock(mutex);
    finished = true;
    changed.notify_all();
}

/// Nothing is lost for the gateway if it fails: answers are asked for again.
void Store::State::restore() try {
    if (!database) return;
    const auto read = database->read_answers(epoch_seconds(), [this](KeptAnswerPtr answer) {
        const std::lock_guard lock(sources_mutex);
        return sources.restore && sources.restore(std::move(answer));
    });
    if (!read) failed(read.error());
} catch (const std::exception& error) {
    failed({error.what()});
}

void Store::State::tick() try {
    gather();
    const bool due = base::Clock::now() >= forget_at;
    if (!due && pending.empty() && answers.empty()) return;
    commit_began = ticks_now();
    if (reopen()) {
        if (!pending.empty()) commit();
        if (!answers.empty() && database) commit_answers();
        if (due && database) forget();
    }
    commit_began = 0;
} catch (const std::exception& error) {
    commit_began = 0;
    failed({error.what()});
}

void Store::State::gather() {
    const bool clear = answers.clear;
    answers = answer_log.take();
    answers.clear = answers.clear || clear;
    if (pending.usage.empty()) pending.usage = usage.take();
    const std::lock_guard lock(sources_mutex);
    if (sources.ledger)
        for (quota::Saved& saved : sources.ledger()) {
            std::string key = saved.key;
            pending.ledger.insert_or_assign(std::move(key), std::move(saved));
        }
    if (!sources.benches) return;
    std::vector<SavedBench> benches = sources.benches();
    sort_by_key(benches);
    pending.benches.reset();
    if (benches != written_benches) pending.benches = std::move(benches);
}

void Store::State::commit() {
    const auto written = database->write(pending, epoch_seconds());
    if (!written) return failed(written.error());
    if (pending.benches) written_benches = std::move(*pending.benches);
    pending = {};
    usage.saved();
    worked();
}

/// Apart from all else, so that a disk too full for answers still takes the ledger.
void Store::State::commit_answers() {
    const auto written = database->write(answers, most_answer_bytes);
    answers.added.clear();
    if (!written) return failed(written.error());
    answers.clear = false;
    worked();
}

void Store::State::forget() {
    const auto more = database->forget(epoch_seconds());
    if (!more) return failed(more.error());
    if (!*more) forget_at = base::Clock::now() + kForgetEvery;
    worked();
}

bool Store::State::reopen() {
    if (database) return true;
    auto opened = Database::open(folder);
    if (!opened) {
        failed({opened.error().detail});
        return false;
    }
    adopt(std::move(*opened));
    return true;
}

void Store::State::failed(const Database::Failure& failure) {
    {
        const std::lock_guard lock(mutex);
        if (problem != failure.text)
            base::log::write(Level::warning, "the store can't write; what is unsaved is kept",
                             {{"folder", folder}, {"reason", failure.text}});
        problem = failure.text;
    }
    if (!failure.damaged) return;
    database.reset();
    auto opened = Database::begin_anew(folder);
    if (!opened) return this->failed({opened.error().detail});
    adopt(std::move(*opened));
}

void Store::State::worked() {
    last_commit = ticks_now();
    const std::lock_guard lock(mutex);
    if (problem.empty()) return;
    problem.clear();
    base::log::write(Level::info, "the store writes again",
                     {{"folder", folder}, {"rows_lost", usage.counts().lost}});
}

void Store::State::adopt(Database::Opened opened) {
    database = std::move(opened.database);
    written_benches = std::move(opened.contents.benches);
    sort_by_key(written_benches);
    if (opened.moved_to.empty()) return;
    const std::lock_guard lock(mutex);
    moved = "a damaged database was moved to " + opened.moved_to + ", a new one was begun";
}

base::Result<std::unique_ptr<Store>> Store::open(const std::string& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error)
        return base::fail(base::ErrorKind::io, folder + " can't be created: " + error.message() +
                                                   ": make it writable, or use another --data");
    auto live = LiveFile::lock(folder);
    if (!live) return std::unexpected(std::move(live).error());
    auto opened = Database::open(folder);
    if (!opened) return std::unexpected(std::move(opened).error());
    if (auto mapped = (*live)->map(); !mapped) return std::unexpected(std::move(mapped).error());
    std::unique_ptr<Store> store(new Store);
    store->state_ = std::make_shared<State>(folder, std::move(*live), std::move(*opened));
    return store;
}

Store::~Store() { stop(kStalledAfter); }

std::vector<quota::Saved> Store::ledger() { return std::exchange(state_->found.ledger, {}); }

std::vector<SavedBench> Store::benches() { return std::exchange(state_->found.benches, {}); }

quota::Mark* Store::mark(const std::string& key) { return state_->live->mark(key); }

void Store::start(Sources sources) {
    state_->sources = std::move(sources);
    state_->thread = std::thread([state = state_] { state->work(); });
}

void Store::stop(base::Duration within) {
    State& state = *state_;
    if (!state.thread.joinable()) return;
    bool finished = false;
    {
        std::unique_lock lock(state.mutex);
        state.stopping = true;
        state.changed.notify_all();
        finished = state.changed.wait_for(lock, within, [&] { return state.finished; });
    }
    if (finished) return state.thread.join();
    state.thread.detach();
    const std::lock_guard lock(state.sources_mutex);
    state.sources = {};
    base::log::write(Level::warning, "the disk hangs: the last commit is left to itself",
                     {{"folder", state.folder}, {"rows", state.usage.counts().waiting}});
}

void Store::add(UsageRow row) { state_->usage.add(std::move(row)); }

void Store::add(KeptAnswerPtr answer) { state_->answer_log.add(std::move(answer)); }

void Store::clear_answers() { state_->answer_log.clear(); }

void Store::set_most_answer_bytes(std::size_t bytes) { state_->most_answer_bytes = bytes; }

Health Store::health() const {
    const State& state = *state_;
    const auto [waiting, lost] = state.usage.counts();
    const base::Clock::rep began = state.commit_began;
    Health health;
    health.open = true;
    health.stalled = began != 0 && since(began) > kStalledAfter;
    health.since_commit = since(state.last_commit);
    health.waiting_rows = waiting;
    health.lost_rows = lost;
    const std::lock_guard lock(state.mutex);
    health.problem = state.problem.empty() ? state.moved : state.problem;
    return health;
}

}  // namespace store
