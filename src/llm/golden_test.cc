// Runs every case of tests/golden/<dialect>/<case>: what a client sent
// (request.json) to one upstream (upstream.json), what goes over the wire
// (call.txt), what the upstream answered (reply.json, .sse or .ndjson) and what
// the client sees of it (answer.json or answer.sse; answer.txt for a failure).
// A key `endpoint` in upstream.json names the protocol of the client where it is not chat.
// BLESS=1 writes call and answer as they now are.

#include "llm/answer_format.h"
#include "llm/dialect.h"

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace llm {
namespace {

namespace fs = std::filesystem;

const base::WallTime kNow = *base::utc(2026, 11, 22, 12, 0, 5);

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// Compares with the file, or writes it when blessing. Empty text: no such file.
void agree(const fs::path& path, const std::string& text) {
    if (std::getenv("BLESS")) {
        if (text.empty())
            fs::remove(path);
        else
            std::ofstream(path, std::ios::binary) << text;
        return;
    }
    EXPECT_EQ(text, fs::exists(path) ? read(path) : std::string()) << path;
}

base::Provider provider_named(std::string_view wanted) {
    for (int i = 0; i <= static_cast<int>(base::Provider::openai_compatible); ++i)
        if (base::name(static_cast<base::Provider>(i)) == wanted)
            return static_cast<base::Provider>(i);
    ADD_FAILURE() << "no provider " << wanted;
    return base::Provider::openai;
}

Endpoint endpoint_named(std::string_view wanted) {
    constexpr std::array<std::string_view, 6> kNames{"chat",     "completion",  "responses",
                                                     "messages", "ollama_chat", "ollama_generate"};
    auto it = std::ranges::find(kNames, wanted);
    if (it == kNames.end()) ADD_FAILURE() << "no endpoint " << wanted;
    return static_cast<Endpoint>(it - kNames.begin());
}

/// upstream.json, with the texts that an Upstream only views.
struct Target {
    std::string alias, model;
    std::vector<Extra> defaults, overrides;
    std::vector<std::string> drop;
    Endpoint endpoint = Endpoint::chat;
    Upstream upstream;

    explicit Target(const fs::path& path) {
        boost::json::object object = boost::json::parse(read(path)).as_object();
        if (auto* spoken = object.if_contains("endpoint"))
            endpoint = endpoint_named(spoken->as_string().c_str());
        alias = object.at("alias").as_string().c_str();
        model = object.at("model").as_string().c_str();
        auto extras = [&object](const char* key, std::vector<Extra>& list) {
            if (auto* members = object.if_contains(key))
                for (const auto& member : members->as_object())
                    list.push_back(
                        {std::string(member.key()), boost::json::serialize(member.value())});
        };
        extras("defaults", defaults);
        extras("overrides", overrides);
        if (auto* list = object.if_contains("drop"))
            for (const auto& key : list->as_array()) drop.emplace_back(key.as_string().c_str());
        upstream = {.provider = provider_named(object.at("provider").as_string().c_str()),
                    .alias = alias,
                    .model = model,
                    .reasoning = object.contains("reasoning"),
                    .json_schema = !object.contains("no_json_schema"),
                    .tools = !object.contains("no_tools"),
                    .others_left = object.contains("others_left"),
                    .defaults = defaults,
                    .overrides = overrides,
                    .drop = drop};
        if (auto* most = object.if_contains("max_output_tokens"))
            upstream.max_output_tokens = most->to_number<std::uint64_t>();
    }
};

std::string_view name(Scope scope) {
    constexpr std::array<std::string_view, 4> kNames{"request", "target", "account", "pool"};
    return kNames[static_cast<std::size_t>(scope)];
}

std::string describe(const Failure& failure) {
    return fmt::format("outcome: {}\nscope: {}\nstatus: {}\nback_in_ms: {}\ndetail: {}\n",
                       name(failure.outcome), name(failure.scope), failure.status,
                       failure.back_in ? failure.back_in->count() : -1, failure.detail);
}

struct Decoded {
    std::string out;
    std::string failure;
    bool operator==(const Decoded&) const = default;
};

Decoded decode(const ChatRequest& request, const Upstream& upstream,
               const std::vector<std::string_view>& parts) {
    auto decoder = dialect(request, upstream).stream(request, upstream, kNow);
    Decoded result;
    std::optional<Failure> failure;
    for (std::string_view part : parts)
        if (!failure) failure = decoder->feed(part, result.out);
    if (!failure) failure = decoder->finish(result.out);
    if (failure) result.failure = describe(*failure);
    return result;
}

Decoded decode_at_every_split(const ChatRequest& request, const Upstream& upstream,
                              std::string_view reply) {
    Decoded whole = decode(request, upstream, {reply});
    for (std::size_t at = 1; at < reply.size(); ++at)
        EXPECT_EQ(decode(request, upstream, {reply.substr(0, at), reply.substr(at)}), whole)
            << "split at " << at;
    std::vector<std::string_view> bytes;
    for (std::size_t at = 0; at < reply.size(); ++at) bytes.push_back(reply.substr(at, 1));
    EXPECT_EQ(decode(request, upstream, bytes), whole) << "byte by byte";
    return whole;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, Case) {
    fs::path folder = fs::path(FREEWAY_GOLDEN_DIR) / GetParam();
    Target target(folder / "upstream.json");
    auto request = parse_chat(read(folder / "request.json"), target.endpoint);
    ASSERT_TRUE(request) << request.error().detail;
    auto format = read_format(*request, true);
    ASSERT_TRUE(format) << format.error().detail;
    const Dialect& spoken = dialect(*request, target.upstream);

    base::Result<Call> call = spoken.call(*request, target.upstream);
    std::string sent =
        call ? fmt::format("POST {}\n", call->path) : "unsupported " + call.error().detail + "\n";
    if (call) {
        for (const std::string& change : call->changes) sent += change + '\n';
        sent += '\n' + call->body + '\n';
    }
    agree(folder / "call.txt", sent);

    if (fs::exists(folder / "reply.json") && !request->stream) {
        std::string body = read(folder / "reply.json");
        std::vector<Header> headers;
        auto answer = spoken.answer(*request, target.upstream,
                                    {.status = 200, .headers = headers, .body = body}, kNow);
        agree(folder / "answer.json", answer ? answer->body : std::string());
        agree(folder / "answer.txt", answer ? std::string() : describe(answer.error()));
    } else if (request->stream) {
        for (const char* reply : {"reply.sse", "reply.ndjson", "reply.json"}) {
            if (!fs::exists(folder / reply)) continue;
            Decoded seen = decode_at_every_split(*request, target.upstream, read(folder / reply));
            agree(folder / "answer.sse", seen.out);
            agree(folder / "answer.txt", seen.failure);
        }
    }
}

std::vector<std::string> cases() {
    std::vector<std::string> found;
    for (const auto& spoken : fs::directory_iterator(FREEWAY_GOLDEN_DIR))
        if (spoken.is_directory())
            for (const auto& folder : fs::directory_iterator(spoken.path()))
                found.push_back(fs::relative(folder.path(), FREEWAY_GOLDEN_DIR).string());
    std::ranges::sort(found);
    return found;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(cases()), [](const auto& info) {
    std::string label = info.param;
    for (char& c : label)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    return label;
});

}  // namespace
}  // namespace llm
