#pragma once

#include "gateway/session.h"

#include <expected>
#include <optional>

namespace gateway {

/// Until when the client lets its request wait for quota: `x-freeway-max-wait: 20s` from now;
/// nullopt: it does not. Error: the header can't be read.
std::expected<std::optional<base::Time>, ClientError> may_wait_until(const net::Exchange& exchange);

/// How soon the first candidate returns, where nothing but quota kept all of them back and nobody
/// was called; nullopt: waiting would not help.
std::optional<base::Duration> quota_returns_in(const route::Record& record);

/// Whether somebody can go, or returns in time.
bool quota_returns_by(const route::Decision& decision, base::Time by);

/// How long a request waits in which line, and what its client was last told of it.
struct Patience {
    std::string line;  ///< the alias
    base::Time until;
    std::size_t told_position = 0;
    base::Time told_at{};
};

/// For a request that does not wait: whoever is next of those who wait for the alias looks before
/// it, so that it takes nothing that has just returned to them.
net::Task<> let_those_who_wait_look(Session& session, const std::string& line);

/// Waits until it is this request's turn in the line and quota may have returned (`back_in` is
/// over, or a moment has passed: it may return sooner than was said); streams are told their
/// place meanwhile. The place stays the request's until a call begins. False: it can't be in
/// time, the gateway is about to end, or the client has left.
net::Task<bool> wait_for_quota(Session& session, Patience& patience, base::Duration back_in);

}  // namespace gateway
