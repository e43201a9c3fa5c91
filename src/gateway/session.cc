#include "gateway/session.h"

#include "gateway/attempt.h"

#include "base/log.h"
#include "base/units.h"

#include <fmt/format.h>

namespace gateway {

Session::Session(Lane& l, net::Exchange& e)
    : lane(l),
      exchange(e),
      ways(l.ways),
      catalog(ways->catalog()),
      client(&llm::client_dialect(llm::Endpoint::chat)),
      record(std::make_shared<route::Record>()),
      total_by(e.started + catalog->settings.total) {
    record->id = lane.next_id();
    record->time = base::WallClock::now();
    lane.shared.requests.fetch_add(1, std::memory_order_relaxed);
    lane.shared.active.fetch_add(1, std::memory_order_relaxed);
}

Session::~Session() {
    exchange.unwatch_hangup();
    lane.shared.active.fetch_sub(1, std::memory_order_relaxed);
    record->took = elapsed();
    if (record->status == 0) record->status = exchange.gone() ? 499 : exchange.status();
    lane.shared.records.add(record);
    using base::log::Level;
    base::log::write(record->status >= 500 ? Level::warning : Level::info, "request",
                     {{"id", record->id},
                      {"path", exchange.head.path},
                      {"status", record->status},
                      {"model", record->asked},
                      {"served_by", record->served_by},
                      {"stream", record->stream ? "true" : "false"},
                      {"ms", record->took.count()},
                      {"attempts", record->attempts()},
                      {"prompt_tokens", record->usage.prompt},
                      {"completion_tokens", record->usage.completion},
                      {"usage", record->usage.estimated ? "estimated"
                                : record->usage.known   ? "stated"
                                                        : "none"},
                      {"trail", record->trail()}});
    if (lane.shared.store) book_usage();
}

/// One row a call; tokens belong to the one that gave them.
void Session::book_usage() const {
    const std::int64_t second =
        std::chrono::duration_cast<std::chrono::seconds>(base::WallClock::now().time_since_epoch())
            .count();
    for (const route::Step& step : record->steps) {
        if (step.skip != route::Skip::none) continue;
        const config::Target* target = nullptr;
        for (const config::Target* one : able)
            if (one->id == step.target) target = one;
        store::UsageRow row{.second = second,
                            .alias = record->asked,
                            .target = step.target,
                            .tier = std::string(target ? config::name(target->tier) : ""),
                            .outcome = std::string(llm::name(step.outcome)),
                            .ms = static_cast<std::uint64_t>(step.took.count())};
        const llm::Usage& usage = step.usage;
        if (usage.known || usage.estimated || usage.images > 0 || usage.audio_seconds > 0) {
            row.input_tokens = usage.prompt;
            row.cached_tokens = usage.cached;
            row.output_tokens = usage.completion;
            row.estimated = usage.estimated ? 1 : 0;
            if (target && target->tier == config::Tier::paid)
                row.cost_usd = quota::cost(used_of(usage), target->prices);
        }
        lane.shared.store->add(std::move(row));
    }
}

base::Duration Session::elapsed() const {
    return std::chrono::duration_cast<base::Duration>(base::Clock::now() - exchange.started);
}

net::Task<bool> Session::pause(base::Time at, net::Timer* timer) {
    net::Timer own(lane.worker.loop.get_executor());
    if (!timer) timer = &own;
    timer->expires_at(at);
    abort.attach(timer);
    if (!abort.aborted()) co_await timer->async_wait(net::kAwait);
    abort.attach(nullptr);
    co_return !abort.aborted();
}

std::vector<net::Header> Session::headers(std::optional<base::Duration> retry_after) {
    std::vector<net::Header> list{{"x-freeway-request-id", record->id}};
    // Where Anthropic's clients look for it.
    if (exchange.head.path.ends_with("/messages")) list.push_back({"request-id", record->id});
    if (!record->served_by.empty() && net::valid_header_value(record->served_by))
        list.push_back({"x-freeway-served-by", record->served_by});
    attempts_ = std::to_string(record->attempts());
    list.push_back({"x-freeway-attempts", attempts_});
    trail_ = record->trail();
    if (!trail_.empty() && net::valid_header_value(trail_))
        list.push_back({"x-freeway-trail", trail_});
    if (!record->cache.empty()) list.push_back({"x-freeway-cache", record->cache});
    if (retry_after) {
        retry_after_ = std::to_string((retry_after->count() + 999) / 1000);
        list.push_back({"Retry-After", retry_after_});
    }
    add_allowance(list);
    return list;
}

void Session::add_allowance(std::vector<net::Header>& list) {
    if (!ways->book().limited(able)) return;
    const quota::Allowance left = ways->book().allowance(able, base::Now::read());
    static constexpr std::array<std::string_view, 6> kNames{
        "x-ratelimit-limit-requests",   "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",   "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"};
    std::size_t at = 0;
    for (const quota::Allowance::Side& side : {left.requests, left.tokens}) {
        if (side.known) {
            allowance_[at] = fmt::format("{:.0f}", side.limit);
            allowance_[at + 1] = fmt::format("{:.0f}", side.remaining);
            allowance_[at + 2] = base::go_duration(side.reset_in);
            for (std::size_t i = at; i < at + 3; ++i) list.push_back({kNames[i], allowance_[i]});
        }
        at += 3;
    }
}

net::Task<bool> Session::answer(int status, std::string_view content_type, std::string_view body,
                                std::optional<base::Duration> retry_after) {
    record->status = status;
    const std::vector<net::Header> list = headers(retry_after);
    co_return co_await exchange.respond(status, list, content_type, body);
}

net::Task<bool> Session::begin_stream(std::string_view content_type,
                                      std::optional<net::Header> along) {
    if (streaming) co_return !exchange.gone();
    streaming = true;
    record->status = 200;
    std::vector<net::Header> list = headers(std::nullopt);
    list.push_back({"Cache-Control", "no-cache"});
    list.push_back({"X-Accel-Buffering", "no"});
    if (along) list.push_back(*along);
    co_return co_await exchange.begin_stream(
        200, list, content_type.empty() ? client->stream_type() : content_type);
}

net::Task<> Session::refuse(ClientError error) {
    record->error = error.message;
    const std::string body = error_body(error, record.get());
    if (!streaming) {
        co_await answer(error.status, "application/json", client->error(error.status, body),
                        error.retry_after);
        co_return;
    }
    std::optional<std::string> frames = job ? job->broken(body) : std::nullopt;
    if (!frames) frames = client->error_frames(error.status, body);
    if (co_await exchange.write(*frames)) co_await exchange.end_stream();
}

}  // namespace gateway
