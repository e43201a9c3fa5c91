#include "device/file_puller.h"

#include "base/log.h"
#include "base/units.h"
#include "device/fetch.h"
#include "device/rate_meter.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>

namespace device {

using base::Pull;
using base::log::Level;

namespace fs = std::filesystem;

namespace {

constexpr base::Duration kLongPause{600'000};
/// How often a missing file is looked for: somebody else may bring it.
constexpr base::Duration kLook{1'000};

bool is_there(const std::string& file) {
    std::error_code ignored;
    return fs::is_regular_file(file, ignored);
}

}  // namespace

FilePuller::FilePuller(std::function<void()> changed)
    : changed_(std::move(changed)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void FilePuller::configure(std::vector<PullPlan::File> files) {
    {
        const std::lock_guard lock(mutex_);
        std::vector<Entry> entries;
        for (PullPlan::File& file : files) {
            Entry* const known = find(file.destination);
            Entry entry = known && known->file.url == file.url ? *known : Entry{};
            const fs::path path(file.destination);
            entry.pull.model = path.filename();
            entry.pull.service = path.parent_path();
            entry.pull.targets = file.targets;
            entry.missing = !is_there(file.destination);
            entry.file = std::move(file);
            entries.push_back(std::move(entry));
        }
        entries_ = std::move(entries);
        configured_ = true;
    }
    wake_.notify_all();
    changed_();
}

std::vector<Pull> FilePuller::list() const {
    const std::lock_guard lock(mutex_);
    std::vector<Pull> out;
    for (const Entry& entry : entries_)
        if (entry.missing || entry.pull.state == Pull::State::done) out.push_back(entry.pull);
    return out;
}

FilePuller::Entry* FilePuller::find(const std::string& destination) {
    const auto found =
        std::ranges::find(entries_, destination,
                          [](const Entry& e) -> const std::string& { return e.file.destination; });
    return found == entries_.end() ? nullptr : &*found;
}

void FilePuller::run(const std::stop_token& stop) {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    while (!stop.stop_requested()) {
        if (const auto file = next_due()) {
            fetch_one(*file, stop);
            continue;
        }
        std::unique_lock lock(mutex_);
        const bool waiting = std::ranges::any_of(entries_, &Entry::missing);
        if (waiting)
            wake_.wait_for(lock, stop, kLook, [this] { return configured_; });
        else
            wake_.wait(lock, stop, [this] { return configured_; });
    }
}

std::optional<PullPlan::File> FilePuller::next_due() {
    std::optional<PullPlan::File> due;
    bool news = false;
    {
        const std::lock_guard lock(mutex_);
        configured_ = false;
        const base::Time now = base::Clock::now();
        for (Entry& entry : entries_) {
            const bool was_missing =
                std::exchange(entry.missing, !is_there(entry.file.destination));
            news = news || was_missing != entry.missing;
            if (was_missing && !entry.missing) entry.pull.state = Pull::State::done;
            if (!due && entry.missing && entry.pull.retry_at <= now) due = entry.file;
        }
    }
    if (news) changed_();
    return due;
}

void FilePuller::fetch_one(const PullPlan::File& file, const std::stop_token& stop) {
    RateMeter meter;
    int tenths = 0;
    const auto update = [&](const std::function<void(Pull&)>& change) {
        {
            const std::lock_guard lock(mutex_);
            if (Entry* const entry = find(file.destination)) {
                entry->pull.at = base::Clock::now();
                change(entry->pull);
            }
        }
        changed_();
    };
    update([](Pull& pull) {
        pull.state = Pull::State::pulling;
        pull.error.clear();
    });
    base::log::write(Level::info, "pull begins", {{"file", file.destination}});
    const FetchRequest request{
        .url = file.url, .destination = file.destination, .sha256 = file.sha256, .stop = stop};
    const auto result = fetch(request, [&](FetchProgress progress) {
        meter.add(progress.done, base::Clock::now());
        update([&](Pull& pull) {
            pull.done = progress.done;
            pull.total = progress.total;
            pull.rate = meter.per_second();
        });
        const int now = progress.total && *progress.total > 0
                            ? static_cast<int>(progress.done * 10 / *progress.total)
                            : 0;
        if (now > std::exchange(tenths, now))
            base::log::write(Level::info, "pulling",
                             {{"file", file.destination}, {"percent", now * 10}});
    });
    if (stop.stop_requested()) return;
    if (result) {
        base::log::write(Level::info, "pull ended", {{"file", file.destination}});
        return;
    }
    update([&](Pull& pull) {
        pull.state = Pull::State::failed;
        pull.error = result.error().detail;
        pull.rate = 0;
        pull.retry_at = pull.at + kLongPause;
    });
    base::log::write(Level::error, "pull failed",
                     {{"file", file.destination},
                      {"reason", result.error().detail},
                      {"again_in", base::human(kLongPause)}});
}

}  // namespace device
