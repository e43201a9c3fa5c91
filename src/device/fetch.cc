#include "device/fetch.h"

#include "device/partial_file.h"
#include "device/source_note.h"
#include "device/url.h"
#include "net/upstream.h"
#include "net/worker.h"

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <condition_variable>
#include <filesystem>
#include <mutex>

namespace device {

using base::Error;
using base::ErrorKind;
using base::Result;

namespace {

namespace fs = std::filesystem;

constexpr int kMaxRedirects = 5;
constexpr base::Duration kConnectTime{15'000};
constexpr base::Duration kStall{30'000};
constexpr base::Duration kProgressStep{100};
constexpr base::Duration kFirstPause{200};
constexpr base::Duration kMaxPause{5'000};

/// `bytes 10-99/100`, `bytes */100`. A missing part is nullopt.
struct ContentRange {
    std::optional<std::uint64_t> first;
    std::optional<std::uint64_t> total;
};

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                    : std::nullopt;
}

ContentRange content_range(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (!text.starts_with("bytes ") || slash == std::string_view::npos) return {};
    const std::string_view range = text.substr(6, slash - 6);
    return {number(range.substr(0, range.find('-'))), number(text.substr(slash + 1))};
}

/// What identifies a version of a file to If-Range: a strong ETag, else the date.
std::string_view validator(const net::Headers& headers) {
    const std::string_view tag = headers.get("etag");
    return tag.starts_with('"') ? tag : headers.get("last-modified");
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

/// A page to sign in at, or to say that there is nothing, comes with status 200 as well.
bool is_stray_page(const net::ResponseHead& head, std::string_view url) {
    const std::string name = lower(name_in(url));
    return lower(head.headers.get("content-type")).starts_with("text/html") &&
           !name.ends_with(".html") && !name.ends_with(".htm");
}

bool is_sha256(std::string_view text) {
    constexpr std::size_t kDigits = 64;
    return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

/// One connection's end: whole, or worth another connection, or an error for good.
struct Outcome {
    enum class Kind { whole, broken, failed } kind = Kind::whole;
    Error error{};
};

Outcome broken(Error error) { return {Outcome::Kind::broken, std::move(error)}; }
Outcome failed(Error error) { return {Outcome::Kind::failed, std::move(error)}; }

/// The connections of one fetch(). The loop it runs on is its own.
class Download {
public:
    Download(const FetchRequest& request, Url url, PartialFile& file, net::UpstreamClient& client,
             const std::function<void(FetchProgress)>& progress)
        : request_(request),
          url_(std::move(url)),
          file_(file),
          client_(client),
          progress_(progress) {}

    net::Task<Outcome> connect_once();
    /// Ends the connection under way, and every later one at once.
    void stop() { abort_.abort(); }
    bool stopped() const { return abort_.aborted(); }

private:
    std::string headers() const;
    net::Task<Outcome> receive(net::UpstreamReply& reply);
    net::Task<Outcome> receive_body(net::UpstreamReply& reply);
    Outcome range_refused(const net::ResponseHead& head);
    void report(bool always);

    const FetchRequest& request_;
    const Url url_;
    PartialFile& file_;
    net::UpstreamClient& client_;
    const std::function<void(FetchProgress)>& progress_;
    std::optional<std::uint64_t> total_;
    base::Time reported_;
    net::AbortHandle abort_;
};

/// Only what can be told from another version is resumed: by its validator or by the checksum.
std::string Download::headers() const {
    std::string lines = "User-Agent: freeway\r\nAccept: */*\r\nConnection: close\r\n";
    if (file_.size() == 0 || (file_.validator().empty() && request_.sha256.empty())) return lines;
    lines += fmt::format("Range: bytes={}-\r\n", file_.size());
    if (!file_.validator().empty()) net::append_header(lines, "If-Range", file_.validator());
    return lines;
}

net::Task<Outcome> Download::connect_once() {
    if (stopped()) co_return failed({ErrorKind::gone, "it was stopped"});
    Url url = url_;
    for (int hop = 0; hop <= kMaxRedirects; ++hop) {
        const std::string lines = headers();
        const net::Origin origin(url.endpoint);
        const net::UpstreamRequest get{origin, "GET", url.target, lines, {}};
        const base::Time now = base::Clock::now();
        auto reply = co_await client_.send(get, now + kConnectTime, now + kStall, abort_);
        if (!reply && reply.error().kind == ErrorKind::tls) co_return failed(reply.error());
        if (!reply) co_return broken(reply.error());
        const net::ResponseHead& head = (*reply)->head();
        const std::string_view location = head.headers.get("location");
        if (head.status < 301 || head.status > 308 || location.empty())
            co_return co_await receive(**reply);
        auto next = follow(url, location);
        if (!next) co_return failed({ErrorKind::refused, "redirect: " + next.error().detail});
        if (url.endpoint.tls && !next->endpoint.tls)
            co_return failed({ErrorKind::refused, "the server redirects from https to http"});
        url = std::move(*next);
    }
    co_return failed({ErrorKind::refused, fmt::format("more than {} redirects", kMaxRedirects)});
}

net::Task<Outcome> Download::receive(net::UpstreamReply& reply) {
    const net::ResponseHead& head = reply.head();
    const Error status{ErrorKind::refused,
                       fmt::format("the server answered with status {}", head.status)};
    if (head.status == 416) co_return range_refused(head);
    if (head.status == 408 || head.status == 429 || head.status >= 500) co_return broken(status);
    if (head.status != 200 && head.status != 206) co_return failed(status);
    if (request_.sha256.empty() && is_stray_page(head, request_.url))
        co_return failed({ErrorKind::refused,
                          "the server sent a web page (text/html) and not the file: correct the "
                          "URL, or fetch it by hand if one has to sign in there"});
    if (head.status == 206) {
        const ContentRange range = content_range(head.headers.get("content-range"));
        if (range.first != file_.size()) {
            if (auto emptied = file_.restart({}); !emptied) co_return failed(emptied.error());
            co_return broken(
                {ErrorKind::protocol, "the server sent another range than the one asked for"});
        }
        total_ = range.total;
    } else {
        total_.reset();
        if (head.framing != net::Framing::chunked && head.framing != net::Framing::until_close)
            total_ = head.content_length;
        if (auto emptied = file_.restart(validator(head.headers)); !emptied)
            co_return failed(emptied.error());
    }
    if (total_)
        if (auto room = file_.expect_room(*total_ - std::min(*total_, file_.size())); !room)
            co_return failed(room.error());
    co_return co_await receive_body(reply);
}

/// Range Not Satisfiable: the part is whole already, or of another version.
Outcome Download::range_refused(const net::ResponseHead& head) {
    const ContentRange range = content_range(head.headers.get("content-range"));
    if (file_.size() > 0 && range.total == file_.size()) return {};
    if (auto emptied = file_.restart({}); !emptied) return failed(emptied.error());
    return broken({ErrorKind::refused, "the server refused to resume"});
}

net::Task<Outcome> Download::receive_body(net::UpstreamReply& reply) {
    report(true);
    for (;;) {
        auto bytes = co_await reply.next(base::Clock::now() + kStall);
        if (!bytes) co_return broken(bytes.error());
        if (bytes->empty()) break;
        if (auto written = file_.append(*bytes); !written) co_return failed(written.error());
        report(false);
    }
    report(true);
    if (total_ && file_.size() != *total_)
        co_return broken(
            {ErrorKind::reset, fmt::format("{} of {} bytes came", file_.size(), *total_)});
    if (file_.size() == 0)
        co_return failed({ErrorKind::refused, "the server sent an empty file: correct the URL"});
    co_return Outcome{};
}

void Download::report(bool always) {
    const base::Time now = base::Clock::now();
    if (!progress_ || (!always && now - reported_ < kProgressStep)) return;
    reported_ = now;
    progress_({file_.size(), total_});
}

Outcome run(net::Worker& worker, Download& download) {
    Outcome outcome;
    std::exception_ptr bug;
    net::asio::co_spawn(worker.loop.get_executor(), download.connect_once(),
                        [&](const std::exception_ptr& thrown, Outcome result) {
                            bug = thrown;
                            outcome = std::move(result);
                            worker.loop.stop();
                        });
    worker.loop.restart();
    worker.loop.run();
    if (bug) std::rethrow_exception(bug);
    return outcome;
}

void pause_for(base::Duration pause, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, pause, [] { return false; });
}

bool already_there(const FetchRequest& request) {
    if (request.replace) return false;
    std::error_code ignored;
    if (!fs::is_regular_file(request.destination, ignored)) return false;
    return request.sha256.empty() ||
           file_sha256(request.destination, request.stop) == request.sha256;
}

Result<void> seal(const FetchRequest& request, PartialFile& file) {
    if (request.sha256.empty() || file.sha256() == request.sha256) return file.finish();
    file.remove();
    return base::fail(ErrorKind::refused, fmt::format("wrong checksum: expected {}, got {}",
                                                      request.sha256, file.sha256()));
}

}  // namespace

Result<void> fetch(const FetchRequest& asked, const std::function<void(FetchProgress)>& progress) {
    FetchRequest request = asked;
    if (request.sha256.empty()) request.sha256 = stated_sha256(request.url);
    if (!request.sha256.empty() && !is_sha256(request.sha256))
        return base::fail(ErrorKind::bad_input,
                          fmt::format("the checksum `{}` is not 64 hexadecimal digits",
                                      request.sha256.substr(0, 80)));
    auto url = parse_url(request.url);
    if (!url) return std::unexpected(url.error());
    if (already_there(request)) return {};
    if (request.stop.stop_requested()) return base::fail(ErrorKind::gone, "it was stopped");
    net::ClientTls tls;
    auto proxy = net::ProxySettings::from_environment();
    if (!proxy) return std::unexpected(proxy.error());
    auto file = PartialFile::open(request.destination, url_id(request.url), request.stop);
    if (!file) return std::unexpected(file.error());

    net::Worker worker;
    const net::UpstreamSettings settings{.proxy = *proxy};
    net::UpstreamClient client(worker.loop.get_executor(), worker.deadlines, settings, tls);
    Download download(request, *url, **file, client, progress);
    const std::stop_callback on_stop(
        request.stop, [&] { net::asio::post(worker.loop, [&download] { download.stop(); }); });
    base::Duration pause = kFirstPause;
    for (int left = std::max(1, request.tries);; pause = std::min(pause * 2, kMaxPause)) {
        const Outcome outcome = run(worker, download);
        if (outcome.kind == Outcome::Kind::whole) return seal(request, **file);
        if (request.stop.stop_requested()) return base::fail(ErrorKind::gone, "it was stopped");
        if (outcome.kind == Outcome::Kind::failed || --left == 0)
            return std::unexpected(outcome.error);
        pause_for(pause, request.stop);
    }
}

std::string stated_sha256(std::string_view url) {
    constexpr std::string_view kMark = "#sha256=";
    const std::size_t at = url.find(kMark);
    if (at == url.npos) return "";
    return lower(url.substr(at + kMark.size()));
}

}  // namespace device
