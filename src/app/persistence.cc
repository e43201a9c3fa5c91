#include "app/persistence.h"

#include "base/log.h"

#include <fmt/format.h>

#include <random>

namespace app {
namespace {

using base::log::Level;

constexpr base::Duration kLastWrite{5'000};

std::int64_t epoch_ms(base::WallTime time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::string_view window_name(llm::Window window) {
    switch (window) {
        case llm::Window::minute: return "minute";
        case llm::Window::hour: return "hour";
        case llm::Window::day: return "day";
        case llm::Window::month: return "month";
        case llm::Window::none: break;
    }
    return "";
}

llm::Window window_named(std::string_view text) {
    for (const auto window :
         {llm::Window::minute, llm::Window::hour, llm::Window::day, llm::Window::month})
        if (window_name(window) == text) return window;
    return llm::Window::none;
}

/// Rounded to the second: the two clocks drift by less between two looks.
store::SavedBench saved(const route::Bench& bench, base::Now now) {
    const auto left = std::chrono::duration_cast<base::Duration>(bench.until - now.steady);
    return {.key = bench.key,
            .cause = std::string(llm::name(bench.cause)),
            .source = std::string(route::name(bench.source)),
            .window = std::string(window_name(bench.window)),
            .until_ms = (epoch_ms(now.wall + left) + 500) / 1000 * 1000,
            .detail = bench.detail,
            .failures = bench.strikes};
}

route::Bench restored(const store::SavedBench& in, base::Now now) {
    route::Bench bench;
    bench.key = in.key;
    bench.cause = llm::outcome_named(in.cause).value_or(llm::Outcome::exhausted);
    bench.source = in.source == route::name(route::Source::stated) ? route::Source::stated
                                                                   : route::Source::guessed;
    bench.window = window_named(in.window);
    bench.until = now.steady + std::chrono::milliseconds(in.until_ms - epoch_ms(now.wall));
    bench.detail = in.detail;
    bench.strikes = in.failures;
    return bench;
}

}  // namespace

base::Result<void> Persistence::open(const std::string& folder) {
    auto opened = store::Store::open(folder);
    if (!opened && opened.error().kind == base::ErrorKind::refused)
        return std::unexpected(opened.error());
    if (!opened) {
        base::log::write(Level::error, "nothing will outlive this process",
                         {{"folder", folder}, {"reason", opened.error().detail}});
        return {};
    }
    store_ = std::move(*opened);
    const base::Now now = base::Now::read();
    std::vector<route::Bench> benches;
    for (const store::SavedBench& bench : store_->benches())
        benches.push_back(restored(bench, now));
    gateway_.benches.restore(benches, now.steady);
    gateway_.ledger.restore(store_->ledger(),
                            [this](const std::string& key) { return store_->mark(key); });
    gateway_.store = store_.get();
    return {};
}

void Persistence::keep_files(const std::string& folder, const config::Settings& settings) {
    gateway_.public_url = settings.public_url;
    auto files =
        store::Files::open(folder + "/files", {.keep = settings.files_keep}, base::Now::read());
    if (!files) {
        base::log::write(Level::error, "no pictures can be kept",
                         {{"reason", files.error().detail}});
        return;
    }
    files_ = std::move(*files);
    gateway_.files = files_.get();
}

void Persistence::sweep() {
    if (files_) files_->sweep(base::Clock::now());
}

base::Result<void> Persistence::share(const config::Environment& environment) {
    const std::string url(environment.get("REDIS_URL"));
    if (url.empty()) return {};
    std::random_device device;
    auto shared = store::SharedLedger::open(
        url, [this](const std::function<void(quota::Bucket&)>& act) { gateway_.ledger.each(act); },
        fmt::format("{:08x}{:08x}", device(), device()));
    if (!shared) return std::unexpected(shared.error());
    shared_ = std::move(*shared);
    gateway_.shared_ledger = shared_.get();
    return {};
}

void Persistence::bound_answers(const config::Settings& settings) {
    gateway_.answers.set_most_bytes(settings.cache.max_bytes);
    if (store_) store_->set_most_answer_bytes(settings.cache.max_bytes);
}

store::Store::Sources Persistence::sources(bool with_answers) {
    store::Store::Sources sources;
    sources.ledger = [this] { return gateway_.ledger.changed(base::Now::read()); };
    sources.benches = [this] {
        const base::Now now = base::Now::read();
        std::vector<store::SavedBench> list;
        for (const auto& bench : gateway_.benches.lasting(now.steady))
            list.push_back(saved(bench, now));
        return list;
    };
    if (with_answers)
        sources.restore = [this](store::KeptAnswerPtr answer) {
            const std::int64_t now = epoch_ms(base::WallClock::now()) / 1000;
            return gateway_.answers.restore(std::move(answer), now);
        };
    return sources;
}

void Persistence::start(const config::Settings& settings) {
    bound_answers(settings);
    if (store_) store_->start(sources(settings.cache.on_disk));
    if (shared_) shared_->start();
}

void Persistence::adopt(const config::Settings& settings) {
    bound_answers(settings);
    if (shared_) shared_->adopt();
}

void Persistence::stop() {
    if (shared_) shared_->stop();
    if (store_) store_->stop(kLastWrite);
}

}  // namespace app
