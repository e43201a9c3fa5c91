#include "route/rehearsal_log.h"

#include "base/units.h"
#include "route/rehearsal_dice.h"

#include <date/date.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <sstream>
#include <vector>

namespace route {
namespace {

/// The cells of a CSV line; quoted ones without their quotes.
std::vector<std::string> cells_of(std::string_view line) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
            cells.back() += c;
            ++i;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            cells.emplace_back();
        } else {
            cells.back() += c;
        }
    }
    for (std::string& cell : cells) cell = base::trim(cell);
    return cells;
}

std::optional<double> amount(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool read = error == std::errc() && end == text.data() + text.size();
    if (!read || !(value >= 0) || value > 1e15) return std::nullopt;
    return value;
}

std::optional<base::WallTime> instant(const std::string& text) {
    if (const auto number = amount(text)) {
        const double ms = *number >= 1e12 ? *number : *number * 1000;
        if (ms > 7e12) return std::nullopt;
        return base::WallTime(base::Duration(static_cast<base::Duration::rep>(ms)));
    }
    for (const char* form : {"%FT%TZ", "%FT%T%Ez", "%F %T", "%FT%T"}) {
        std::istringstream in(text);
        date::sys_time<base::Duration> time;
        if (in >> date::parse(form, time); !in.fail() && in.peek() == EOF) return time;
    }
    return std::nullopt;
}

/// A log while it is read.
class LogReader {
public:
    LogReader(std::string_view file, const config::Catalog& catalog)
        : file_(file), catalog_(catalog) {}

    base::Result<Traffic> read(std::string_view text) {
        std::size_t line = 0;
        while (!text.empty()) {
            ++line;
            const std::size_t end = std::min(text.find('\n'), text.size());
            const std::string_view content = base::trim(text.substr(0, end));
            text.remove_prefix(std::min(end + 1, text.size()));
            if (content.empty()) continue;
            const std::string problem = columns_.empty() ? head(content) : body(content);
            if (!problem.empty()) return wrong(line, problem);
        }
        if (traffic_.arrivals.empty())
            return wrong(std::max<std::size_t>(line, 1),
                         "the log has no requests: write one a line under the header "
                         "time,alias,prompt_tokens,completion_tokens");
        std::ranges::sort(traffic_.arrivals, {}, &Arrival::time);
        traffic_.begin = traffic_.arrivals.front().time;
        return std::move(traffic_);
    }

private:
    std::unexpected<base::Error> wrong(std::size_t line, const std::string& problem) const {
        return base::fail(base::ErrorKind::bad_input,
                          fmt::format("{}:{}: {}", file_, line, problem));
    }

    std::string head(std::string_view line) {
        constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kNames{
            {{"time", "time"},
             {"second", "time"},
             {"alias", "alias"},
             {"prompt_tokens", "prompt_tokens"},
             {"input_tokens", "prompt_tokens"},
             {"completion_tokens", "completion_tokens"},
             {"output_tokens", "completion_tokens"},
             {"max_tokens", "max_tokens"}}};
        if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
        const std::vector<std::string> names = cells_of(line);
        count_ = names.size();
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (names[i] == "calls") columns_["calls"] = i;
            for (const auto& [written, meant] : kNames)
                if (names[i] == written) columns_[std::string(meant)] = i;
        }
        for (const char* wanted : {"time", "alias", "prompt_tokens", "completion_tokens"})
            if (!columns_.contains(wanted))
                return fmt::format(
                    "the header has no column `{}`: write it as "
                    "time,alias,prompt_tokens,completion_tokens",
                    wanted);
        return {};
    }

    std::string body(std::string_view line) {
        const std::vector<std::string> cells = cells_of(line);
        if (cells.size() != count_)
            return fmt::format(
                "{} cells where the header has {}: put quotes around a text "
                "with a comma",
                cells.size(), count_);
        const auto cell = [&](const char* name) -> const std::string& {
            return cells[columns_.find(name)->second];
        };
        const auto time = instant(cell("time"));
        if (!time)
            return fmt::format("`{}` is no time: write 2026-06-01T12:00:00Z or epoch seconds",
                               base::shown(cell("time"), 60));
        if (!catalog_.find(cell("alias")))
            return fmt::format(
                "there is no alias `{}`: enable its provider, use --all, or take "
                "the line out",
                base::shown(cell("alias"), 100));
        std::map<std::string, double, std::less<>> numbers;
        for (const char* name : {"prompt_tokens", "completion_tokens", "max_tokens", "calls"}) {
            if (!columns_.contains(name) || (name[0] == 'm' && cell(name).empty())) continue;
            const auto number = amount(cell(name));
            if (!number)
                return fmt::format("`{}` in column {} is no number of 0 or more",
                                   base::shown(cell(name), 60), name);
            numbers[name] = *number;
        }
        return add(*time, cell("alias"), numbers);
    }

    std::string add(base::WallTime time, const std::string& alias,
                    const std::map<std::string, double, std::less<>>& numbers) {
        const double calls = numbers.contains("calls") ? numbers.at("calls") : 1;
        if (static_cast<double>(traffic_.arrivals.size()) + calls > TrafficPlan::kMost)
            return fmt::format("more than {} requests: rehearse a shorter time",
                               TrafficPlan::kMost);
        const auto [known, added] = aliases_.try_emplace(alias, traffic_.aliases.size());
        if (added) traffic_.aliases.push_back(alias);
        for (double i = 0; i < calls; ++i) {
            Arrival arrival{.time = time, .alias = known->second};
            arrival.prompt_tokens = std::max(1.0, numbers.at("prompt_tokens") / calls);
            arrival.answer_tokens = std::max(1.0, numbers.at("completion_tokens") / calls);
            arrival.prompt_bytes = bytes_for(arrival.prompt_tokens, dice_);
            if (numbers.contains("max_tokens"))
                arrival.max_tokens = static_cast<std::uint64_t>(numbers.at("max_tokens"));
            traffic_.arrivals.push_back(arrival);
        }
        return {};
    }

    std::string_view file_;
    const config::Catalog& catalog_;
    std::map<std::string, std::size_t, std::less<>> columns_;
    std::size_t count_ = 0;
    std::map<std::string, std::size_t, std::less<>> aliases_;
    Traffic traffic_;
    Dice dice_{1};
};

}  // namespace

base::Result<Traffic> read_log(std::string_view text, std::string_view file,
                               const config::Catalog& catalog) {
    return LogReader(file, catalog).read(text);
}

}  // namespace route
