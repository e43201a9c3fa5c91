#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

#include <memory>
#include <string>
#include <vector>

struct redisContext;

namespace store {

/// Where a Redis or Valkey is: `redis://[user:password@]host[:6379][/db]` or `unix:///path`.
struct RedisAddress {
    std::string host;
    int port = 6379;
    std::string path;  ///< of the socket; then host and port mean nothing
    std::string user;  ///< empty: Redis' own default
    base::Secret password;
    int database = 0;
    /// For logs: without user and password.
    std::string shown() const;
};

/// Reads the value of REDIS_URL. The error says the form, and never repeats the value.
base::Result<RedisAddress> redis_address(const std::string& url);

/// What Redis answered to one command. Integers are in `text` as digits; parts are an array's.
struct RedisReply {
    bool error = false;  ///< then `text` says it: "NOSCRIPT No matching script. …"
    std::string text;
    std::vector<std::string> parts;
};

/// One connection to Redis, logged in and on its database (hiredis, blocking). Belongs to one
/// thread, which must not die of SIGPIPE. After an error of pipeline() it is good for nothing.
class Redis {
public:
    /// `within` bounds the connect and each later wait; name lookup is the resolver's own.
    static base::Result<Redis> connect(const RedisAddress& address, base::Duration within);

    using Command = std::vector<std::string>;
    /// Sends all, then reads all: one reply a command, in order. Error replies are values; an
    /// Error means that the connection failed or all took longer than twice `within`.
    base::Result<std::vector<RedisReply>> pipeline(const std::vector<Command>& commands);

private:
    struct Close {
        void operator()(redisContext* context) const;
    };
    Redis(redisContext* context, base::Duration within) : context_(context), within_(within) {}
    base::Result<void> enter(const RedisAddress& address);
    base::Error failure() const;
    std::unique_ptr<redisContext, Close> context_;
    base::Duration within_;
};

}  // namespace store
