#include "gateway/quota_wait.h"

#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>

namespace gateway {
namespace {

using route::Skip;

/// A waiting stream hears from us at least this often.
constexpr base::Duration kHeartbeat{5'000};
/// And looks this often whether its place has changed.
constexpr base::Duration kLook{500};
/// Who is next looks again after this long at most: quota may return sooner than was said.
constexpr base::Duration kNextLooks{100};
/// Quota that returns all the time is looked for this often.
constexpr base::Duration kLeast{2};
/// Nobody lets others go first for longer than this.
constexpr base::Duration kCourtesy{500};

/// Tells a waiting stream where it stands, where that is news. False: the client has left.
net::Task<bool> tell(Session& session, Patience& patience, base::Duration left) {
    const base::Time now = base::Clock::now();
    const std::size_t position = session.place->position();
    const bool news = position != patience.told_position || now - patience.told_at >= kHeartbeat;
    if (!session.job->stream() || !news) co_return true;
    patience.told_position = position;
    patience.told_at = now;
    const std::string text = fmt::format(
        "waiting for quota, position {} of {}, about {} s", position, session.place->length(),
        (std::max<base::Duration::rep>(0, left.count()) + 999) / 1000);
    if (!co_await session.begin_stream()) co_return false;
    co_return co_await session.exchange.write(session.comment(text));
}

}  // namespace

std::expected<std::optional<base::Time>, ClientError> may_wait_until(
    const net::Exchange& exchange) {
    const std::string_view text = base::trim(exchange.head.headers.get("x-freeway-max-wait"));
    if (text.empty()) return std::nullopt;
    const auto wait = base::parse_duration(text);
    if (!wait)
        return std::unexpected(
            ClientError{400,
                        fmt::format("x-freeway-max-wait: `{}` is not a time such as 20s or 1m30s.",
                                    base::shown(text, 100)),
                        "invalid_request_error",
                        "bad_header",
                        "x-freeway-max-wait",
                        {}});
    return base::Clock::now() + std::min(*wait, base::Duration(24 * 3'600'000));
}

std::optional<base::Duration> quota_returns_in(const route::Record& record) {
    std::optional<base::Duration> soonest;
    for (const route::Step& step : record.steps) {
        if (step.skip == Skip::none) return std::nullopt;
        const bool returns = step.skip == Skip::quota || step.skip == Skip::benched;
        if (returns && step.back_in && (!soonest || *step.back_in < *soonest))
            soonest = step.back_in;
    }
    return soonest;
}

bool quota_returns_by(const route::Decision& decision, base::Time by) {
    const base::Time now = base::Clock::now();
    return std::ranges::any_of(decision.candidates, [&](const route::Candidate& candidate) {
        return candidate.skip == Skip::none ||
               (candidate.back_in && now + *candidate.back_in <= by);
    });
}

net::Task<> let_those_who_wait_look(Session& session, const std::string& line) {
    const auto turn =
        session.lane.shared.waiting.go_first(line, session.lane.worker.loop.get_executor());
    if (turn) co_await session.pause(base::Clock::now() + kCourtesy, &turn->timer);
}

net::Task<bool> wait_for_quota(Session& session, Patience& patience, base::Duration back_in) {
    const base::Time began = base::Clock::now();
    const base::Time by = std::min(patience.until, session.total_by);
    const base::Time back_at = began + std::max(back_in, kLeast);
    const base::Time retry_at = std::min(back_at, began + kNextLooks);
    if (back_at > by) co_return false;
    if (!session.place)
        session.place = session.lane.shared.waiting.join(patience.line,
                                                         session.lane.worker.loop.get_executor());
    if (!session.place) co_return false;
    session.place->looked_in_vain();
    for (;;) {
        const base::Time now = base::Clock::now();
        const bool next = session.place->position() == 1;
        if (next && (session.place->woken() || now >= retry_at)) co_return true;
        if (now >= by || session.lane.shared.draining.load()) co_return false;
        const auto left = std::chrono::duration_cast<base::Duration>(back_at - now);
        if (!co_await tell(session, patience, left)) co_return false;
        const base::Time look = std::min(by, next ? retry_at : now + kLook);
        if (!co_await session.pause(look, &session.place->timer())) co_return false;
    }
}

}  // namespace gateway
