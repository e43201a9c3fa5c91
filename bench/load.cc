// A load generator for chat completions, one thread, keep-alive connections.
//
//   bench_load --port N [--path /v1/chat/completions] [--model bench] [--connections 1]
//              [--seconds 1] [--requests 0] [--rate 0] [--spread-ms 0] [--body-bytes 1024]
//              [--events 0] [--interval-us 0]
//
// Closed loop by default: each connection sends its next request when the last is answered. --rate
// is requests per second over all connections, on a fixed schedule. --requests bounds the requests
// of one connection, --seconds the time in which new ones are begun, --spread-ms the time over
// which the connections' first requests are spread. --events N asks for streams of N events,
// --interval-us apart. Prints one JSON object; exits 1 when nothing was answered.

#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

/// After --seconds, how long requests already begun may take before they count as failed.
constexpr std::chrono::seconds kGrace{20};

struct Options {
    std::string path = "/v1/chat/completions";
    std::string model = "bench";
    std::map<std::string_view, double> number = {
        {"--port", 0},          {"--connections", 1}, {"--seconds", 1},
        {"--requests", 0},      {"--rate", 0},        {"--spread-ms", 0},
        {"--body-bytes", 1024}, {"--events", 0},      {"--interval-us", 0}};

    double operator[](std::string_view name) const { return number.at(name); }
    bool streams() const { return number.at("--events") > 0; }
};

/// What was seen, over all connections. Times in microseconds.
struct Totals {
    Clock::time_point start, stop;
    std::size_t requests = 0, errors = 0, events = 0, complete_streams = 0, reconnects = 0;
    std::vector<float> latency, first_event, gap;
    std::string first_error;

    void fail(std::string_view why) {
        if (errors++ == 0) first_error = why;
    }
};

float microseconds(Clock::duration span) {
    return std::chrono::duration<float, std::micro>(span).count();
}

/// Counts the data lines of a server-sent event stream, in whatever pieces it comes.
class EventCounter {
public:
    std::size_t events = 0;
    bool done = false;    ///< [DONE], or the last event of Anthropic's, was seen
    bool failed = false;  ///< an error object was seen

    void feed(std::string_view piece) {
        while (!piece.empty()) {
            const auto end = piece.find('\n');
            head_.append(piece.substr(0, std::min(end, kLastEvent.size() - head_.size())));
            if (end == piece.npos) return;
            finish_line();
            piece.remove_prefix(end + 1);
        }
    }

private:
    static constexpr std::string_view kDone = "data: [DONE]";
    static constexpr std::string_view kLastEvent = "event: message_stop";
    static constexpr std::string_view kError = "data: {\"error\":";

    void finish_line() {
        if (head_.starts_with(kDone) || head_.starts_with(kLastEvent)) {
            done = true;
        } else if (head_.starts_with("data:")) {
            ++events;
            failed = failed || head_.starts_with(kError);
        }
        head_.clear();
    }

    std::string head_;  // of the current line, as much as is ever compared
};

/// Finds the end of an HTTP/1.1 body, chunked or of known length, and passes its content on.
class Body {
public:
    /// `head` is the response head in lower case.
    explicit Body(std::string_view head) {
        chunked_ = head.find("\r\ntransfer-encoding: chunked") != head.npos;
        const auto at = head.find(kLength);
        if (!chunked_ && at != head.npos)
            std::from_chars(head.data() + at + kLength.size(), head.data() + head.size(), left_);
        done = !chunked_ && left_ == 0;
    }

    bool done = false;

    void feed(std::string_view bytes, EventCounter& counter) {
        while (!bytes.empty() && !done) {
            if (left_ > 0) {
                const std::size_t size = std::min(left_, bytes.size());
                counter.feed(bytes.substr(0, size));
                bytes.remove_prefix(size);
                left_ -= size;
                done = !chunked_ && left_ == 0;
            } else {
                const auto end = bytes.find('\n');
                line_.append(bytes.substr(0, end));
                if (end == bytes.npos) return;
                bytes.remove_prefix(end + 1);
                finish_line();
            }
        }
    }

private:
    static constexpr std::string_view kLength = "\r\ncontent-length: ";

    /// A line between chunks: a size, the empty line after a chunk, or the empty line at the end.
    void finish_line() {
        const bool empty = line_.empty() || line_ == "\r";
        if (empty && last_) done = true;
        if (!empty && !last_) {
            std::from_chars(line_.data(), line_.data() + line_.size(), left_, 16);
            last_ = left_ == 0;
        }
        line_.clear();
    }

