#include "llm/image_dialects.h"

#include "base/units.h"
#include "llm/classify.h"
#include "llm/image_fields.h"
#include "llm/json.h"
#include "llm/payload.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace llm {
namespace {

using std::string_view;

constexpr string_view kUsualBackend = "hf-inference";
/// Policies of the router's own choice, which its native routes do not have.
constexpr string_view kPolicies[] = {"fastest", "cheapest", "preferred", "auto"};

/// Ids of a backend for a model that the Hub names otherwise.
struct OwnId {
    string_view model;
    string_view backend;
    string_view id;
};
constexpr OwnId kOwnIds[] = {
    {"black-forest-labs/FLUX.1-schnell", "fal-ai", "fal-ai/flux/schnell"},
    {"black-forest-labs/FLUX.1-schnell", "replicate", "black-forest-labs/flux-schnell"},
    {"black-forest-labs/FLUX.1-schnell", "wavespeed", "wavespeed-ai/flux-schnell"},
    {"black-forest-labs/FLUX.1-dev", "fal-ai", "fal-ai/flux/dev"},
    {"black-forest-labs/FLUX.1-dev", "replicate", "black-forest-labs/flux-dev"},
    {"black-forest-labs/FLUX.1-dev", "wavespeed", "wavespeed-ai/flux-dev"},
};

struct Place {
    string_view backend;
    string_view model;  ///< in the backend's own words
};

/// `owner/name:backend`.
Place place_of(string_view model) {
    const std::size_t colon = model.rfind(':');
    const bool named = colon != model.npos && model.find('/', colon) == model.npos;
    Place place{named ? model.substr(colon + 1) : kUsualBackend, model.substr(0, colon)};
    if (!named) place.model = model;
    if (std::ranges::find(kPolicies, place.backend) != std::end(kPolicies))
        place.backend = kUsualBackend;
    for (const OwnId& own : kOwnIds)
        if (own.model == place.model && own.backend == place.backend) place.model = own.id;
    return place;
}

constexpr string_view kTuning[] = {"seed", "negative_prompt", "guidance_scale",
                                   "num_inference_steps"};

/// An object under construction.
class Body {
public:
    void add(string_view key, std::string json) { fields_.push_back({std::string(key), json}); }
    void add(const Extra& field) { fields_.push_back(field); }
    std::string str() const {
        std::string out = "{";
        for (const Extra& field : fields_) {
            if (out.size() > 1) out += ',';
            out += json::quote(field.key) + ':' + field.json;
        }
        return out + '}';
    }

private:
    std::vector<Extra> fields_;
};

/// What a backend's route needs of a request.
struct Prepared {
    std::string prompt;  ///< JSON
    std::uint64_t n;
    std::optional<ImageSize> size;
    std::vector<Extra> tuning;  ///< seed and the like, and what configuration adds

