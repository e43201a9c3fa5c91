// Every split of a form's bytes gives the same parts, or the same complaint; no byte of a part
// is lost or made up.

#include "check.h"

#include "llm/multipart.h"

#include <cstdint>

namespace {

std::string read(std::string_view bytes, std::size_t step) {
    using Kind = llm::MultipartReader::Kind;
    llm::MultipartReader reader("b");
    std::string seen;
    std::size_t taken = 0;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        reader.feed(bytes.substr(at, step));
        for (;;) {
            auto event = reader.next();
            if (!event) return seen;
            if (event->kind == Kind::more) break;
            if (event->kind == Kind::part)
                seen += "\npart " + reader.part().name + '|' + reader.part().content_type + '|';
            if (event->kind == Kind::end) seen += "\nend";
            seen += event->data;
            taken += event->data.size();
            FUZZ_CHECK(taken <= bytes.size());
        }
    }
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
