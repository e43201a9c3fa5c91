#include "store/redis.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

namespace store {
namespace {

constexpr std::string_view kForm =
    "expected redis://[user:password@]host[:port][/database] or unix:///path/of/socket";

std::unexpected<base::Error> refuse(std::string_view why) {
    return base::fail(base::ErrorKind::bad_input, fmt::format("REDIS_URL: {}; {}", why, kForm));
}

std::optional<int> number(std::string_view text, int most) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && value >= 0 && value <= most ? std::optional(value) : std::nullopt;
}

std::optional<std::string> unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        unsigned byte = 0;
        const char* from = text.data() + i + 1;
        if (text.size() - i < 3 || std::from_chars(from, from + 2, byte, 16).ptr != from + 2)
            return std::nullopt;
        out += static_cast<char>(byte);
        i += 2;
    }
    return out;
}

base::Result<void> read_login(std::string_view text, RedisAddress& address) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos)
        return refuse("user without password (a password alone is written :password@)");
    auto user = unescaped(text.substr(0, colon));
    auto password = unescaped(text.substr(colon + 1));
    if (!user || !password) return refuse("a % in user or password must be written %25");
    address.user = std::move(*user);
    address.password = base::Secret(std::move(*password));
    return {};
}

base::Result<void> read_host(std::string_view text, RedisAddress& address) {
    std::size_t end = text.find(':');
    if (text.starts_with('[')) {
        const std::size_t bracket = text.find(']');
        if (bracket == std::string_view::npos) return refuse("no ] after the IPv6 address");
        address.host = text.substr(1, bracket - 1);
        end = bracket + 1 < text.size() ? bracket + 1 : std::string_view::npos;
    } else {
        address.host = text.substr(0, end);
    }
    if (address.host.empty()) return refuse("no host");
    if (end == std::string_view::npos) return {};
    const auto port = number(text.substr(end + 1), 65'535);
    if (text[end] != ':' || !port || *port == 0) return refuse("the port is not 1 to 65535");
    address.port = *port;
    return {};
}

std::string text_of(const redisReply& reply) {
    if (reply.type == REDIS_REPLY_INTEGER) return std::to_string(reply.integer);
    return reply.str ? std::string(reply.str, reply.len) : std::string();
}

RedisReply value_of(const redisReply& reply) {
    RedisReply out{reply.type == REDIS_REPLY_ERROR, text_of(reply), {}};
    for (std::size_t i = 0; i < reply.elements; ++i)
        out.parts.push_back(text_of(*reply.element[i]));
    return out;
}

timeval timeval_of(base::Duration time) {
    return {.tv_sec = time.count() / 1000, .tv_usec = time.count() % 1000 * 1000};
}

}  // namespace

std::string RedisAddress::shown() const {
    return path.empty() ? fmt::format("{}:{}/{}", host, port, database) : path;
}

base::Result<RedisAddress> redis_address(const std::string& url) {
    RedisAddress address;
    std::string_view rest = url;
    if (rest.starts_with("rediss://"))
        return refuse(
            "rediss:// needs TLS, which is not supported here; use a local proxy that "
            "adds it, or a private network");
    if (rest.starts_with("unix://")) {
        address.path = rest.substr(std::strlen("unix://"));
        if (!address.path.starts_with('/')) return refuse("the socket's path must begin with /");
        return address;
    }
    if (!rest.starts_with("redis://")) return refuse("not a redis:// or unix:// URL");
    rest.remove_prefix(std::strlen("redis://"));
    if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
        if (auto read = read_login(rest.substr(0, at), address); !read)
            return std::unexpected(read.error());
        rest.remove_prefix(at + 1);
    }
    if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
        const std::string_view name = rest.substr(slash + 1);
        const auto database = name.empty() ? 0 : number(name, 65'535);
        if (!database) return refuse("the database is not a number");
        address.database = *database;
        rest = rest.substr(0, slash);
    }
    if (auto read = read_host(rest, address); !read) return std::unexpected(read.error());
    return address;
}

void Redis::Close::operator()(redisContext* context) const { redisFree(context); }

base::Error Redis::failure() const {
    const bool late = context_->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
    return {late ? base::ErrorKind::timed_out : base::ErrorKind::io,
            late ? "no answer in time" : context_->errstr};
}

base::Result<Redis> Redis::connect(const RedisAddress& address, base::Duration within) {
    const timeval wait = timeval_of(within);
    redisContext* context = address.path.empty()
                                ? redisConnectWithTimeout(address.host.c_str(), address.port, wait)
                                : redisConnectUnixWithTimeout(address.path.c_str(), wait);
    if (!context) return base::fail(base::ErrorKind::internal, "out of memory");
    Redis redis(context, within);
    if (context->err != 0) return base::fail(base::ErrorKind::connect, context->errstr);
    if (redisSetTimeout(context, wait) != REDIS_OK) return std::unexpected(redis.failure());
    if (auto entered = redis.enter(address); !entered) return std::unexpected(entered.error());
    return redis;
}

base::Result<void> Redis::enter(const RedisAddress& address) {
    std::vector<Command> commands;
    const std::string password(address.password.reveal());
    if (!address.user.empty())
        commands.push_back({"AUTH", address.user, password});
    else if (!password.empty())
        commands.push_back({"AUTH", password});
    if (address.database != 0) commands.push_back({"SELECT", std::to_string(address.database)});
    auto replies = pipeline(commands);
    if (!replies) return std::unexpected(replies.error());
    for (const RedisReply& reply : *replies)
        if (reply.error) return base::fail(base::ErrorKind::refused, reply.text);
    return {};
}

base::Result<std::vector<RedisReply>> Redis::pipeline(const std::vector<Command>& commands) {
    const base::Time deadline = base::Clock::now() + 2 * within_;
    for (const Command& command : commands) {
        std::vector<const char*> words;
        std::vector<std::size_t> sizes;
        for (const std::string& word : command) {
            words.push_back(word.data());
            sizes.push_back(word.size());
        }
        if (redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), words.data(),
                                   sizes.data()) != REDIS_OK)
            return std::unexpected(failure());
    }
    std::vector<RedisReply> replies;
    while (replies.size() < commands.size()) {
        void* raw = nullptr;
        if (redisGetReply(context_.get(), &raw) != REDIS_OK) return std::unexpected(failure());
        const std::unique_ptr<void, void (*)(void*)> reply(raw, freeReplyObject);
        if (base::Clock::now() > deadline)
            return base::fail(base::ErrorKind::timed_out, "no answer in time");
        replies.push_back(value_of(*static_cast<redisReply*>(raw)));
    }
    return replies;
}

}  // namespace store