    bool chunked_ = false;
    bool last_ = false;
    std::size_t left_ = 0;
    std::string line_;
};

std::string make_request(const Options& options) {
    std::string prompt =
        "events=" + std::to_string(static_cast<long>(options["--events"])) +
        " interval_us=" + std::to_string(static_cast<long>(options["--interval-us"]));
    // Anthropic's Messages have the system's words in a member of their own.
    const std::string system = options.path.ends_with("/messages")
                                   ? "\",\"system\":\"You answer shortly.\",\"messages\":["
                                   : "\",\"messages\":[{\"role\":\"system\",\"content\":\"You "
                                     "answer shortly.\"},";
    const std::string open =
        "{\"model\":\"" + options.model + system + "{\"role\":\"user\",\"content\":\"";
    const std::string close =
        std::string("\"}],\"temperature\":0.7,\"max_tokens\":256,\"stream\":") +
        (options.streams() ? "true}" : "false}");
    while (static_cast<double>(open.size() + prompt.size() + close.size()) <
           options["--body-bytes"])
        prompt += " the quick brown fox";
    const std::string body = open + prompt + close;
    return "POST " + options.path +
           " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: */*\r\n"
           "Authorization: Bearer none\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// One keep-alive connection, opened again when the server closes it.
class Connection {
public:
    Connection(const Options& options, const std::string& request, Totals& totals,
               asio::io_context& io)
        : options_(options), request_(request), totals_(totals), socket_(io) {}

    /// Sends one request and reads its answer to the end. `begin` is when it was due.
    awaitable<void> exchange(Clock::time_point begin) {
        if (!socket_.is_open() && !co_await open()) co_return;
        auto [error, size] = co_await asio::async_write(socket_, asio::buffer(request_), kToken);
        if (error) co_return fail("write: " + error.message());

        std::string head;
        std::size_t body_at = std::string::npos;
        while (body_at == std::string::npos) {
            std::tie(error, size) = co_await socket_.async_read_some(asio::buffer(buffer_), kToken);
            if (error) co_return fail("head: " + error.message());
            head.append(buffer_.data(), size);
            body_at = head.find("\r\n\r\n");
        }
        const std::string first_bytes = head.substr(body_at + 4);
        head.resize(body_at + 2);
        const bool ok = head.compare(8, 5, " 200 ") == 0;
        const std::string status = head.substr(0, head.find("\r\n"));
        for (char& c : head) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);

        if (!co_await read_body(Body(head), first_bytes, begin)) co_return;
        if (!ok) totals_.fail(status);
        totals_.latency.push_back(microseconds(Clock::now() - begin));
        ++totals_.requests;
        if (head.find("\r\nconnection: close") != head.npos) close();
    }

    void close() {
        boost::system::error_code ignored;
        socket_.close(ignored);
    }

private:
    awaitable<bool> open() {
        const tcp::endpoint server(asio::ip::address_v4::loopback(),
                                   static_cast<unsigned short>(options_["--port"]));
        auto [error] = co_await socket_.async_connect(server, kToken);
        if (error) fail("connect: " + error.message());
        if (!error) socket_.set_option(tcp::no_delay(true));
        if (opened_++) ++totals_.reconnects;
        co_return !error;
    }

    /// False when the connection broke before the end of the body.
    awaitable<bool> read_body(Body body, std::string first_bytes, Clock::time_point begin) {
        EventCounter counter;
        Clock::time_point last = begin;
        body.feed(first_bytes, counter);
        note_events(counter, 0, begin, last);
        while (!body.done) {
            auto [error, size] = co_await socket_.async_read_some(asio::buffer(buffer_), kToken);
            if (error) {
                fail("body: " + error.message());
                co_return false;
            }
            const std::size_t before = counter.events;
            body.feed({buffer_.data(), size}, counter);
            note_events(counter, before, begin, last);
        }
        totals_.events += counter.events;
        // Anthropic's streams have events around the pieces of text.
        const bool framed = options_.path.ends_with("/messages");
        const auto events = static_cast<double>(counter.events);
        const bool all = framed ? events > options_["--events"] : events == options_["--events"];
        const bool complete = counter.done && !counter.failed && all;
        if (options_.streams() && !complete) totals_.fail("stream incomplete");
        totals_.complete_streams += complete;
        co_return true;
    }

    /// Keeps the times of arrivals that brought events: of the first, and between two.
    void note_events(const EventCounter& counter, std::size_t before, Clock::time_point begin,
                     Clock::time_point& last) {
        if (!options_.streams() || counter.events == before) return;
        const auto now = Clock::now();
        (before == 0 ? totals_.first_event : totals_.gap)
            .push_back(microseconds(now - (before == 0 ? begin : last)));
        last = now;
    }

    void fail(const std::string& why) {
        totals_.fail(why);
        close();
    }

    const Options& options_;
    const std::string& request_;
    Totals& totals_;
    tcp::socket socket_;
    std::array<char, 65536> buffer_;
    int opened_ = 0;
};

