#include "device/ollama_pull.h"

#include "base/units.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>

namespace device {

using base::ErrorKind;
using base::Result;

namespace json = boost::json;

namespace {

constexpr base::Duration kConnect{5'000};
constexpr base::Duration kAnswer{30'000};
/// Between two lines: a checksum over many gigabytes says nothing meanwhile.
constexpr base::Duration kSilence{600'000};
constexpr std::size_t kMostTags = 8u << 20;
constexpr std::size_t kLongestLine = 1u << 20;
constexpr std::size_t kLongestError = 300;

std::optional<json::object> object_in(std::string_view text) {
    boost::system::error_code error;
    json::value value = json::parse(text, error);
    if (error || !value.is_object()) return std::nullopt;
    return std::move(value.get_object());
}

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::uint64_t count_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (!value) return 0;
    boost::system::error_code error;
    const auto count = value->to_number<std::uint64_t>(error);
    return error ? 0 : count;
}

base::Error said(const std::string& words) {
    const bool unknown =
        words.contains("file does not exist") || words.contains("invalid model name");
    return {unknown ? ErrorKind::not_found : ErrorKind::refused, base::shown(words, kLongestError)};
}

/// Reads the lines of a pull as they come.
net::Task<Result<void>> read_lines(net::UpstreamReply& reply, const PullWatch& watch) {
    PullReport report;
    std::string buffer;
    for (;;) {
        auto bytes = co_await reply.next(base::Clock::now() + kSilence);
        if (!bytes) co_return std::unexpected(bytes.error());
        const bool end = bytes->empty();
        buffer += end ? "\n" : *bytes;
        for (std::size_t at; (at = buffer.find('\n')) != std::string::npos;) {
            const std::string line(base::trim(std::string_view(buffer).substr(0, at)));
            buffer.erase(0, at + 1);
            if (line.empty()) continue;
            if (auto read = report.line(line); !read) co_return read;
            if (auto go_on = watch(report.progress()); !go_on) co_return go_on;
        }
        if (report.finished()) co_return Result<void>();
        if (end) co_return base::fail(ErrorKind::reset, "it ended before the model was whole");
        if (buffer.size() > kLongestLine)
            co_return base::fail(ErrorKind::protocol, "a line of its report is too long");
    }
}

}  // namespace

std::string ollama_name(std::string_view model) {
    const std::size_t slash = model.rfind('/');
    const std::size_t colon = model.rfind(':');
    const bool tagged = colon != model.npos && (slash == model.npos || colon > slash);
    return std::string(model) + (tagged ? "" : ":latest");
}

Result<void> PullReport::line(std::string_view text) {
    const std::optional<json::object> line = object_in(text);
    if (!line) return base::fail(ErrorKind::protocol, "a line of its report is no JSON object");
    if (const std::string error = text_of(*line, "error"); !error.empty())
        return std::unexpected(said(error));
    if (text_of(*line, "status") == "success") finished_ = true;
    const std::string digest = text_of(*line, "digest");
    const std::uint64_t total = count_of(*line, "total");
    if (digest.empty() || total == 0) return {};
    if (!layers_.contains(digest) && layers_.size() >= kMostLayers) return {};
    layers_[digest] = {std::min(count_of(*line, "completed"), total), total};
    return {};
}

FetchProgress PullReport::progress() const {
    FetchProgress sum;
    if (layers_.empty()) return sum;
    sum.total = 0;
    for (const auto& [digest, layer] : layers_) {
        sum.done += layer.done;
        *sum.total += *layer.total;
    }
    return sum;
}

net::Task<Result<std::set<std::string>>> ollama_models(net::UpstreamClient& client,
                                                       const OllamaService& service,
                                                       net::AbortHandle& abort) {
    const std::string path = service.path + "/api/tags";
    const base::Time now = base::Clock::now();
    auto reply = co_await client.send({service.origin, "GET", path, service.headers, {}},
                                      now + kConnect, now + kAnswer, abort);
    if (!reply) co_return std::unexpected(reply.error());
    const int status = (*reply)->head().status;
    auto body = co_await (*reply)->rest(kMostTags, base::Clock::now() + kAnswer);
    if (!body) co_return std::unexpected(body.error());
    const auto answer = object_in(*body);
    const json::value* list = answer ? answer->if_contains("models") : nullptr;
    if (status != 200 || !list || !list->is_array())
        co_return base::fail(ErrorKind::unsupported,
                             fmt::format("it lists no models (status {})", status));
    std::set<std::string> names;
    for (const json::value& row : list->get_array())
        if (row.is_object())
            for (const std::string_view key : {"name", "model"})
                if (const std::string name = text_of(row.get_object(), key); !name.empty())
                    names.insert(ollama_name(name));
    co_return names;
}

net::Task<Result<void>> ollama_pull(net::UpstreamClient& client, const OllamaService& service,
                                    std::string model, const PullWatch& watch,
                                    net::AbortHandle& abort) {
    const std::string path = service.path + "/api/pull";
    const std::string body = json::serialize(json::object{{"model", model}, {"stream", true}});
    const base::Time now = base::Clock::now();
    auto reply = co_await client.send({service.origin, "POST", path, service.headers, body},
                                      now + kConnect, now + kSilence, abort);
    if (!reply) co_return std::unexpected(reply.error());
    if ((*reply)->head().status == 200) co_return co_await read_lines(**reply, watch);
    const int status = (*reply)->head().status;
    auto text = co_await (*reply)->rest(kLongestLine, base::Clock::now() + kAnswer);
    const auto answer = text ? object_in(*text) : std::nullopt;
    const std::string words = answer ? text_of(*answer, "error") : std::string();
    if (!words.empty()) co_return std::unexpected(said(words));
    co_return base::fail(ErrorKind::refused, fmt::format("it answers with status {}", status));
}

}  // namespace device
