// Whatever arrives as HTTP/1.1: the end of a head does not depend on how the bytes are
// cut, a head that is taken has none of the shapes that two parsers read differently,
// and a chunked body is the same at every cut.

#include "check.h"

#include "net/http1.h"

#include <cstdint>

namespace {

using namespace net;

std::size_t head_end(std::string_view bytes, std::size_t step) {
    std::size_t searched = 0;
    for (std::size_t size = 0; size < bytes.size();) {
        size = std::min(bytes.size(), size + step);
        if (std::size_t end = head_length(bytes.substr(0, size), searched)) return end;
        searched = size;
    }
    return 0;
}

std::size_t count(const Headers& headers, std::string_view name) {
    std::size_t found = 0;
    for (const Header& header : headers.all()) {
        FUZZ_CHECK(valid_header_value(header.value));
        FUZZ_CHECK(!header.name.empty() &&
                   header.name.find_first_of(" \t\r\n:") == header.name.npos);
        found += header.name.size() == name.size() &&
                 std::equal(name.begin(), name.end(), header.name.begin(),
                            [](char a, char b) { return a == (b | 0x20); });
    }
    return found;
}

void check_request(std::string_view bytes) {
    RequestHead head;
    if (auto refusal = parse(std::string(bytes), head)) {
        FUZZ_CHECK(refusal->status >= 400 && refusal->status <= 505);
        return;
    }
    std::size_t lengths = count(head.headers, "content-length");
    std::size_t codings = count(head.headers, "transfer-encoding");
    FUZZ_CHECK(lengths + codings <= 1);
    FUZZ_CHECK((head.framing == Framing::chunked) == (codings == 1));
    FUZZ_CHECK(count(head.headers, "host") == 1 || head.http10);
    FUZZ_CHECK(head.headers.all().size() <= kMaxHeaders && head.target.size() <= kMaxTarget);
    FUZZ_CHECK(head.path == "*" || head.path.starts_with('/'));
    FUZZ_CHECK(head.path.find('?') == head.path.npos);
    FUZZ_CHECK(bytes.find("\n ") == bytes.npos && bytes.find("\n\t") == bytes.npos);
}

struct Body {
    std::string payload;
    std::size_t used = 0;
    bool done = false;
    bool failed = false;
    bool operator==(const Body&) const = default;
};

Body dechunk(std::string_view bytes, std::size_t step) {
    ChunkDecoder decoder;
    Body body;
    for (std::size_t at = 0; at < bytes.size() && !decoder.done(); at += step) {
        std::string piece(bytes.substr(at, step));
        std::size_t used = 0;
        auto size = decoder.decode(piece.data(), piece.size(), used);
        if (!size) return {.payload = {}, .used = 0, .done = false, .failed = true};
        FUZZ_CHECK(*size <= used && used <= piece.size());
        FUZZ_CHECK(used == piece.size() || decoder.done());
        body.payload.append(piece, 0, *size);
        body.used += used;
    }
    body.done = decoder.done();
    return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::size_t step = std::size_t{data[0]} + 1;

    std::size_t end = head_end(bytes, bytes.size());
    FUZZ_CHECK(head_end(bytes, 1) == end && head_end(bytes, step) == end);
    std::string_view head = bytes.substr(0, end > 0 ? end : bytes.size());
    check_request(head);
    for (bool bodiless : {false, true}) {
        ResponseHead response;
        if (parse(std::string(head), response, bodiless)) {
            FUZZ_CHECK(response.status >= 100 && response.status <= 599);
            FUZZ_CHECK(response.framing != Framing::until_close || !response.keep_alive);
        }
    }

    Body whole = dechunk(bytes, bytes.size());
    FUZZ_CHECK(dechunk(bytes, 1) == whole && dechunk(bytes, step) == whole);
    return 0;
}
