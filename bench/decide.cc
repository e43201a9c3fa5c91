// What knowing before asking costs: a decision over a chain of fourteen, each with four limits;
// holding and settling a target's quota; the same with limits unknown. Medians in microseconds.
//
//   ninja -C build bench_decide && build/bench/bench_decide [rounds]

#include "route/decide.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr int kMembers = 14;
constexpr int kCalls = 2'000;

std::shared_ptr<config::Catalog> chain(bool limited) {
    auto catalog = std::make_shared<config::Catalog>();
    config::Alias first;
    for (int i = 0; i < kMembers; ++i) {
        config::Target target;
        target.alias = target.id = fmt::format("member-{}", i);
        target.model = fmt::format("model-{}", i);
        target.provider = static_cast<base::Provider>(i % 8);
        target.account = fmt::format("account-{}", i % 8);
        for (const char* metric : {"requests", "tokens"})
            for (const char* window : {"minute", "day"})
                if (limited) {
                    config::Limit& limit = target.limits.emplace_back();
                    limit.metric = metric;
                    limit.window = window;
                    limit.limit = 1e12;
                    limit.reset = i % 2 ? "rolling" : "token_bucket";
                    limit.scope = "model";
                }
        config::Alias alias;
        alias.name = target.alias;
        alias.targets.push_back(catalog->targets.size());
        if (i > 0) first.chain.push_back(alias.name);
        if (i == 0) first = alias;
        if (i > 0) catalog->aliases.push_back(alias);
        catalog->targets.push_back(std::move(target));
    }
    catalog->aliases.insert(catalog->aliases.begin(), std::move(first));
    catalog->index();
    return catalog;
}

double median_us(int rounds, const std::function<void()>& act) {
    std::vector<double> samples;
    for (int round = 0; round < rounds; ++round) {
        const auto begin = std::chrono::steady_clock::now();
        for (int i = 0; i < kCalls; ++i) act();
        const std::chrono::duration<double, std::micro> took =
            std::chrono::steady_clock::now() - begin;
        samples.push_back(took.count() / kCalls);
    }
    std::ranges::nth_element(samples, samples.begin() + rounds / 2);
    return samples[static_cast<std::size_t>(rounds) / 2];
}

void measure(const char* name, bool limited, int rounds) {
    quota::Ledger ledger;
    const auto catalog = chain(limited);
    const auto book = ledger.open(catalog, base::Now::read());
    const route::Benches benches;
    route::Ask ask;
    ask.model = "member-0";
    ask.prompt_bytes = 2'000;
    const double decide = median_us(rounds, [&] {
        if (!route::decide({*book, benches, base::Now::read()}, ask, 1)) std::abort();
    });
    const double hold = median_us(rounds, [&] {
        auto held = book->reserve(catalog->targets[1], ask.work(), base::Now::read());
        if (!held) std::abort();
        held->counted(base::Now::read());
        quota::Used used;
        used.input_tokens = 500;
        used.output_tokens = 100;
        held->settle(used, base::Now::read());
    });
    fmt::print("{:<18}{:>12.2f}{:>22.2f}\n", name, decide, hold);
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 31;
    if (rounds < 1) {
        fmt::print(stderr, "usage: bench_decide [rounds], a whole number above 0\n");
        return 2;
    }
    fmt::print("{:<18}{:>12}{:>22}\n", "median us", "decide (14)", "hold, count, settle");
    measure("four limits each", true, rounds);
    measure("no limits", false, rounds);
}
