#pragma once

#include "quota/ledger.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace quota {

inline config::Limit limit(const std::string& metric, const std::string& window,
                           std::optional<double> figure, const std::string& reset = "rolling",
                           const std::string& scope = "target", const std::string& pool = "") {
    config::Limit one;
    one.metric = metric;
    one.window = window;
    one.limit = figure;
    one.reset = reset;
    one.scope = scope;
    one.pool = pool;
    return one;
}

/// A ledger over a catalog that a test builds, and a clock that it moves.
struct World {
    config::Catalog catalog;
    Ledger ledger;
    std::shared_ptr<const Book> book;
    base::Now now{base::Time(std::chrono::hours(1000)),
                  base::WallTime(std::chrono::hours(500'000))};

    void target(const std::string& id, std::vector<config::Limit> limits,
                base::Provider provider = base::Provider::groq) {
        config::Target one;
        one.id = one.alias = id;
        one.model = "model-of-" + id;
        one.account = std::string(base::name(provider)) + ":KEY";
        one.provider = provider;
        one.limits = std::move(limits);
        catalog.targets.push_back(std::move(one));
    }
    void open() { book = ledger.open(std::make_shared<config::Catalog>(catalog), now); }
    const config::Target& at(std::size_t index) const { return book->catalog().targets[index]; }
    auto reserve(std::size_t index, const Work& work = {}) {
        return book->reserve(at(index), work, now);
    }
    /// A whole call that served.
    bool call(std::size_t index, double input = 10, double output = 10) {
        auto held = reserve(index);
        if (!held) return false;
        held->counted(now);
        held->settle({.input_tokens = input, .output_tokens = output}, now);
        return true;
    }
    void pass(base::Duration time) {
        now.steady += time;
        now.wall += time;
    }
    Line line(const std::string& part) {
        for (Line& one : ledger.lines(now))
            if (one.key.find(part) != std::string::npos) return one;
        ADD_FAILURE() << "no line about " << part;
        return {};
    }
};

}  // namespace quota
