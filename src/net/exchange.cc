#include "net/http_server.h"

#include "net/grow.h"

#include <fmt/compile.h>

#include <algorithm>

namespace net {

using base::ErrorKind;
using base::fail;
using base::Result;

namespace {
/// One read of a body that comes in chunks or is taken in pieces.
constexpr std::size_t kFillSize = 64u << 10;
/// A body's announced length is believed only as far as bytes have come.
constexpr std::size_t kFirstBody = 256u << 10;
/// One read of a large body: other connections have their turn after it.
constexpr std::size_t kMaxRead = 256u << 10;

}  // namespace

Task<Result<std::size_t>> Exchange::fill(base::Time deadline) {
    const std::size_t had = buffer_.size();
    grow(buffer_, had + kFillSize);
    const base::Time stall = base::Clock::now() + settings_.body_stall;
    auto got = co_await stream_.read_some(asio::buffer(buffer_.data() + had, kFillSize),
                                          std::min(deadline, stall));
    buffer_.resize(had + got.value_or(0));
    co_return got;
}

/// What stands before the first byte of a body. Until it is here to its end, the connection is
/// not fit for another request.
Task<Result<void>> Exchange::begin_body(std::uint64_t limit) {
    body_read_ = true;
    keep_after_body_ = keep_alive_;
    keep_alive_ = false;
    if (head.framing == Framing::length && head.content_length > limit)
        co_return fail(ErrorKind::too_large,
                       fmt::format("the body is larger than {} bytes", limit));
    if (head.expect_continue && !head.http10 && buffer_.empty() &&
        !co_await send({"HTTP/1.1 100 Continue\r\n\r\n", {}, {}}))
        co_return fail(ErrorKind::reset, "the client left");
    co_return Result<void>();
}

Task<Result<std::string>> Exchange::read_body(std::size_t limit) {
    body_read_ = true;
    if (head.framing == Framing::none) co_return std::string();
    if (auto begun = co_await begin_body(limit); !begun) co_return std::unexpected(begun.error());
    const base::Time deadline = base::Clock::now() + settings_.body_time;
    auto body = head.framing == Framing::length ? co_await read_sized(limit, deadline)
                                                : co_await read_chunked(limit, deadline);
    keep_alive_ = keep_after_body_ && body.has_value();
    co_return body;
}

/// Payload at the start of buffer_, decoded in place; what it is framed with is taken out.
Result<std::size_t> Exchange::decode_piece(std::uint64_t limit) {
    std::size_t payload = 0;
    if (head.framing == Framing::length) {
        const std::uint64_t left = head.content_length - body_came_;
        payload = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer_.size()));
        body_ended_ = payload == left;
    } else {
        std::size_t used = 0;
        auto decoded = chunks_.decode(buffer_.data(), buffer_.size(), used);
        if (!decoded) return std::unexpected(decoded.error());
        payload = *decoded;
        buffer_.erase(payload, used - payload);
        body_ended_ = chunks_.done();
    }
    if (body_came_ + payload > limit)
        return fail(ErrorKind::too_large, fmt::format("the body is larger than {} bytes", limit));
    return payload;
}

Task<Result<std::string_view>> Exchange::read_some(std::uint64_t limit) {
    if (!body_read_) {
        body_begun_ = base::Clock::now();
        body_ended_ = head.framing == Framing::none;
        if (auto begun = co_await begin_body(limit); !begun)
            co_return std::unexpected(begun.error());
    }
    buffer_.erase(0, std::exchange(piece_, 0));
    while (!body_ended_) {
        auto payload = decode_piece(limit);
        if (!payload) co_return std::unexpected(payload.error());
        piece_ = *payload;
        body_came_ += *payload;
        if (piece_ > 0) co_return std::string_view(buffer_).substr(0, piece_);
        if (body_ended_) break;
        const auto earned =
            std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(
                static_cast<double>(body_came_) / static_cast<double>(settings_.slowest_body)));
        if (auto got = co_await fill(body_begun_ + settings_.body_time + earned); !got)
            co_return std::unexpected(got.error());
    }
    keep_alive_ = keep_after_body_;
    co_return std::string_view();
}

