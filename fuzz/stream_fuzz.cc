// However the bytes of a stream are cut, the client sees the same. The first byte
// picks the provider, the second where to cut.

#include "check.h"

#include "llm/dialect.h"

namespace {

struct Seen {
    std::string out;
    bool failed = false;
    bool operator==(const Seen&) const = default;
};

Seen decode(const llm::ChatRequest& request, const llm::Upstream& upstream, std::string_view bytes,
            std::size_t step) {
    auto decoder = llm::dialect(request.endpoint, upstream).stream(request, upstream, {});
    Seen seen;
    for (std::size_t at = 0; at < bytes.size() && !seen.failed; at += step)
        seen.failed = decoder->feed(bytes.substr(at, step), seen.out).has_value();
    if (!seen.failed) seen.failed = decoder->finish(seen.out).has_value();
    FUZZ_CHECK(seen.failed || (decoder->done() && decoder->committed()));
    return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3) return 0;
    static const auto request = llm::parse_chat(
        R"({"model":"x","messages":[{}],"stream":true,"stream_options":{"include_usage":true}})",
        llm::Endpoint::chat);
    std::size_t providers = static_cast<std::size_t>(base::Provider::openai_compatible) + 1;
    llm::Upstream upstream{.provider = static_cast<base::Provider>(data[0] % providers),
                           .alias = "alias",
                           .model = "m"};
    std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    Seen whole = decode(*request, upstream, bytes, bytes.size());
    FUZZ_CHECK(decode(*request, upstream, bytes, 1) == whole);
    FUZZ_CHECK(decode(*request, upstream, bytes, std::size_t{data[1]} + 1) == whole);
    return 0;
}
