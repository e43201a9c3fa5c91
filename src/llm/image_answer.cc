#include "llm/images.h"

#include "llm/classify.h"
#include "llm/json.h"
#include "llm/payload.h"

#include <fmt/format.h>

#include <algorithm>

namespace llm {
namespace {

using std::string_view;

void append(std::string& rest, string_view key, string_view value) {
    rest += ",\"";
    rest += key;
    rest += "\":";
    rest += value;
}

/// `data:image/png;base64,AAAA` is no address but the image itself.
void set_url(Image& image, std::string url) {
    const std::size_t comma = url.find(";base64,");
    if (url.starts_with("data:") && comma != url.npos)
        image.base64 = url.substr(comma + 8);
    else
        image.url = std::move(url);
}

/// Safe to stand in a JSON string, and decodable but for its length.
bool is_base64(string_view text) {
    return std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '+' || c == '/' || c == '=';
    });
}

std::optional<Image> read_image(string_view value) {
    Image image;
    if (auto url = json::text(value)) {
        set_url(image, std::move(*url));
        return image;
    }
    json::Cursor in(value);
    string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        const string_view member = in.value();
        if (key == "b64_json" || key == "url") {
            auto text = json::text(member);
            if (!text || text->empty()) continue;
            if (key == "url")
                set_url(image, std::move(*text));
            else
                image.base64 = std::move(*text);
        } else if (member != "null") {
            append(image.rest, key, member);
        }
    }
    if (image.base64.empty() && image.url.empty()) return std::nullopt;
    if (!is_base64(image.base64)) return std::nullopt;
    if (!image.base64.empty()) image.url.clear();
    return image;
}

std::int64_t epoch(base::WallTime now) {
    return std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
}

}  // namespace

string_view image_type(string_view bytes) {
    if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return "image/png";
    if (bytes.starts_with("\xff\xd8\xff")) return "image/jpeg";
    if (bytes.starts_with("GIF87a") || bytes.starts_with("GIF89a")) return "image/gif";
    if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) return "image/webp";
    return {};
}

void read_image_usage(string_view usage, ImageAnswer& answer) {
    const auto count = [](string_view value) { return json::count(value).value_or(0); };
    if (!usage.starts_with('{')) return;
    answer.usage_json = usage;
    answer.usage.prompt = count(json::member(usage, "input_tokens"));
    answer.usage.completion = count(json::member(usage, "output_tokens"));
    answer.usage.cached = count(json::member(usage, "input_tokens_details", "cached_tokens"));
    answer.usage.known = answer.usage.prompt > 0 || answer.usage.completion > 0;
    answer.image_input_tokens = count(json::member(usage, "input_tokens_details", "image_tokens"));
}

std::expected<ImageAnswer, Failure> read_images_json(const Upstream& upstream, string_view body,
                                                     base::WallTime now) {
    ImageAnswer answer;
    string_view error;
    json::Cursor in(body);
    string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        if ((key == "data" || key == "images") && in.peek() == '[') {
            in.enter_array();
            while (in.next_element())
                if (auto image = read_image(in.value())) answer.images.push_back(std::move(*image));
            continue;
        }
        const string_view value = in.value();
        if (value == "null") continue;
        if (key == "error")
            error = value;
        else if (key == "usage")
            read_image_usage(value, answer);
        else if (key != "created" && key != "data")
            append(answer.rest, key, value);
    }
    if (!in.complete()) return std::unexpected(malformed("the answer is not one JSON object"));
    if (!error.empty() && answer.images.empty())
        return std::unexpected(classify_embedded(upstream.provider, body, now));
    if (answer.images.empty()) return std::unexpected(malformed("an answer without an image"));
    answer.usage.images = static_cast<double>(answer.images.size());
    return answer;
}

std::string images_json(const ImageAnswer& answer, base::WallTime now) {
    std::size_t size = 256 + answer.rest.size();
    for (const Image& image : answer.images)
        size += image.base64.size() + image.url.size() + image.rest.size() + 32;
    std::string out;
    out.reserve(size);
    out += fmt::format("{{\"created\":{}{},\"data\":[", epoch(now), answer.rest);
    for (const Image& image : answer.images) {
        if (out.back() != '[') out += ',';
        if (image.base64.empty()) {
            out += "{\"url\":" + json::quote(image.url);
        } else {
            out += "{\"b64_json\":\"";
            out += image.base64;
            out += '"';
        }
        out += image.rest;
        out += '}';
    }
    out += ']';
    if (!answer.usage_json.empty()) out += ",\"usage\":" + answer.usage_json;
    return out + '}';
}

std::string image_events(const ImageAnswer& answer, bool edit, base::WallTime now) {
    const string_view name = edit ? "image_edit.completed" : "image_generation.completed";
    const auto one_line = [](std::string json) {
        std::ranges::replace_if(json, [](char c) { return c == '\n' || c == '\r'; }, ' ');
        return json;
    };
    std::string out;
    for (const Image& image : answer.images) {
        out += fmt::format("event: {0}\ndata: {{\"type\":\"{0}\",\"created_at\":{1}{2},", name,
                           epoch(now), one_line(answer.rest));
        out += "\"b64_json\":\"";
        out += image.base64;
        out += '"';
        if (&image == &answer.images.back() && !answer.usage_json.empty())
            out += ",\"usage\":" + one_line(answer.usage_json);
        out += "}\n\n";
    }
    return out;
}

}  // namespace llm