    void add_tuning(Body& body) const {
        for (const Extra& field : tuning) body.add(field);
    }
    void add_sides(Body& body) const {
        if (!size) return;
        body.add("width", std::to_string(size->width));
        body.add("height", std::to_string(size->height));
    }
};

using Write = void (*)(const Prepared&, const Place&, Delivery, ImageCall&);

void write_hf_inference(const Prepared& from, const Place& place, Delivery, ImageCall& call) {
    Body parameters;
    from.add_sides(parameters);
    from.add_tuning(parameters);
    Body body;
    body.add("inputs", from.prompt);
    body.add("parameters", parameters.str());
    call.path = fmt::format("/hf-inference/models/{}", place.model);
    call.body = body.str();
}

void write_together(const Prepared& from, const Place& place, Delivery wanted, ImageCall& call) {
    Body body;
    body.add("prompt", from.prompt);
    body.add("model", json::quote(place.model));
    body.add("n", std::to_string(from.n));
    from.add_sides(body);
    for (Extra field : from.tuning) {
        if (field.key == "num_inference_steps") field.key = "steps";
        body.add(field);
    }
    body.add("response_format", wanted == Delivery::url ? R"("url")" : R"("base64")");
    call.path = "/together/v1/images/generations";
    call.body = body.str();
}

void write_nscale(const Prepared& from, const Place& place, Delivery, ImageCall& call) {
    Body body;
    body.add("prompt", from.prompt);
    body.add("model", json::quote(place.model));
    body.add("n", std::to_string(from.n));
    if (from.size) body.add("size", json::quote(from.size->text()));
    from.add_tuning(body);
    body.add("response_format", R"("b64_json")");
    call.path = "/nscale/v1/images/generations";
    call.body = body.str();
}

void write_fal(const Prepared& from, const Place& place, Delivery, ImageCall& call) {
    Body body;
    body.add("prompt", from.prompt);
    if (from.size) {
        Body size;
        from.add_sides(size);
        body.add("image_size", size.str());
    }
    if (from.n > 1) body.add("num_images", std::to_string(from.n));
    from.add_tuning(body);
    call.path = fmt::format("/fal-ai/{}?_subdomain=queue", place.model);
    call.body = body.str();
}

void write_replicate(const Prepared& from, const Place& place, Delivery, ImageCall& call) {
    Body input;
    input.add("prompt", from.prompt);
    from.add_sides(input);
    from.add_tuning(input);
    Body body;
    body.add("input", input.str());
    call.path = fmt::format("/replicate/v1/models/{}/predictions", place.model);
    call.headers = "Prefer: wait\r\n";
    call.body = body.str();
}

void write_wavespeed(const Prepared& from, const Place& place, Delivery, ImageCall& call) {
    Body body;
    body.add("prompt", from.prompt);
    if (from.size)
        body.add("size", json::quote(fmt::format("{}*{}", from.size->width, from.size->height)));
    from.add_tuning(body);
    call.path = fmt::format("/wavespeed/api/v3/{}", place.model);
    call.body = body.str();
}

/// Path and query of an address that an answer named; empty if it is none.
std::string path_of(string_view json_text) {
    const std::string url = json::text(json_text).value_or("");
    const std::size_t scheme = url.find("://");
    const std::size_t path = url.find('/', scheme == url.npos ? 0 : scheme + 3);
    const bool plain = std::ranges::all_of(url, [](char c) { return c > ' ' && c < 127; });
    if (path == url.npos || !plain || url.find("/..") != url.npos) return {};
    return url.substr(path, url.find('#') - path);
}

std::expected<ImageReply, Failure> refused(const Upstream& upstream, string_view why,
                                           string_view body, base::WallTime now) {
    if (why.starts_with('{') || !json::text(why).value_or("").empty())
        return std::unexpected(
            classify_embedded(upstream.provider, fmt::format(R"({{"error":{}}})", why), now));
    const std::string detail = json::text(json::member(body, "detail")).value_or("");
    return std::unexpected(malformed(detail.empty() ? "the backend failed without a reason"
                                                    : base::shown(detail, 300)));
}

/// `output`, `outputs`: an address or a list of them.
ImageReply outputs(string_view value) {
    ImageReply reply;
    const auto add = [&](string_view element) {
        if (auto url = json::text(element); url && !url->empty())
            reply.answer.images.push_back({.url = std::move(*url)});
    };
    add(value);
    json::Cursor in(value);
    if (value.starts_with('[') && in.enter_array())
        while (in.next_element()) add(in.value());
    reply.answer.usage.images = static_cast<double>(reply.answer.images.size());
    return reply;
}

std::expected<ImageReply, Failure> whole(ImageReply reply) {
    if (reply.answer.images.empty())
        return std::unexpected(malformed("an answer without an image"));
    return reply;
}

using Read = std::expected<ImageReply, Failure> (*)(const Upstream&, string_view path,
                                                    string_view body, base::WallTime);

/// The image itself, or OpenAI's shape.
std::expected<ImageReply, Failure> read_plain(const Upstream& upstream, string_view,
                                              string_view body, base::WallTime now) {
    ImageReply reply;
    if (!image_type(body).empty()) {
        reply.answer.images.push_back({.bytes = std::string(body)});
        reply.answer.usage.images = 1;
        return reply;
    }
    auto answer = read_images_json(upstream, body, now);
    if (!answer) return std::unexpected(answer.error());
    reply.answer = std::move(*answer);
    return reply;
}

/// A queue: submitted, then its state, then the result.
std::expected<ImageReply, Failure> read_fal(const Upstream& upstream, string_view path,
                                            string_view body, base::WallTime now) {
    constexpr string_view kQuery = "?_subdomain=queue";
    constexpr string_view kState = "/status";
    const std::string state = json::text(json::member(body, "status")).value_or("");
    string_view asked = path.substr(0, path.find('?'));
    if (const string_view error = json::member(body, "error"); !json::blank(error))
        return refused(upstream, error, body, now);
    if (asked.ends_with(kState)) {
        if (state != "COMPLETED") return ImageReply{.next = std::string(path), .wait = true};
        asked.remove_suffix(kState.size());
        return ImageReply{.next = fmt::format("{}{}", asked, kQuery)};
    }
    const std::string result = path_of(json::member(body, "response_url"));
    if (!result.empty() && json::member(body, "images").empty()) {
        const string_view clean = string_view(result).substr(0, result.find('?'));
        return ImageReply{.next = fmt::format("/fal-ai{}{}{}", clean, kState, kQuery),
                          .wait = true};
    }
    auto answer = read_images_json(upstream, body, now);
    if (!answer) return std::unexpected(answer.error());
    for (Image& image : answer->images) image.rest.clear();
    answer->rest.clear();
    return ImageReply{.answer = std::move(*answer)};
}

std::expected<ImageReply, Failure> read_replicate(const Upstream& upstream, string_view,
                                                  string_view body, base::WallTime now) {
    const std::string state = json::text(json::member(body, "status")).value_or("");
    if (const string_view error = json::member(body, "error"); !json::blank(error))
        return refused(upstream, error, body, now);
    if (state == "failed" || state == "canceled") return refused(upstream, {}, body, now);
    const string_view output = json::member(body, "output");
    if (!json::blank(output)) return whole(outputs(output));
    const std::string next = path_of(json::member(body, "urls", "get"));
    if (next.empty()) return std::unexpected(malformed("an answer without an image"));
    return ImageReply{.next = "/replicate" + next, .wait = true};
}

std::expected<ImageReply, Failure> read_wavespeed(const Upstream& upstream, string_view,
                                                  string_view body, base::WallTime now) {
    const string_view data = json::member(body, "data");
    const std::string state = json::text(json::member(data, "status")).value_or("");
    if (const string_view error = json::member(data, "error"); !json::blank(error))
        return refused(upstream, error, body, now);
    if (state == "failed") return refused(upstream, {}, body, now);
    const string_view images = json::member(data, "outputs");
    if (!json::blank(images)) return whole(outputs(images));
    const std::string next = path_of(json::member(data, "urls", "get"));
    if (next.empty() || state == "completed")
        return std::unexpected(malformed("an answer without an image"));
    return ImageReply{.next = "/wavespeed" + next, .wait = true};
}

/// Routes of the router's backends (provider-wire section 4).
struct Backend {
    string_view name;
    bool several;  ///< more than one image a call
    Write write;
    Read read;
};
constexpr Backend kBackends[] = {
    {"hf-inference", false, write_hf_inference, read_plain},
    {"together", true, write_together, read_plain},
    {"nscale", true, write_nscale, read_plain},
    {"fal-ai", true, write_fal, read_fal},
    {"replicate", false, write_replicate, read_replicate},
    {"wavespeed", false, write_wavespeed, read_wavespeed},
};

const Backend* backend_of(const Place& place) {
    const auto found = std::ranges::find(kBackends, place.backend, &Backend::name);
    return found == std::end(kBackends) ? nullptr : found;
}

class HuggingFaceImages : public ImageDialect {
public:
    base::Result<ImageCall> call(const ImageRequest& request, const Upstream& upstream,
                                 Delivery wanted) const override {
        const Place place = place_of(upstream.model);
        const Backend* backend = backend_of(place);
        const auto cannot = [](std::string what) {
            return base::fail(base::ErrorKind::unsupported, std::move(what));
        };
        if (!backend)
            return cannot(fmt::format("no route to images of the backend {} is known",
                                      base::shown(place.backend, 40)));
        if (request.edit) return cannot("Hugging Face's routes edit no images");
        if (!backend->several && request.n > 1)
            return cannot(fmt::format("{} draws one image a request", backend->name));

        ImageFields fields(request, upstream);
        const Prepared prepared = prepare(fields, request);
        ImageCall call;
        call.at_root = true;
        backend->write(prepared, place, wanted, call);
        call.changes = std::move(fields.changes());
        return call;
    }

    std::expected<ImageReply, Failure> read(const Upstream& upstream, string_view path,
                                            string_view body, base::WallTime now) const override {
        const Backend* backend = backend_of(place_of(upstream.model));
        return backend->read(upstream, path, body, now);
    }

private:
    static Prepared prepare(ImageFields& fields, const ImageRequest& request) {
        for (const string_view handled :
             {"model", "prompt", "n", "response_format", "stream", "user"})
            fields.take(handled);
        fields.remove("partial_images");
        fields.rename("steps", "num_inference_steps");
        fields.rename("cfg_scale", "guidance_scale");
        Prepared prepared{
            json::quote(request.prompt), request.n, image_size(fields.text("size")), {}};
        if (prepared.size)
            fields.take("size");
        else
            fields.remove("size");
        fields.keep_only(kTuning);
        prepared.tuning = fields.all();
        return prepared;
    }
};

}  // namespace

const ImageDialect& huggingface_images() {
    static const HuggingFaceImages dialect;
    return dialect;
}

}  // namespace llm
