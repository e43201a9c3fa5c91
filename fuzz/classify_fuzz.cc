// Whatever an upstream says when it fails is read without harm, by every provider's
// rules; the detail stays short and holds no key.

#include "check.h"

#include "llm/classify.h"
#include "llm/redact.h"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
    int status = 300 + (data[0] * 256 + data[1]) % 300;
    std::vector<llm::Header> headers{
        {"retry-after", std::string(body.substr(0, 40))},
        {"x-ratelimit-remaining-tokens-day", "0"},
        {"x-ratelimit-reset-tokens-day", std::string(body.substr(0, 40))}};
    for (int i = 0; i <= static_cast<int>(base::Provider::openai_compatible); ++i) {
        auto provider = static_cast<base::Provider>(i);
        llm::Failure failure =
            llm::classify(provider, {.status = status, .headers = headers, .body = body}, {});
        FUZZ_CHECK(failure.detail.size() <= 300);
        FUZZ_CHECK(!failure.back_in || failure.back_in->count() >= 0);
        llm::classify_embedded(provider, body, {});
    }
    FUZZ_CHECK(llm::redact("gsk_0123456789 " + std::string(body)).starts_with("[redacted] "));
    return 0;
}
