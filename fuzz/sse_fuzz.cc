// Every split of the bytes gives the same events, and their raw blocks give the
// bytes back, but for blank lines between them and a byte order mark.

#include "check.h"

#include "llm/sse.h"

#include <cstdint>

namespace {

std::string read(std::string_view bytes, std::size_t step) {
    llm::SseReader reader(1u << 16);
    llm::SseReader::Event event;
    std::string seen;
    auto note = [&] {
        seen.append(event.name)
            .append("|")
            .append(event.data)
            .append("|")
            .append(event.raw)
            .append("\n");
        if (!event.in_place || event.data.empty()) return;
        FUZZ_CHECK(event.raw.find(event.data) != event.raw.npos);
    };
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        reader.feed(bytes.substr(at, step));
        while (reader.next(event)) note();
    }
    while (reader.last(event)) note();
    return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::string whole = read(bytes, bytes.size());
    FUZZ_CHECK(read(bytes, 1) == whole);
    FUZZ_CHECK(read(bytes, std::size_t{data[0]} + 1) == whole);
    return 0;
}
