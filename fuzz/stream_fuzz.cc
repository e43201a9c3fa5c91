// However the bytes of a stream are cut, the client sees the same, in whatever
// protocol. The first byte picks the provider, the second the client's protocol,
// the third where to cut.

#include "check.h"
#include "pairs.h"

#include "llm/answer_format.h"

#include <algorithm>
#include <vector>

namespace {

struct Seen {
    std::string out;
    bool failed = false;
    bool operator==(const Seen&) const = default;
};

/// Requests in each client's protocol, in the order of fuzz::kEndpoints: with tools, then bound
/// to a format.
const std::vector<llm::ChatRequest>& requests() {
    static const std::vector<llm::ChatRequest> all = [] {
        constexpr std::array bodies{
            R"({"model":"x","messages":[{"role":"user","content":"hi"}],"stream":true,
"stream_options":{"include_usage":true},
"tools":[{"type":"function","function":{"name":"get-weather","parameters":{"type":"object"}}}]})",
            R"({"model":"x","prompt":"hi","stream":true,"stream_options":{"include_usage":true}})",
            R"({"model":"x","input":"hi","stream":true,
"tools":[{"type":"function","name":"f","parameters":{"type":"object"}},{"type":"custom","name":"g"}]})",
            R"({"model":"x","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"stream":true,
"tools":[{"name":"f","input_schema":{"type":"object"}}]})",
            R"({"model":"x","messages":[{"role":"user","content":"hi"}]})",
            R"({"model":"x","prompt":"hi"})",
            R"({"model":"x","messages":[{"role":"user","content":"hi"}],"stream":true,
"response_format":{"type":"json_object"}})",
            R"({"model":"x","prompt":"hi","stream":true})",
            R"({"model":"x","input":"hi","stream":true,
"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object","required":["n"]}}}})",
            R"({"model":"x","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"stream":true,
"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}})",
            R"({"model":"x","messages":[{"role":"user","content":"hi"}],"format":{"type":"object"}})",
            R"({"model":"x","prompt":"hi","format":"json"})"};
        std::vector<llm::ChatRequest> made;
        for (std::size_t i = 0; i < bodies.size(); ++i) {
            auto request =
                llm::parse_chat(bodies[i], fuzz::kEndpoints[i % fuzz::kEndpoints.size()]);
            FUZZ_CHECK(request.has_value() && llm::read_format(*request, true).has_value());
            request->answer_id = "fw0123456789abcdef";
            made.push_back(*std::move(request));
        }
        return made;
    }();
    return all;
}

/// Sizes of pieces: all bytes at once, one size, or sizes at random from a seed.
class Cuts {
public:
    static Cuts whole() { return {0, 0}; }
    static Cuts every(std::size_t size) { return {size, 0}; }
    static Cuts random(std::uint32_t seed) { return {0, seed + 1}; }

    std::size_t next(std::size_t left) {
        if (size_ > 0) return std::min(size_, left);
        if (state_ == 0) return left;
        state_ = state_ * 1664525U + 1013904223U;
        return std::min<std::size_t>(1 + (state_ >> 24U) % 37U, left);
    }

private:
    Cuts(std::size_t size, std::uint32_t state) : size_(size), state_(state) {}
    std::size_t size_;
    std::uint32_t state_;
};

Seen decode(const llm::ChatRequest& request, const llm::Upstream& upstream, std::string_view bytes,
            Cuts cuts) {
    auto decoder = llm::dialect(request, upstream).stream(request, upstream, {});
    Seen seen;
    while (!bytes.empty() && !seen.failed) {
        std::size_t size = cuts.next(bytes.size());
        seen.failed = decoder->feed(bytes.substr(0, size), seen.out).has_value();
        bytes.remove_prefix(size);
    }
    if (!seen.failed) seen.failed = decoder->finish(seen.out).has_value();
    FUZZ_CHECK(seen.failed || (decoder->done() && decoder->committed()));
    if (seen.failed && decoder->committed())
        decoder->broken(R"({"error":{"message":"broke off","code":"x"}})", seen.out);
    return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 4) return 0;
    llm::Upstream upstream{.provider = static_cast<base::Provider>(data[0] % fuzz::kProviders),
                           .alias = "alias",
                           .model = "m",
                           .json_schema = data[1] < 128,
                           .others_left = data[2] % 2 == 0};
    const llm::ChatRequest& request = requests()[data[1] % requests().size()];
    std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
    Seen whole = decode(request, upstream, bytes, Cuts::whole());
    FUZZ_CHECK(decode(request, upstream, bytes, Cuts::every(1)) == whole);
    FUZZ_CHECK(decode(request, upstream, bytes, Cuts::every(std::size_t{data[2]} + 1)) == whole);
    FUZZ_CHECK(decode(request, upstream, bytes, Cuts::random(data[2])) == whole);
    llm::Reply reply{.status = 200, .headers = {}, .body = bytes};
    (void)llm::dialect(request, upstream).answer(request, upstream, reply, {});
    return 0;
}
