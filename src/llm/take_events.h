#pragma once

#include "llm/payload.h"
#include "llm/sse.h"

#include <optional>
#include <string>
#include <string_view>

namespace llm {

/// How a StreamDecoder that passes events on reads its upstream. `take` gets one event, appends
/// what the client is to see of it and may fail; it is called until the decoder is done.
template <class Take>
std::optional<Failure> take_events(SseReader& reader, std::string_view bytes,
                                   const StreamDecoder& decoder, Take take) {
    reader.feed(bytes);
    SseReader::Event event;
    while (!decoder.done() && reader.next(event))
        if (std::optional<Failure> failure = take(event)) return failure;
    if (reader.overflow()) return malformed("an event of the stream is too large");
    return std::nullopt;
}

/// The same at the upstream's end. An event that lacks its blank line gets it in `out`.
template <class Take>
std::optional<Failure> take_last_events(SseReader& reader, const StreamDecoder& decoder,
                                        std::string& out, Take take) {
    SseReader::Event event;
    while (!decoder.done() && reader.last(event)) {
        const std::size_t before = out.size();
        if (std::optional<Failure> failure = take(event)) return failure;
        if (out.size() > before && !out.ends_with("\n\n")) out += "\n\n";
    }
    return std::nullopt;
}

}  // namespace llm
