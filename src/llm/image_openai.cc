#include "llm/image_dialects.h"

#include "llm/image_fields.h"
#include "llm/json.h"
#include "llm/multipart.h"
#include "llm/payload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace llm {
namespace {

using std::string_view;

constexpr ImageSize kDallE2[] = {{256, 256}, {512, 512}, {1024, 1024}};
constexpr ImageSize kDallE3[] = {{1024, 1024}, {1792, 1024}, {1024, 1792}};
constexpr ImageSize kGptImage[] = {{1024, 1024}, {1536, 1024}, {1024, 1536}};

constexpr string_view kDallE2Takes[] = {"model", "prompt", "n", "size", "response_format", "user"};
constexpr string_view kDallE3Takes[] = {"model", "prompt",          "n",   "size", "quality",
                                        "style", "response_format", "user"};
constexpr string_view kGptImageTakes[] = {"model",
                                          "prompt",
                                          "n",
                                          "size",
                                          "quality",
                                          "background",
                                          "output_format",
                                          "moderation",
                                          "output_compression",
                                          "input_fidelity",
                                          "partial_images",
                                          "stream",
                                          "user"};
/// What the wrapper's sd-server reads, and what goes into the tag.
constexpr string_view kSdcppTakes[] = {"model", "prompt",        "n",
                                       "size",  "output_format", "output_compression"};

enum class Edits { no, yes };

/// What one family of models takes (provider-wire section 8).
struct Family {
    string_view named;                     ///< part of the model's name
    std::span<const string_view> takes{};  ///< empty: everything
    std::span<const ImageSize> sizes{};    ///< empty: any
    bool one_image = false;
    bool chooses_format = true;  ///< response_format is understood
    bool automatic = false;      ///< `auto` is a size
    bool streams = false;
    Edits edits = Edits::yes;
};

constexpr Family kFamilies[] = {
    {.named = "dall-e-3",
     .takes = kDallE3Takes,
     .sizes = kDallE3,
     .one_image = true,
     .edits = Edits::no},
    {.named = "dall-e-2", .takes = kDallE2Takes, .sizes = kDallE2},
    {.named = "gpt-image",
     .takes = kGptImageTakes,
     .sizes = kGptImage,
     .chooses_format = false,
     .automatic = true,
     .streams = true},
    {.named = "local-sdcpp-", .takes = kSdcppTakes, .chooses_format = false, .edits = Edits::no},
};
constexpr Family kOther{};

const Family& family_of(string_view model) {
    for (const Family& family : kFamilies)
        if (model.find(family.named) != model.npos) return family;
    return kOther;
}

bool is(const Family& family, string_view name) { return family.named == name; }

void fit_size(ImageFields& fields, const Family& family) {
    const std::string given = fields.text("size");
    if (given.empty()) return;
    const auto wanted = image_size(given);
    if (!wanted) {
        if (!family.automatic) fields.remove("size");
        return;
    }
    if (!family.sizes.empty()) fields.change("size", nearest_size(*wanted, family.sizes).text());
}

/// stable-diffusion draws in blocks of 64 pixels, and what is far larger takes all the memory.
void fit_blocks(ImageFields& fields) {
    constexpr std::uint64_t kBlock = 64;
    constexpr std::uint64_t kMost = 2048;
    const auto wanted = image_size(fields.text("size"));
    if (!wanted) return;
    const auto side = [=](std::uint64_t pixels) {
        return std::clamp((pixels + kBlock / 2) / kBlock * kBlock, kBlock, kMost);
    };
    fields.change("size", ImageSize{side(wanted->width), side(wanted->height)}.text());
}

void fit_quality(ImageFields& fields, const Family& family) {
    const std::string given = fields.text("quality");
    if (is(family, "dall-e-3")) {
        if (given == "high") fields.change("quality", "hd");
        if (given == "low" || given == "medium" || given == "auto")
            fields.change("quality", "standard");
    } else if (is(family, "gpt-image")) {
        if (given == "hd") fields.change("quality", "high");
        if (given == "standard") fields.change("quality", "auto");
    }
}

constexpr string_view kTagName = "sd_cpp_extra_args";
constexpr string_view kTagBegin = "<sd_cpp_extra_args>";
constexpr string_view kTagEnd = "</sd_cpp_extra_args>";

/// A tag inside the prompt would command the server. Each goes with what it holds, one that is not
/// closed with all that follows; what is left joins to no new one.
std::string without_tags(string_view prompt) {
    std::string out;
    out.reserve(prompt.size());
    std::optional<std::size_t> begun;
    for (const char c : prompt) {
        out += c;
        if (c != '>') continue;
        if (out.ends_with(kTagEnd))
            out.resize(begun ? *std::exchange(begun, std::nullopt) : out.size() - kTagEnd.size());
        else if (!begun && out.ends_with(kTagBegin))
            begun = out.size() - kTagBegin.size();
    }
    if (begun) out.resize(*begun);
    return out;
}

/// What sd-server takes only inside the prompt: seed, steps and the like.
std::string sdcpp_tag(ImageFields& fields) {
    constexpr std::uint64_t kMostSteps = 150;
    if (fields.get("steps").empty()) fields.rename("num_inference_steps", "steps");
    if (fields.get("cfg_scale").empty()) fields.rename("guidance_scale", "cfg_scale");
    std::string json;
    const auto add = [&](string_view key, const std::string& value) {
        json += fmt::format("{}\"{}\":{}", json.empty() ? "" : ",", key, value);
    };
    for (const string_view key : {"seed", "cfg_scale", "steps"}) {
        const string_view value = fields.get(key);
        if (value.empty() || !(value[0] == '-' || (value[0] >= '0' && value[0] <= '9'))) continue;
        const auto steps = json::count(value);
        if (key == "steps" && (!steps || *steps == 0 || *steps > kMostSteps)) continue;
        add(key, fields.take(key));
    }
    if (const std::string negative = fields.text("negative_prompt"); !negative.empty()) {
        fields.take("negative_prompt");
        std::string quoted = json::quote(without_tags(negative));
        for (std::size_t at = quoted.find('<'); at != quoted.npos; at = quoted.find('<', at))
            quoted.replace(at, 1, "\\u003c");
        add("negative_prompt", quoted);
    }
    return json.empty() ? json : fmt::format("{}{{{}}}{}", kTagBegin, json, kTagEnd);
}

/// What a client may not say in the prompt is taken out of it; what it may say otherwise is put in.
/// Whatever stands behind may be an sd-server, which obeys the tag.
void remove_tags(ImageFields& fields, const Upstream& upstream) {
    const std::string given = fields.text("prompt");
    if (!given.contains(kTagBegin)) return;
    if (std::ranges::find(upstream.allow, kTagName) != upstream.allow.end()) return;
    fields.set("prompt", json::quote(without_tags(given)));
    fields.changes().push_back("removed sd_cpp_extra_args from prompt");
}

void fit_sdcpp(ImageFields& fields, const Upstream& upstream) {
    fit_blocks(fields);
    const std::string given = fields.text("prompt");
    const bool allowed = std::ranges::find(upstream.allow, kTagName) != upstream.allow.end();
    if (allowed && given.contains(kTagBegin)) return;
    const std::string prompt = without_tags(given);
    if (prompt != given) fields.changes().push_back("removed sd_cpp_extra_args from prompt");
    fields.set("prompt", json::quote(prompt + sdcpp_tag(fields)));
}

/// The client's own form with other members.
std::string form(const ImageFields& fields, const ImageRequest& request) {
    std::size_t size = 64u << 10;
    for (const Upload& upload : request.uploads) size += upload.bytes.size();
    std::string out;
    out.reserve(size);
    for (const Extra& field : fields.all())
        append_field(out, request.boundary, field.key, json::text(field.json).value_or(field.json));
    for (const Upload& upload : request.uploads) {
        append_part(out, request.boundary, {upload.field, upload.filename, upload.media_type});
        out += upload.bytes;
        out += "\r\n";
    }
    append_closing(out, request.boundary);
    return out;
}

class OpenAiImages : public ImageDialect {
public:
    base::Result<ImageCall> call(const ImageRequest& request, const Upstream& upstream,
                                 Delivery wanted) const override {
        const Family& family = family_of(upstream.model);
        const auto cannot = [&](string_view what) {
            return base::fail(base::ErrorKind::unsupported,
                              fmt::format("{} {}", upstream.model, what));
        };
        if (request.edit && family.edits == Edits::no) return cannot("edits no images");
        if (family.one_image && request.n > 1) return cannot("draws one image a request");

        ImageFields fields(request, upstream);
        fields.set("model", json::quote(upstream.model));
        ImageCall call;
        call.stream = request.stream && family.streams;
        if (!call.stream) {
            fields.take("stream");
            fields.remove("partial_images");
        }
        const bool asked = !fields.take("response_format").empty();
        fit_size(fields, family);
        fit_quality(fields, family);
        if (is(family, "local-sdcpp-"))
            fit_sdcpp(fields, upstream);
        else if (upstream.provider == base::Provider::openai_compatible)
            remove_tags(fields, upstream);
        if (!family.takes.empty()) fields.keep_only(family.takes);
        if (family.chooses_format && (asked || wanted == Delivery::base64))
            fields.set("response_format", wanted == Delivery::url ? R"("url")" : R"("b64_json")");
        call.path = request.edit ? "/images/edits" : "/images/generations";
        call.body = request.edit ? form(fields, request) : fields.json();
        if (request.edit) call.content_type = "multipart/form-data; boundary=" + request.boundary;
        call.changes = std::move(fields.changes());
        return call;
    }

    std::expected<ImageReply, Failure> read(const Upstream& upstream, string_view, string_view body,
                                            base::WallTime now) const override {
        auto answer = read_images_json(upstream, body, now);
        if (!answer) return std::unexpected(answer.error());
        return ImageReply{.answer = std::move(*answer)};
    }
};

}  // namespace

const ImageDialect& openai_images() {
    static const OpenAiImages dialect;
    return dialect;
}

const ImageDialect* image_dialect(base::Provider provider) {
    switch (provider) {
        case base::Provider::huggingface: return &huggingface_images();
        case base::Provider::openai:
        case base::Provider::openrouter:
        case base::Provider::ollama:
        case base::Provider::openai_compatible: return &openai_images();
        default: return nullptr;
    }
}

}  // namespace llm
