// What llm::json::Cursor costs next to simdjson on-demand for the same work: the span of every
// top-level member, and inside `messages` and `choices` what a gateway looks at. Prints which
// texts each way judges wrongly, then medians in nanoseconds.
//
//   ninja -C build bench_json_spans && build/bench/bench_json_spans [rounds]
//
// One walk, written once, runs over three kinds of values. Every round measures every way on every
// text, in turning order; parsers and buffers are kept, so nothing is allocated while measuring.

#include "json_walk.h"

#include <simdjson.h>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace {

using namespace json_walk;
using Clock = std::chrono::steady_clock;

/// What `text` is where simdjson may read 64 bytes past it.
string_view padded_copy(string_view text) {
    static std::vector<char> buffer(kLargest + simdjson::SIMDJSON_PADDING);
    std::memcpy(buffer.data(), text.data(), text.size());
    return {buffer.data(), text.size()};
}

bool is_dom(string_view text) {
    static simdjson::dom::parser parser(kLargest);
    static const simdjson::error_code allocated = parser.allocate(kLargest, llm::json::kMaxDepth);
    return allocated == simdjson::SUCCESS &&
           parser.parse(text.data(), text.size(), false).error() == simdjson::SUCCESS;
}

struct Way {
    const char* name;
    bool (*read)(string_view text, Facts& facts);
};

constexpr auto kUnchecked = &read_lazy<Skipped::unchecked>;
constexpr auto kChecked = &read_lazy<Skipped::checked>;

constexpr auto kWays = std::to_array<Way>({
    {"cursor", read_cursor},
    {"cursor + UTF-8",
     [](string_view text, Facts& facts) {
         return read_cursor(text, facts) && simdjson::validate_utf8(text.data(), text.size());
     }},
    {"on-demand, skips unchecked", kUnchecked},
    {"  the same + padded copy",
     [](string_view text, Facts& facts) { return kUnchecked(padded_copy(text), facts); }},
    {"on-demand, all checked", kChecked},
    {"  the same + padded copy",
     [](string_view text, Facts& facts) { return kChecked(padded_copy(text), facts); }},
    {"DOM, then on-demand",
     [](string_view text, Facts& facts) { return is_dom(text) && kUnchecked(text, facts); }},
});

// The texts.

struct Text {
    std::string name;
    std::string json;  ///< with room for simdjson behind its end
};

Text padded(std::string name, std::string json) {
    json.reserve(json.size() + simdjson::SIMDJSON_PADDING);
    return {std::move(name), std::move(json)};
}

std::string prose(std::size_t bytes) {
    constexpr string_view kLines =
        R"(The gateway reads a request once and passes its bytes on as they stand.\n)"
        R"(    if (name == \"model\") return splice(body, span);\n)";
    std::string out;
    while (out.size() < bytes) out += kLines;
    std::size_t end = bytes;
    while (end > 0 && out[end - 1] == '\\') --end;
    out.resize(end);
    return out;
}

std::string chat(std::string_view messages, std::string_view more = "") {
    return fmt::format(
        R"({{"model":"groq-llama-3.3-70b","stream":true,"temperature":0.7,"max_tokens":1024,)"
        R"("stream_options":{{"include_usage":true}}{},"messages":[{}]}})",
        more, messages);
}

std::string turns(std::size_t count, std::size_t bytes) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i)
        out += fmt::format(R"({}{{"role":"{}","content":"{}"}})", i ? "," : "",
                           i % 2 ? "assistant" : "user", prose(bytes));
    return out;
}

std::string tools(std::size_t count) {
    std::string out = R"(,"tools":[)";
    for (std::size_t i = 0; i < count; ++i)
        out += fmt::format(
            R"({}{{"type":"function","function":{{"name":"read_{}","description":"Reads a file",)"
            R"("parameters":{{"type":"object","properties":{{"path":{{"type":"string"}},)"
            R"("from":{{"type":"integer","minimum":0}},"to":{{"type":"integer","minimum":1}},)"
            R"("how":{{"enum":["text","hex"]}}}},"required":["path"]}}}}}})",
            i ? "," : "", i);
    return out + "]";
}

