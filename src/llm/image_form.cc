#include "llm/image_fields.h"
#include "llm/json.h"
#include "llm/multipart.h"

#include "base/units.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

constexpr std::size_t kMostUploads = 17;  ///< sixteen images and a mask
constexpr std::size_t kLongestText = 1u << 20;
/// The reader is fed in pieces, so that it never holds a copy of the whole body.
constexpr std::size_t kPiece = 64u << 10;

std::unexpected<base::Error> refuse(std::string text) {
    return base::fail(base::ErrorKind::bad_input, std::move(text));
}

bool is_image_field(string_view name) {
    return name == "image" || name == "image[]" || name == "mask" ||
           (name.starts_with("image[") && name.ends_with(']'));
}

/// Parts of a form as they come.
class FormReader {
public:
    explicit FormReader(ImageRequest& request) : request_(request), reader_(request.boundary) {}

    base::Result<void> read(string_view body) {
        for (std::size_t at = 0; at < body.size() && !reader_.done(); at += kPiece) {
            reader_.feed(body.substr(at, kPiece));
            if (auto taken = take(); !taken) return taken;
        }
        if (!reader_.done()) return refuse("the form ends before its closing boundary");
        return {};
    }

private:
    base::Result<void> take() {
        for (;;) {
            auto event = reader_.next();
            if (!event) return std::unexpected(event.error());
            switch (event->kind) {
                case MultipartReader::Kind::more: return {};
                case MultipartReader::Kind::part:
                    if (auto begun = begin(); !begun) return begun;
                    break;
                case MultipartReader::Kind::data:
                    text_ += event->data;
                    if (!file_ && text_.size() > kLongestText)
                        return refuse(fmt::format("`{}` is too long", shown()));
                    break;
                case MultipartReader::Kind::end:
                    if (auto ended = end(); !ended) return ended;
                    break;
            }
        }
    }

    base::Result<void> begin() {
        text_.clear();
        file_ = is_image_field(reader_.part().name);
        if (reader_.part().filename && !file_)
            return refuse(
                fmt::format("`{}` is no file of this form; send `image` and `mask`", shown()));
        if (file_ && request_.uploads.size() == kMostUploads)
            return refuse(fmt::format("more than {} files", kMostUploads));
        return {};
    }

    base::Result<void> end() {
        const PartHead& part = reader_.part();
        if (file_) {
            const string_view type = image_type(text_);
            if (type.empty())
                return refuse(fmt::format(
                    "`{}` is no image; send a file that is a PNG, JPEG, WebP or GIF", shown()));
            request_.uploads.push_back(
                {part.name, part.filename.value_or("image"), std::string(type), std::move(text_)});
        } else if (request_.find(part.name)) {
            return refuse(fmt::format("`{}` is given twice", shown()));
        } else {
            request_.fields.push_back({part.name, json::quote(text_)});
        }
        text_ = {};
        return {};
    }

    std::string shown() const { return base::shown(reader_.part().name, 60); }

    ImageRequest& request_;
    MultipartReader reader_;
    std::string text_;  ///< of the part being read
    bool file_ = false;
};

}  // namespace

base::Result<ImageRequest> parse_image_form(string_view body, string_view content_type) {
    ImageRequest request;
    request.edit = true;
    auto boundary = boundary_of(content_type);
    if (!boundary) return std::unexpected(boundary.error());
    request.boundary = std::move(*boundary);
    if (auto read = FormReader(request).read(body); !read) return std::unexpected(read.error());
    if (auto read = read_image_fields(request); !read) return std::unexpected(read.error());
    bool image = false;
    for (const Upload& upload : request.uploads) image = image || upload.field != "mask";
    if (!image) return refuse("`image` is missing; send the image to edit as a file of the form");
    return request;
}

}  // namespace llm
