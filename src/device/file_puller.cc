#include "device/file_puller.h"

#include "base/log.h"
#include "base/units.h"
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

}  // namespace

FilePuller::FilePuller(std::function<void()> changed)
    : changed_(std::move(changed)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void FilePuller::configure(std::vector<PullPlan::File> files) {
    {
        const std::lock_guard lock(mutex_);
        std::vector<Entry> entries;
        for (PullPlan::File& file : files) {
            Entry* const known = find(file.what);
            Entry entry = known ? *known : Entry{};
            entry.pull.model = fs::path(locate(file.what).path).filename();
            entry.pull.service = file.what.folder;
            entry.pull.targets = file.targets;
            entry.file = std::move(file);
            entry.missing = is_missing(entry);
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

/// A file that was put there by hand is not relied on before its stated checksum was looked at.
bool FilePuller::is_missing(const Entry& entry) {
    const Place place = locate(entry.file.what);
    return !place.there || !(place.known || entry.checked || entry.file.what.sha256.empty());
}

FilePuller::Entry* FilePuller::find(const ModelFile& what) {
    const auto found = std::ranges::find(
        entries_, what, [](const Entry& e) -> const ModelFile& { return e.file.what; });
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
            const bool was_missing = std::exchange(entry.missing, is_missing(entry));
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
    const auto update = [&](const std::function<void(Entry&)>& change) {
        {
            const std::lock_guard lock(mutex_);
            if (Entry* const entry = find(file.what)) {
                entry->pull.at = base::Clock::now();
                change(*entry);
            }
        }
        changed_();
    };
    update([](Entry& entry) {
        entry.pull.state = Pull::State::pulling;
        entry.pull.error.clear();
    });
    const std::string path = locate(file.what).path;
    base::log::write(Level::info, "pull begins", {{"file", path}});
    const auto show = [&](FetchProgress progress) {
        meter.add(progress.done, base::Clock::now());
        update([&](Entry& entry) {
            entry.pull.done = progress.done;
            entry.pull.total = progress.total;
            entry.pull.rate = meter.per_second();
        });
        const int now = progress.total && *progress.total > 0
                            ? static_cast<int>(progress.done * 10 / *progress.total)
                            : 0;
        if (now > std::exchange(tenths, now))
            base::log::write(Level::info, "pulling", {{"file", path}, {"percent", now * 10}});
    };
    const auto result = pull_file(file.what, show, stop);
    if (stop.stop_requested()) return;
    if (result) {
        update([&](Entry& entry) {
            entry.checked = true;
            entry.pull.model = fs::path(*result).filename();
        });
        base::log::write(Level::info, "pull ended", {{"file", *result}});
        return;
    }
    update([&](Entry& entry) {
        entry.pull.state = Pull::State::failed;
        entry.pull.error = result.error().detail;
        entry.pull.rate = 0;
        entry.pull.retry_at = entry.pull.at + kLongPause;
    });
    base::log::write(
        Level::error, "pull failed",
        {{"file", path}, {"reason", result.error().detail}, {"again_in", base::human(kLongPause)}});
}

}  // namespace device