Task<Result<std::string>> Exchange::read_sized(std::size_t, base::Time deadline) {
    const auto length = static_cast<std::size_t>(head.content_length);
    std::string body;
    const std::size_t had = std::min(length, buffer_.size());
    body.assign(buffer_, 0, had);
    buffer_.erase(0, had);
    grow(body, std::min(length, kFirstBody));
    for (std::size_t at = had; at < length;) {
        if (at == body.size()) grow(body, std::min(length, 2 * at));
        const base::Time stall = base::Clock::now() + settings_.body_stall;
        auto got = co_await stream_.read_some(
            asio::buffer(body.data() + at, std::min(body.size() - at, kMaxRead)),
            std::min(deadline, stall));
        if (!got) co_return std::unexpected(got.error());
        at += *got;
    }
    co_return std::move(body);
}

Task<Result<std::string>> Exchange::read_chunked(std::size_t limit, base::Time deadline) {
    ChunkDecoder decoder;
    std::string body;
    for (;;) {
        std::size_t used = 0;
        auto payload = decoder.decode(buffer_.data(), buffer_.size(), used);
        if (!payload) co_return std::unexpected(payload.error());
        if (body.size() + *payload > limit)
            co_return fail(ErrorKind::too_large,
                           fmt::format("the body is larger than {} bytes", limit));
        body.append(buffer_, 0, *payload);
        buffer_.erase(0, used);
        if (decoder.done()) co_return std::move(body);
        if (auto got = co_await fill(deadline); !got) co_return std::unexpected(got.error());
    }
}

std::string Exchange::peer() const {
    error_code error;
    const Tcp::endpoint end = stream_.socket().remote_endpoint(error);
    return error ? std::string() : end.address().to_string();
}

Task<bool> Exchange::send(std::array<std::string_view, 3> pieces) {
    if (gone_) co_return false;
    auto written = co_await stream_.write(pieces, base::Clock::now() + settings_.write_stall);
    if (!written) gone_ = true;
    co_return !gone_;
}

std::string Exchange::status_and_headers(int status, std::span<const Header> headers,
                                         std::string_view content_type) const {
    std::string out;
    out.reserve(512);
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("HTTP/1.1 {} {}\r\n"), status,
                   reason_phrase(status));
    if (!content_type.empty()) append_header(out, "Content-Type", content_type);
    for (const Header& header : headers) append_header(out, header.name, header.value);
    if (!keep_alive_ || !head.keep_alive || draining_)
        out += "Connection: close\r\n";
    else if (head.http10)
        out += "Connection: keep-alive\r\n";
    return out;
}

Task<bool> Exchange::respond(int status, std::span<const Header> headers,
                             std::string_view content_type, std::string_view body) {
    answered_ = true;
    status_ = status;
    if (!body_read_ && head.framing != Framing::none) keep_alive_ = false;
    std::string out = status_and_headers(status, headers, content_type);
    if (status != 204)
        fmt::format_to(std::back_inserter(out), FMT_COMPILE("Content-Length: {}\r\n"), body.size());
    out += "\r\n";
    co_return co_await send({out, head.method == "HEAD" ? std::string_view() : body, {}});
}

Task<bool> Exchange::begin_stream(int status, std::span<const Header> headers,
                                  std::string_view content_type) {
    answered_ = true;
    streaming_ = true;
    status_ = status;
    if (head.http10) keep_alive_ = false;
    std::string out = status_and_headers(status, headers, content_type);
    if (!head.http10) out += "Transfer-Encoding: chunked\r\n";
    out += "\r\n";
    co_return co_await send({out, {}, {}});
}

Task<bool> Exchange::write(std::string_view bytes) {
    if (bytes.empty()) co_return !gone_;
    if (head.http10) co_return co_await send({bytes, {}, {}});
    std::array<char, 20> size{};
    const auto end = fmt::format_to(size.data(), FMT_COMPILE("{:x}\r\n"), bytes.size());
    co_return co_await send({std::string_view(size.data(), end), bytes, "\r\n"});
}

Task<bool> Exchange::end_stream() {
    streaming_ = false;
    if (head.http10) co_return !gone_;
    co_return co_await send({"0\r\n\r\n", {}, {}});
}

}  // namespace net