std::vector<Text> texts() {
    std::string event =
        R"({"id":"chatcmpl-0f3c1b7a-52c4-4d0e-9c07-6b1f8f0f2a11","object":"chat.completion.chunk",)"
        R"("created":1735689600,"model":"llama-3.3-70b-versatile",)"
        R"("system_fingerprint":"fp_5f849c5a0b12",)"
        R"("choices":[{"index":0,"delta":{"content":" request is answered."},"logprobs":null,)"
        R"("finish_reason":null}]})";
    std::string image = fmt::format(
        R"({{"role":"user","content":[{{"type":"text","text":"What is this?"}},{{"type":"image_url",)"
        R"("image_url":{{"url":"data:image/png;base64,{}"}}}}]}})",
        std::string(4'000'000, 'A'));
    std::vector<Text> out;
    out.push_back(padded("event", std::move(event)));
    out.push_back(padded("chat 1 KB", chat(turns(2, 414))));
    out.push_back(padded("chat 4 MB", chat(turns(400, 10'000))));
    out.push_back(padded("image 4 MB", chat(image)));
    out.push_back(padded("tools 64 KB", chat(turns(2, 400), tools(215))));
    return out;
}

// What each way accepts.

struct Probe {
    const char* what;
    std::string json;
    bool legal;
};

std::vector<Probe> probes() {
    return {
        {"no comma", R"({"a":[1 2]})", false},
        {"wrong bracket", R"({"a":[1},"b":2})", false},
        {"missing colon", R"({"a":{"b" 1}})", false},
        {"half a word", R"({"a":tru})", false},
        {"number 01", R"({"a":01})", false},
        {"escape \\x", R"({"a":["\x"]})", false},
        {"control byte", "{\"a\":\"\n\"}", false},
        {"cut off", R"({"a":{"b":1})", false},
        {"two values", R"({"a":1} {})", false},
        {"not UTF-8", "{\"a\":\"\xff\"}", false},
        {"600 deep", R"({"a":)" + std::string(600, '[') + std::string(600, ']') + "}", false},
        {"lone \\ud83d", R"({"a":"\ud83d"})", true},
        {"1e400", R"({"a":1e400})", true},
        {"30 digits", R"({"a":123456789012345678901234567890})", true},
    };
}

void print_judgements() {
    fmt::print("wrong judgements (+ accepts what it must not, - refuses what is legal)\n");
    for (const Way& way : kWays) {
        if (way.name[0] == ' ') continue;
        std::string wrong;
        for (const Probe& probe : probes()) {
            Text text = padded(probe.what, probe.json);
            Facts facts;
            if (way.read(text.json, facts) != probe.legal)
                wrong += fmt::format("{}{}{}", wrong.empty() ? "" : ", ", probe.legal ? '-' : '+',
                                     probe.what);
        }
        fmt::print("  {:<28}{}\n", way.name, wrong.empty() ? "none" : wrong);
    }
}

// Measuring.

void clear(Facts& facts) {
    std::vector<Span> members = std::move(facts.members);
    members.clear();
    facts = Facts{};
    facts.members = std::move(members);
}

/// Every way must find the same in every text, or the comparison means nothing.
void require_same(const std::vector<Text>& all) {
    for (const Text& text : all) {
        Facts expected;
        bool legal = read_cursor(text.json, expected);
        for (const Way& way : kWays) {
            Facts facts;
            if (legal && way.read(text.json, facts) && facts == expected) continue;
            fmt::print(stderr, "{}: {} finds something else than the cursor\n", text.name,
                       way.name);
            std::exit(1);
        }
    }
}

double nanoseconds(const Way& way, const Text& text, std::size_t repeats, Facts& facts) {
    auto begin = Clock::now();
    for (std::size_t i = 0; i < repeats; ++i) {
        clear(facts);
        if (!way.read(text.json, facts)) std::exit(1);
    }
    std::chrono::duration<double, std::nano> took = Clock::now() - begin;
    return took.count() / static_cast<double>(repeats);
}

double median(std::vector<double> values) {
    auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

void measure(const std::vector<Text>& all, std::size_t rounds) {
    constexpr std::size_t kBytesPerSample = 2u << 20;
    std::vector<std::array<std::vector<double>, kWays.size()>> samples(all.size());
    Facts facts;
    for (std::size_t round = 0; round < rounds; ++round)
        for (std::size_t t = 0; t < all.size(); ++t)
            for (std::size_t i = 0; i < kWays.size(); ++i) {
                std::size_t way = (i + round) % kWays.size();
                std::size_t repeats = kBytesPerSample / all[t].json.size() + 1;
                samples[t][way].push_back(nanoseconds(kWays[way], all[t], repeats, facts));
            }
    fmt::print("\n{:<30}", fmt::format("median ns of {} rounds", rounds));
    for (const Text& text : all) fmt::print("{:>14}", text.name);
    fmt::print("\n{:<30}", "bytes");
    for (const Text& text : all) fmt::print("{:>14}", text.json.size());
    for (std::size_t way = 0; way < kWays.size(); ++way) {
        fmt::print("\n{:<30}", kWays[way].name);
        for (auto& of_text : samples) fmt::print("{:>14.0f}", median(of_text[way]));
    }
    fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t rounds = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 41;
    if (rounds == 0) {
        fmt::print(stderr, "usage: bench_json_spans [rounds], a whole number above 0\n");
        return 2;
    }
    std::vector<Text> all = texts();
    fmt::print("simdjson {}, {}\n", SIMDJSON_STRINGIFY(SIMDJSON_VERSION),
               simdjson::get_active_implementation()->name());
    require_same(all);
    print_judgements();
    measure(all, rounds);
}
