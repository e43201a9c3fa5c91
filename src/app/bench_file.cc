#include "app/bench_file.h"

#include "base/log.h"

#include <boost/json.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace app {

namespace json = boost::json;
using base::log::Level;

namespace {

std::int64_t epoch_ms(base::WallTime time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

/// Rounded to the second: the two clocks drift by less between two looks.
json::object write(const route::Bench& bench, base::Now now) {
    const auto left = std::chrono::duration_cast<base::Duration>(bench.until - now.steady);
    json::object out;
    out["key"] = bench.key;
    out["cause"] = llm::name(bench.cause);
    out["source"] = route::name(bench.source);
    out["until_ms"] = (epoch_ms(now.wall + left) + 500) / 1000 * 1000;
    out["detail"] = bench.detail;
    out["failures"] = bench.strikes;
    return out;
}

route::Bench read(const json::object& in, base::Now now) {
    route::Bench bench;
    bench.key = std::string(in.at("key").as_string());
    bench.cause = llm::outcome_named(in.at("cause").as_string()).value_or(llm::Outcome::exhausted);
    bench.source =
        in.at("source").as_string() == "stated" ? route::Source::stated : route::Source::guessed;
    bench.until =
        now.steady +
        std::chrono::milliseconds(in.at("until_ms").to_number<std::int64_t>() - epoch_ms(now.wall));
    bench.detail = std::string(in.at("detail").as_string());
    bench.strikes = in.at("failures").to_number<int>();
    return bench;
}

}  // namespace

void BenchFile::restore(route::Benches& benches, base::Now now) {
    std::ifstream file(path_, std::ios::binary);
    if (!file) return;
    std::ostringstream text;
    text << file.rdbuf();
    saved_ = text.str();
    std::vector<route::Bench> list;
    try {
        for (const json::value& value : json::parse(saved_).as_array())
            list.push_back(read(value.as_object(), now));
    } catch (const std::exception& error) {
        base::log::write(Level::warning, "saved benches can't be read and are forgotten",
                         {{"file", path_}, {"reason", error.what()}});
        return;
    }
    benches.restore(list, now.steady);
}

void BenchFile::save(const route::Benches& benches, base::Now now) {
    json::array list;
    for (const route::Bench& bench : benches.lasting(now.steady)) list.push_back(write(bench, now));
    std::string text = json::serialize(list);
    if (text == saved_ || (list.empty() && saved_.empty())) return;
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), error);
    const std::string temporary = path_ + ".new";
    std::ofstream file(temporary, std::ios::binary);
    file << text;
    file.close();
    if (file) std::filesystem::rename(temporary, path_, error);
    if (!file || error)
        base::log::write(Level::warning, "benches can't be saved", {{"file", path_}});
    saved_ = std::move(text);
}

}  // namespace app
