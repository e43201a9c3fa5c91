#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "llm/chat.h"
#include "llm/dialect.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// How a client wants its images.
enum class Delivery { url, base64 };

/// A file of a form.
struct Upload {
    std::string field;     ///< "image", "image[]", "mask"
    std::string filename;  ///< as sent
    std::string media_type;
    std::string bytes{};
};

/// A request for images: OpenAI's /images/generations (JSON) or /images/edits (a form).
struct ImageRequest {
    bool edit = false;
    std::vector<Extra> fields;  ///< every member in its order; a form's texts as JSON strings
    std::vector<Upload> uploads;
    std::string boundary;  ///< of the form as it came: stands in none of its parts
    std::string model;
    std::string prompt;
    std::uint64_t n = 1;
    bool stream = false;
    std::optional<Delivery> wanted;  ///< response_format; absent: what the alias usually gives

    const Extra* find(std::string_view key) const {
        for (const Extra& field : fields)
            if (field.key == key) return &field;
        return nullptr;
    }
};

/// Fails with bad_input; the text names the member, what is wrong and what to send instead.
base::Result<ImageRequest> parse_images(std::string body);
/// The same for an edit: multipart/form-data as `content_type` says, with one `image` at least.
base::Result<ImageRequest> parse_image_form(std::string_view body, std::string_view content_type);

/// What OpenAI's own API gives for this upstream model where nothing is said.
Delivery usual_delivery(std::string_view model);

/// An image as an upstream gave it: one of the three is set.
struct Image {
    std::string base64{};
    std::string bytes{};
    std::string url{};
    std::string rest{};  ///< further members as they came: `,"revised_prompt":"…"`
};

/// The images of one answer.
struct ImageAnswer {
    std::vector<Image> images{};
    std::string rest{};  ///< further members of the answer as they came: `,"size":"…"`
    std::string usage_json{};
    Usage usage{};
    std::uint64_t image_input_tokens = 0;  ///< part of usage.prompt, priced apart
};

/// One upstream call of a target that makes images.
struct ImageCall {
    std::string path{};
    bool at_root = false;  ///< `path` stands beside the base's path, not below it
    std::string body{};
    std::string content_type = "application/json";
    std::string_view headers{};  ///< further complete lines
    bool stream = false;         ///< the upstream is asked for a stream
    std::vector<std::string> changes{};
};

/// What came back: the images, or where to ask for them.
struct ImageReply {
    ImageAnswer answer{};
    std::string next{};  ///< not empty: GET this path at the root
    bool wait = false;   ///< it is not ready: a moment before asking
};

/// How one kind of upstream is asked for images. Stateless.
class ImageDialect {
public:
    virtual ~ImageDialect() = default;

    /// `unsupported` for what this upstream can't do, so that the chain moves on. `wanted`: how
    /// the client gets the images, so that the upstream is asked for the same where it can choose.
    virtual base::Result<ImageCall> call(const ImageRequest& request, const Upstream& upstream,
                                         Delivery wanted) const = 0;

    /// Reads a 2xx body that came from `path`.
    virtual std::expected<ImageReply, Failure> read(const Upstream& upstream, std::string_view path,
                                                    std::string_view body,
                                                    base::WallTime now) const = 0;
};

/// nullptr: this provider makes no images.
const ImageDialect* image_dialect(base::Provider provider);

/// `image/png`, `image/jpeg`, `image/webp` or `image/gif` by the first bytes; empty: no image.
std::string_view image_type(std::string_view bytes);

/// OpenAI's answer. Every image has its `base64` or its `url`.
std::string images_json(const ImageAnswer& answer, base::WallTime now);
/// The events that end a stream where the upstream gave none: one for each image. `edit` names
/// them.
std::string image_events(const ImageAnswer& answer, bool edit, base::WallTime now);
/// A whole answer in OpenAI's shape; no images, an error inside: a Failure.
std::expected<ImageAnswer, Failure> read_images_json(const Upstream& upstream,
                                                     std::string_view body, base::WallTime now);
/// OpenAI's `usage` of images.
void read_image_usage(std::string_view usage_json, ImageAnswer& answer);

}  // namespace llm