/// The requests of one connection. A request that was held up by the one before it is timed from
/// when it was due, so that a slow answer is not hidden by sending less.
awaitable<void> drive(const Options& options, Totals& totals, Connection& connection,
                      double share) {
    using std::chrono::duration;
    const auto to_clock = [](double seconds) {
        return std::chrono::duration_cast<Clock::duration>(duration<double>(seconds));
    };
    const bool fixed_rate = options["--rate"] > 0;
    const auto step = to_clock(fixed_rate ? options["--connections"] / options["--rate"] : 0);
    const auto spread = fixed_rate ? step : to_clock(options["--spread-ms"] / 1000);
    auto due = totals.start + std::chrono::duration_cast<Clock::duration>(spread * share);
    asio::steady_timer timer(co_await asio::this_coro::executor);

    const auto most = static_cast<std::size_t>(options["--requests"]);
    for (std::size_t n = 0; most == 0 || n < most; ++n) {
        const auto now = Clock::now();
        if (std::max(now, due) >= totals.stop) break;
        if (due > now) {
            timer.expires_at(due);
            co_await timer.async_wait(kToken);
        }
        co_await connection.exchange(fixed_rate && now > due ? due : Clock::now());
        due += step;
    }
    connection.close();
}

void print_quantiles(const char* name, std::vector<float>& values) {
    std::ranges::sort(values);
    const auto at = [&](double q) {
        if (values.empty()) return 0.0;
        return static_cast<double>(
            values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))]);
    };
    std::printf(",\"%s\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name, at(0.5),
                at(0.9), at(0.99), at(1));
}

void print(Totals& totals, double seconds) {
    std::erase_if(totals.first_error, [](char c) { return c == '"' || c == '\\' || c < ' '; });
    std::printf(
        "{\"seconds\":%.4f,\"requests\":%zu,\"errors\":%zu,\"first_error\":\"%s\",\"reconnects\":%"
        "zu",
        seconds, totals.requests, totals.errors, totals.first_error.c_str(), totals.reconnects);
    std::printf(
        ",\"requests_per_s\":%.1f,\"events\":%zu,\"events_per_s\":%.1f,\"complete_streams\":%zu",
        static_cast<double>(totals.requests) / seconds, totals.events,
        static_cast<double>(totals.events) / seconds, totals.complete_streams);
    print_quantiles("latency_us", totals.latency);
    print_quantiles("first_event_us", totals.first_event);
    print_quantiles("gap_us", totals.gap);
    std::printf("}\n");
}

bool parse(int argc, char** argv, Options& options) {
    for (int n = 1; n < argc; n += 2) {
        const std::string_view name = argv[n];
        if (n + 1 == argc) return false;
        const std::string_view value = argv[n + 1];
        if (name == "--path") {
            options.path = value;
        } else if (name == "--model") {
            options.model = value;
        } else {
            const auto known = options.number.find(name);
            if (known == options.number.end()) return false;
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), known->second);
            if (error != std::errc() || end != value.data() + value.size() || known->second < 0)
                return false;
        }
    }
    return options["--port"] >= 1 && options["--port"] < 65536 && options["--connections"] >= 1;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse(argc, argv, options)) {
        std::fprintf(
            stderr,
            "usage: bench_load --port N [--OPTION VALUE]...; options are listed in load.cc\n");
        return 2;
    }
    const std::string request = make_request(options);
    const auto connections = static_cast<std::size_t>(options["--connections"]);
    asio::io_context io(1);
    Totals totals;
    totals.start = Clock::now();
    totals.stop =
        totals.start + std::chrono::milliseconds(static_cast<long>(options["--seconds"] * 1000));

    std::list<Connection> all;
    for (std::size_t n = 0; n < connections; ++n) {
        Connection& connection = all.emplace_back(options, request, totals, io);
        const double share = static_cast<double>(n) / static_cast<double>(connections);
        asio::co_spawn(io, drive(options, totals, connection, share), asio::detached);
    }
    io.run_until(totals.stop + kGrace);
    if (!io.stopped()) totals.fail("requests unanswered at the end");
    print(totals, std::chrono::duration<double>(Clock::now() - totals.start).count());
    std::fflush(stdout);
    return totals.requests > 0 ? 0 : 1;
}
