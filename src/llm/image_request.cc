#include "llm/images.h"

#include "base/units.h"
#include "llm/image_fields.h"
#include "llm/json.h"
#include "llm/request_body.h"

#include <fmt/format.h>

#include <algorithm>

namespace llm {
namespace {

using base::ErrorKind;
using std::string_view;

/// No alias is as long; the name is kept in records and logs.
constexpr std::size_t kMaxModelName = 256;
constexpr std::uint64_t kMostImages = 10;

std::unexpected<base::Error> refuse(std::string text) {
    return base::fail(ErrorKind::bad_input, std::move(text));
}

bool blank(string_view text) { return base::trim(text).empty(); }

/// Members that OpenAI knows and that are texts.
constexpr string_view kTexts[] = {"size",          "quality",    "style",          "background",
                                  "output_format", "moderation", "input_fidelity", "user"};

struct Bound {
    string_view key;
    std::uint64_t least;
    std::uint64_t most;
};
constexpr Bound kNumbers[] = {
    {"n", 1, kMostImages}, {"partial_images", 0, 3}, {"output_compression", 0, 100}};

}  // namespace

std::optional<ImageSize> image_size(string_view text) {
    const std::size_t x = text.find('x');
    if (x == text.npos) return std::nullopt;
    const auto side = [](string_view digits) -> std::uint64_t {
        const bool plain = !digits.empty() && digits.size() <= 5 &&
                           std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
        return plain ? json::count(digits).value_or(0) : 0;
    };
    const ImageSize size{side(text.substr(0, x)), side(text.substr(x + 1))};
    if (size.width == 0 || size.height == 0) return std::nullopt;
    return size;
}

std::optional<std::uint64_t> field_count(string_view json) {
    const auto text = json::text(json);
    return json::count(text ? string_view(*text) : json);
}

std::optional<bool> field_boolean(string_view json) {
    const auto text = json::text(json);
    return json::boolean(text ? string_view(*text) : json);
}

base::Result<void> read_image_fields(ImageRequest& request) {
    std::erase_if(request.fields, [](const Extra& field) { return field.json == "null"; });
    const Extra* model = request.find("model");
    if (!model) return refuse("`model` is missing; name one of GET /v1/models");
    request.model = json::text(model->json).value_or("");
    if (request.model.empty()) return refuse("`model` must be a non-empty string");
    if (request.model.size() > kMaxModelName) return refuse("`model` is longer than any alias");

    const Extra* prompt = request.find("prompt");
    if (!prompt) return refuse("`prompt` is missing; say what the image shows");
    const auto text = json::text(prompt->json);
    if (!text || blank(*text)) return refuse("`prompt` must be a string that says something");
    request.prompt = *text;

    for (const string_view key : kTexts)
        if (const Extra* field = request.find(key); field && !json::text(field->json))
            return refuse(fmt::format("`{}` must be a string", key));
    for (const Bound& bound : kNumbers) {
        const Extra* field = request.find(bound.key);
        if (!field) continue;
        const auto count = field_count(field->json);
        if (!count || *count < bound.least || *count > bound.most)
            return refuse(fmt::format("`{}` must be a whole number from {} to {}", bound.key,
                                      bound.least, bound.most));
        if (bound.key == "n") request.n = *count;
    }
    if (const Extra* size = request.find("size")) {
        const std::string given = *json::text(size->json);
        if (given != "auto" && !image_size(given))
            return refuse("`size` must be WIDTHxHEIGHT, such as 1024x1024, or auto");
    }
    if (const Extra* stream = request.find("stream")) {
        const auto on = field_boolean(stream->json);
        if (!on) return refuse("`stream` must be true or false");
        request.stream = *on;
    }
    if (const Extra* format = request.find("response_format")) {
        const auto named = json::text(format->json);
        if (named != "url" && named != "b64_json")
            return refuse("`response_format` must be \"url\" or \"b64_json\"");
        request.wanted = named == "url" ? Delivery::url : Delivery::base64;
    }
    return {};
}

base::Result<ImageRequest> parse_images(std::string body) {
    ImageRequest request;
    json::Cursor in(body);
    if (blank(body))
        return refuse("the body is empty; send a JSON object with `model` and `prompt`");
    if (in.peek() != '{') return refuse("the body must be a JSON object with `model` and `prompt`");
    in.enter_object();
    string_view key;
    while (in.next_member(key)) {
        if (request.fields.size() == kMaxMembers) return too_many_members("the body");
        std::string name = json::unescape(key);
        if (request.find(name))
            return refuse(fmt::format("`{}` is given twice", base::shown(name, 60)));
        const string_view value = in.value();
        request.fields.push_back({std::move(name), std::string(value)});
    }
    if (!in.complete())
        return refuse(fmt::format("the body is not valid JSON: it breaks at byte {} of {}",
                                  in.position(), body.size()));
    if (auto read = read_image_fields(request); !read) return std::unexpected(read.error());
    return request;
}

Delivery usual_delivery(string_view model) {
    return base::icontains(model, "gpt-image") ? Delivery::base64 : Delivery::url;
}

}  // namespace llm
