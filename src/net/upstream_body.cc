#include "net/aside.h"
#include "net/upstream.h"

#include <unistd.h>

#include <algorithm>

namespace net {

using base::ErrorKind;
using base::fail;
using base::Result;

namespace {

/// How much of a file is in memory while it is sent.
constexpr std::size_t kPieceSize = 256u << 10;
/// While a body in pieces goes out, an answer that comes early is looked for this often.
constexpr base::Duration kLookEvery{50};
/// Who closes before the whole body is there has said why by then, if at all.
constexpr base::Duration kEarlyAnswer{2'000};
const std::string kAnsweredEarly = "the upstream did not take the whole body";

/// The bytes of `piece` from `at` on: all of them, or what fits into `buffer`.
Result<std::string_view> piece_at(const BodyPiece& piece, std::uint64_t at, std::string& buffer) {
    if (piece.file < 0) return piece.bytes.substr(at);
    buffer.resize(kPieceSize);
    const auto want =
        static_cast<std::size_t>(std::min<std::uint64_t>(kPieceSize, piece.size - at));
    const ssize_t got = ::pread(piece.file, buffer.data(), want, static_cast<off_t>(at));
    if (got <= 0) return fail(ErrorKind::io, "the body can't be read from its file");
    return std::string_view(buffer).substr(0, static_cast<std::size_t>(got));
}

}  // namespace

/// Writes the pieces, each within `patience` of the one before. Returns until when the head may
/// come. `reset` where the upstream closed, or answered before it had all: there may be an answer
/// to read.
Task<Result<base::Time>> UpstreamClient::write_pieces(Stream& stream,
                                                      std::span<const BodyPiece> pieces,
                                                      base::Duration patience, base::Time most) {
    bool early = false;
    Deadlines::Alarm* look = nullptr;
    Deadlines::Alarm alarm(deadlines_, [&] {
        early = early || stream.answers_early();
        if (early) stream.stop_writing();
        look->set(base::Clock::now() + kLookEvery);
    });
    look = &alarm;
    alarm.set(base::Clock::now() + kLookEvery);
    const auto by = [&] { return std::min(most, base::Clock::now() + patience); };
    std::string buffer;
    for (const BodyPiece& piece : pieces) {
        for (std::uint64_t at = 0; at < piece.length();) {
            const auto read = [&] { return piece_at(piece, at, buffer); };
            auto bytes = piece.file < 0 ? read() : co_await aside(executor_, Beside::disk, read);
            if (!bytes) co_return std::unexpected(bytes.error());
            if (early) co_return fail(ErrorKind::reset, kAnsweredEarly);
            auto written = co_await stream.write({*bytes, {}, {}}, by());
            if (!written && early) co_return fail(ErrorKind::reset, kAnsweredEarly);
            if (!written) co_return std::unexpected(written.error());
            at += bytes->size();
        }
    }
    co_return by();
}

/// Writes the pieces and reads the head of the answer, which may come before all are written.
Task<Result<void>> UpstreamClient::send_pieces(UpstreamReply& reply, const UpstreamRequest& request,
                                               base::Time head_by) {
    const base::Time now = base::Clock::now();
    const auto by = co_await write_pieces(*reply.stream_, request.pieces,
                                          std::chrono::ceil<base::Duration>(head_by - now),
                                          std::max(head_by, request.head_by_most));
    if (by) co_return co_await reply.read_head(*by);
    if (by.error().kind != ErrorKind::reset) co_return std::unexpected(by.error());
    auto read = co_await reply.read_head(std::min(head_by, base::Clock::now() + kEarlyAnswer));
    if (!read) co_return std::unexpected(by.error());
    reply.head_.keep_alive = false;  // the rest of our body never left
    co_return read;
}

}  // namespace net
