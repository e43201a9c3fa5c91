// A chat completion server that costs almost nothing, to stand behind a proxy under measurement.
//
//   bench_upstream [--port N] [--answer-bytes N]
//
// Prints "listening on http://127.0.0.1:PORT" and answers every POST .../chat/completions:
//   - a plain JSON completion with usage, of about --answer-bytes of text;
//   - when the body holds "stream":true, N server-sent events, each its own HTTP chunk and its own
//     write, then [DONE]. The prompt says how many and how fast: "events=200 interval_us=50000"
//     (interval 0: as fast as the socket takes them);
//   - when the body names the model "refuse", 429 with Retry-After, for chains.
// One thread, keep-alive; requests must carry Content-Length.

#include <algorithm>
#include <boost/asio.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

/// The bytes that are sent, made once at start.
struct Answers {
    std::string plain, stream_head, event, last_event, refusal, not_found, length_required;
};

struct Request {
    bool is_chat = false;
    std::optional<std::size_t> content_length;
    std::string body;
};

std::string response(std::string_view status, std::string_view extra, std::string_view body) {
    return "HTTP/1.1 " + std::string(status) + "\r\nContent-Type: application/json\r\n" +
           std::string(extra) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
}

std::string chunk(std::string_view data) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    return size + std::string(data) + "\r\n";
}

std::string event(std::string_view delta, std::string_view finish, std::string_view usage) {
    return "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","
           "\"created\":1700000000,\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":" +
           std::string(delta) + ",\"finish_reason\":" + std::string(finish) + "}]" +
           std::string(usage) + "}\n\n";
}

Answers make_answers(std::size_t answer_bytes) {
    const std::string usage =
        ",\"usage\":{\"prompt_tokens\":200,\"completion_tokens\":100,\"total_tokens\":300}";
    std::string text;
    while (text.size() < answer_bytes) text += "all work and no play ";
    Answers answers;
    answers.plain = response(
        "200 OK", "",
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,"
        "\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"" +
            text + "\"},\"finish_reason\":\"stop\"}]" + usage + "}");
    answers.stream_head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
    answers.event = chunk(event("{\"role\":\"assistant\",\"content\":\" word\"}", "null", ""));
    answers.last_event =
        chunk(event("{}", "\"stop\"", usage)) + chunk("data: [DONE]\n\n") + "0\r\n\r\n";
    answers.refusal =
        response("429 Too Many Requests", "Retry-After: 600\r\n",
                 "{\"error\":{\"message\":\"rate limit reached\",\"type\":\"rate_limit_error\","
                 "\"param\":null,\"code\":\"rate_limit_exceeded\"}}");
    answers.not_found = response("404 Not Found", "", "{\"error\":{\"message\":\"no such path\"}}");
    answers.length_required = response("411 Length Required", "Connection: close\r\n", "{}");
    return answers;
}

/// The number after `name` in `text`, or nothing.
std::optional<std::size_t> number_after(std::string_view text, std::string_view name) {
    const auto at = text.find(name);
    if (at == text.npos) return std::nullopt;
    text.remove_prefix(at + name.size());
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    return number;
}

Request parse_head(std::string head) {
    std::ranges::transform(head, head.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    });
    Request request;
    const std::string_view line(head.data(), head.find("\r\n"));
    const bool is_post = line.starts_with("post ");
    request.is_chat = is_post && line.find("/chat/completions ") != line.npos;
    request.content_length = number_after(head, "\r\ncontent-length:");
    if (!is_post && !request.content_length) request.content_length = 0;
    return request;
}

bool wants_stream(std::string_view body) {
    return body.find("\"stream\":true") != body.npos || body.find("\"stream\": true") != body.npos;
}

/// Sends the events that the prompt asks for; false when the reader has gone.
awaitable<bool> send_stream(tcp::socket& socket, const Answers& answers, const Request& request) {
    const std::size_t events =
        std::max<std::size_t>(1, number_after(request.body, "events=").value_or(200));
    const std::chrono::microseconds interval(
        number_after(request.body, "interval_us=").value_or(0));
    asio::steady_timer timer(socket.get_executor());
    const auto start = Clock::now();

    auto [error, size] =
        co_await asio::async_write(socket, asio::buffer(answers.stream_head), kToken);
    for (std::size_t n = 0; n < events && !error; ++n) {
        if (interval.count() > 0) {
            timer.expires_at(start + interval * n);
            co_await timer.async_wait(kToken);
        }
        const std::string& bytes = n + 1 < events ? answers.event : answers.last_event;
        std::tie(error, size) = co_await asio::async_write(socket, asio::buffer(bytes), kToken);
    }
    co_return !error;
}

awaitable<void> serve(tcp::socket socket, const Answers& answers) {
    socket.set_option(tcp::no_delay(true));
    std::string buffer;
    for (;;) {
        auto [head_error, head_size] = co_await asio::async_read_until(
            socket, asio::dynamic_buffer(buffer), "\r\n\r\n", kToken);
        if (head_error) co_return;
        Request request = parse_head(buffer.substr(0, head_size));
        buffer.erase(0, head_size);

        const std::size_t length = request.content_length.value_or(0);
        if (buffer.size() < length) {
            auto [error, size] =
                co_await asio::async_read(socket, asio::dynamic_buffer(buffer),
                                          asio::transfer_exactly(length - buffer.size()), kToken);
            if (error) co_return;
        }
        request.body = buffer.substr(0, length);
        buffer.erase(0, length);

        const bool refused = request.body.find("\"refuse\"") != std::string::npos;
        if (request.is_chat && !refused && wants_stream(request.body)) {
            if (!co_await send_stream(socket, answers, request)) co_return;
            continue;
        }
        const std::string& answer = !request.content_length ? answers.length_required
                                    : !request.is_chat      ? answers.not_found
                                    : refused               ? answers.refusal
                                                            : answers.plain;
        auto [error, size] = co_await asio::async_write(socket, asio::buffer(answer), kToken);
        if (error || !request.content_length) co_return;
    }
}

awaitable<void> accept_all(tcp::acceptor& acceptor, const Answers& answers) {
    for (;;) {
        auto [error, socket] = co_await acceptor.async_accept(kToken);
        if (!error)
            asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), answers),
                           asio::detached);
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t port = 0;
    std::size_t answer_bytes = 400;
    for (int n = 1; n < argc; n += 2) {
        const std::string_view name = argv[n];
        const auto value = n + 1 < argc ? number_after(argv[n + 1], "") : std::nullopt;
        if (value && name == "--port" && *value < 65536) {
            port = *value;
        } else if (value && name == "--answer-bytes") {
            answer_bytes = *value;
        } else {
            std::fprintf(stderr, "usage: bench_upstream [--port N] [--answer-bytes N]\n");
            return 2;
        }
    }
    const Answers answers = make_answers(answer_bytes);
    asio::io_context io(1);
    tcp::acceptor acceptor(io,
                           {asio::ip::address_v4::loopback(), static_cast<unsigned short>(port)});
    std::printf("listening on http://127.0.0.1:%d\n", acceptor.local_endpoint().port());
    std::fflush(stdout);
    asio::co_spawn(io, accept_all(acceptor, answers), asio::detached);
    io.run();
}
