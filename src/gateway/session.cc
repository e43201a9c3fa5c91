#include "gateway/session.h"

#include "base/log.h"

namespace gateway {

Session::Session(Lane& l, net::Exchange& e)
    : lane(l),
      exchange(e),
      ways(l.ways),
      catalog(ways->catalog()),
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
    lane.shared.records.add(std::move(record));
}

base::Duration Session::elapsed() const {
    return std::chrono::duration_cast<base::Duration>(base::Clock::now() - exchange.started);
}

std::vector<net::Header> Session::headers(std::optional<base::Duration> retry_after) {
    std::vector<net::Header> list{{"x-freeway-request-id", record->id}};
    if (!record->served_by.empty() && net::valid_header_value(record->served_by))
        list.push_back({"x-freeway-served-by", record->served_by});
    attempts_ = std::to_string(record->attempts());
    list.push_back({"x-freeway-attempts", attempts_});
    trail_ = record->trail();
    if (!trail_.empty() && net::valid_header_value(trail_))
        list.push_back({"x-freeway-trail", trail_});
    if (retry_after) {
        retry_after_ = std::to_string((retry_after->count() + 999) / 1000);
        list.push_back({"Retry-After", retry_after_});
    }
    return list;
}

net::Task<bool> Session::answer(int status, std::string_view content_type, std::string_view body,
                                std::optional<base::Duration> retry_after) {
    record->status = status;
    const std::vector<net::Header> list = headers(retry_after);
    co_return co_await exchange.respond(status, list, content_type, body);
}

net::Task<bool> Session::begin_stream() {
    if (streaming) co_return !exchange.gone();
    streaming = true;
    record->status = 200;
    std::vector<net::Header> list = headers(std::nullopt);
    list.push_back({"Cache-Control", "no-cache"});
    list.push_back({"X-Accel-Buffering", "no"});
    co_return co_await exchange.begin_stream(200, list, "text/event-stream");
}

net::Task<> Session::refuse(ClientError error) {
    record->error = error.message;
    const std::string body = error_body(error, record.get());
    if (!streaming) {
        co_await answer(error.status, "application/json", body, error.retry_after);
        co_return;
    }
    if (co_await exchange.write("data: " + body + "\n\ndata: [DONE]\n\n"))
        co_await exchange.end_stream();
}

}  // namespace gateway
