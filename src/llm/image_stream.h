#pragma once

#include "llm/dialect.h"
#include "llm/images.h"
#include "llm/sse.h"

namespace llm {

/// Passes OpenAI's stream of images on, event by event. The first picture, partial or whole,
/// commits; as many whole ones as were asked for are its end, and so is the upstream's close
/// after one.
class ImageStream : public StreamDecoder {
public:
    /// `images`: how many were asked for.
    ImageStream(const Upstream& upstream, std::uint64_t images, base::WallTime now);

    std::optional<Failure> feed(std::string_view bytes, std::string& out) override;
    std::optional<Failure> finish(std::string& out) override;
    void broken(std::string_view error, std::string& out) override;

    /// Part of usage().prompt, priced apart.
    std::uint64_t image_input_tokens() const { return image_input_tokens_; }

private:
    std::optional<Failure> take(const SseReader::Event& event, std::string& out);

    const Upstream& upstream_;
    std::uint64_t left_;
    base::WallTime now_;
    SseReader reader_;
    std::uint64_t image_input_tokens_ = 0;
};

}  // namespace llm
