#include "base/log.h"

#include "base/clock.h"

#include <fmt/compile.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace base::log {
namespace {

constexpr std::size_t kQueuedBytes = 1u << 20;
constexpr std::size_t kMaxValue = 2048;
/// Lines of this span are written in one go, so that a burst wakes the writer once.
constexpr std::chrono::milliseconds kGather{20};

std::atomic<Level> g_threshold{Level::info};

void put(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(STDERR_FILENO, bytes.data(), bytes.size());
        if (written <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

/// The writer thread and what waits for it.
class Writer {
public:
    Writer() : thread_([this] { run(); }) {}
    ~Writer() {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    void add(std::string_view line) {
        bool was_empty = false;
        {
            const std::lock_guard lock(mutex_);
            if (queued_.size() + line.size() > kQueuedBytes) {
                ++dropped_;
                return;
            }
            was_empty = queued_.empty();
            queued_ += line;
        }
        if (was_empty) wake_.notify_one();
    }

private:
    void run() {
        std::unique_lock lock(mutex_);
        while (!ending_ || !queued_.empty()) {
            wake_.wait(lock, [this] { return ending_ || !queued_.empty(); });
            if (!ending_) wake_.wait_for(lock, kGather, [this] { return ending_; });
            std::string lines = std::exchange(queued_, {});
            if (const std::size_t lost = std::exchange(dropped_, 0); lost > 0)
                lines += fmt::format("log lines dropped because stderr is slow: {}\n", lost);
            lock.unlock();
            put(lines);
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    std::string queued_;
    std::size_t dropped_ = 0;
    bool ending_ = false;
    std::thread thread_;
};

std::unique_ptr<Writer> g_writer;

std::string_view word(Level level) {
    switch (level) {
        case Level::debug: return "debug";
        case Level::info: return "info";
        case Level::warning: return "warning";
        case Level::error: return "error";
    }
    return "info";
}

bool needs_quotes(std::string_view value) {
    return value.empty() || value.find_first_of(" \"=\n\r\t") != std::string_view::npos;
}

void append_value(std::string& line, std::string_view value) {
    value = value.substr(0, kMaxValue);
    if (!needs_quotes(value)) {
        line += value;
        return;
    }
    line += '"';
    for (const char c : value) {
        if (c == '"' || c == '\\') line += '\\';
        line += c == '\n' || c == '\r' ? ' ' : c;
    }
    line += '"';
}

/// The time to the second, as text; made anew once a second and thread.
std::string_view second_text(WallClock::time_point now) {
    thread_local std::chrono::sys_seconds second;
    thread_local std::string text;
    const auto current = std::chrono::floor<std::chrono::seconds>(now);
    if (text.empty() || current != second) {
        second = current;
        const auto day = std::chrono::floor<std::chrono::days>(current);
        const std::chrono::year_month_day date(day);
        const std::chrono::hh_mm_ss clock(current - day);
        text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                           static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                           clock.hours().count(), clock.minutes().count(), clock.seconds().count());
    }
    return text;
}

void append_timestamp(std::string& line) {
    const auto now = std::chrono::floor<std::chrono::milliseconds>(WallClock::now());
    line += second_text(now);
    const auto part = now - std::chrono::floor<std::chrono::seconds>(now);
    fmt::format_to(std::back_inserter(line), FMT_COMPILE(".{:03}Z "), part.count());
}

}  // namespace

void start(Level threshold) {
    g_threshold = threshold;
    g_writer = std::make_unique<Writer>();
}

void stop() { g_writer.reset(); }

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
    if (level < g_threshold.load(std::memory_order_relaxed)) return;
    thread_local std::string line;  // keeps its room
    line.clear();
    append_timestamp(line);
    line += word(level);
    line += ' ';
    line += message;
    for (const Field& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        append_value(line, field.value);
    }
    line += '\n';
    if (g_writer)
        g_writer->add(line);
    else
        put(line);
}

}  // namespace base::log
