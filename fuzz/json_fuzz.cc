// The cursor and Boost.JSON agree on what is JSON, both ways, and on what every
// span of a top-level member holds.

#include "check.h"

#include "llm/json.h"

#include <boost/json.hpp>
#include <cstdint>

namespace {

namespace bj = boost::json;
using llm::json::Cursor;

bj::value parse(std::string_view text, std::size_t depth, bj::error_code& error) {
    bj::parse_options options;
    options.max_depth = depth;
    options.allow_invalid_utf8 = true;
    return bj::parse(bj::string_view(text.data(), text.size()), error, {}, options);
}

void compare_members(std::string_view text, const bj::object& expected) {
    Cursor in(text);
    std::string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        std::string_view span = in.value();
        std::string name = llm::json::unescape(key);
        bj::error_code error;
        bj::value value = parse(span, llm::json::kMaxDepth * 2, error);
        FUZZ_CHECK(!error);
        const bj::value* found = expected.if_contains(name);
        FUZZ_CHECK(found);
        if (auto string = llm::json::text(span)) FUZZ_CHECK(value.as_string() == *string);
    }
    FUZZ_CHECK(in.complete());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    Cursor in(text);
    in.skip();
    bool accepted = in.complete();
    bj::error_code error;
    bj::value value = parse(text, llm::json::kMaxDepth * 2, error);
    // Boost refuses halves of surrogate pairs and exponents that no double holds; both are legal.
    bool surrogate = text.find("\\ud") != text.npos || text.find("\\uD") != text.npos;
    if (accepted) FUZZ_CHECK(!error || surrogate || error == bj::error::exponent_overflow);
    if (error) return 0;
    bj::error_code shallow;
    parse(text, llm::json::kMaxDepth / 2, shallow);
    if (!shallow) FUZZ_CHECK(accepted);
    if (accepted && value.is_object()) compare_members(text, value.get_object());
    return 0;
}
