// A request that is accepted, in whatever protocol, is JSON by an independent
// parser's judgement, and so is every body made of it, for every provider.

#include "check.h"
#include "pairs.h"

#include "llm/answer_format.h"

#include <boost/json.hpp>

namespace {

bool is_json(const std::string& text) {
    boost::json::parse_options options;
    options.max_depth = 1024;
    boost::system::error_code error;
    boost::json::parse(text, error, {}, options);
    // Boost also refuses halves of surrogate pairs and exponents that no double
    // holds; both are legal JSON (RFC 8259, 8.2 and 6) and pass through.
    bool surrogate = text.find("\\ud") != text.npos || text.find("\\uD") != text.npos;
    return !error || surrogate || error == boost::json::error::exponent_overflow;
}

void put_to_all(const llm::ChatRequest& request) {
    for (std::size_t i = 0; i < fuzz::kProviders; ++i) {
        llm::Upstream upstream{.provider = static_cast<base::Provider>(i),
                               .alias = "alias",
                               .model = "o3\"x",
                               .others_left = i % 2 == 0,
                               .max_output_tokens = 4096};
        for (bool can : {true, false}) {
            upstream.json_schema = upstream.tools = upstream.reasoning = can;
            auto call = llm::dialect(request, upstream).call(request, upstream);
            if (call) FUZZ_CHECK(is_json(call->body));
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string body(reinterpret_cast<const char*>(data), size);
    for (llm::Endpoint endpoint : fuzz::kEndpoints) {
        auto request = llm::parse_chat(body, endpoint);
        if (!request) continue;
        FUZZ_CHECK(is_json(body));
        put_to_all(*request);
        if (llm::read_format(*request, true) && request->format) put_to_all(*request);
    }
    return 0;
}
