#include "llm/embedding_rules.h"
#include "llm/embeddings.h"
#include "llm/json.h"
#include "llm/ollama.h"
#include "llm/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace llm {
namespace {

using base::ErrorKind;
using base::Provider;
using std::string_view;

std::uint64_t weight(const EmbeddingRequest& request, std::size_t input) {
    const string_view value = request.body.at(request.inputs[input]);
    if (!request.tokens) return value.size() - 2;
    return static_cast<std::uint64_t>(std::ranges::count(value, ',') + 1) * kTokenBytes;
}

std::string list_of(const EmbeddingRequest& request, Batch batch) {
    std::string out = "[";
    for (std::size_t i = batch.begin; i < batch.end; ++i) {
        if (out.size() > 1) out += ',';
        out += request.body.at(request.inputs[i]);
    }
    return out + ']';
}

/// Members that pass on in OpenAI's protocol, as far as the provider knows them. Of Ollama's none
/// has a place there.
void add_others(const EmbeddingRequest& request, const embedding::Rules& rules,
                Parameters& parameters, ObjectWriter& body) {
    if (request.client != EmbeddingClient::openai) return;
    for (const Extra& wish : request.wishes.parameters) {
        const bool ours = wish.key == "dimensions" || wish.key == "encoding_format";
        const bool unknown =
            rules.closed && std::ranges::find(rules.allow, wish.key) == rules.allow.end();
        const bool foreign = std::ranges::find(rules.drop, wish.key) != rules.drop.end();
        if (ours || unknown || foreign) continue;
        if (const string_view value = parameters.get(wish.key); !value.empty())
            body.set(wish.key, std::string(value));
    }
}

Call openai_call(const EmbeddingRequest& request, const Upstream& upstream, Batch batch) {
    const embedding::Rules& rules = embedding::rules(upstream.provider);
    Parameters parameters(request.wishes, upstream);
    ObjectWriter body;
    body.set("model", json::quote(upstream.model));
    const bool one = request.single && batch.size() == 1;
    body.set("input", one ? std::string(request.body.at(request.inputs[batch.begin]))
                          : list_of(request, batch));
    if (const string_view wanted = parameters.get("dimensions"); !wanted.empty())
        body.set(rules.dimensions, std::string(wanted));
    const string_view format = parameters.get("encoding_format");
    if (rules.base64 && format == "\"base64\"") body.set("encoding_format", std::string(format));
    add_others(request, rules, parameters, body);
    parameters.finish(body);
    return {"/embeddings", body.str(), parameters.changes()};
}

/// What Cohere's models are trained for; OpenAI's callers don't say it.
constexpr string_view kSearchDocument = "\"search_document\"";
/// The sizes that Cohere cuts its vectors to.
constexpr auto kCohereSizes = std::to_array<std::uint64_t>({256, 512, 1024, 1536});

base::Result<Call> cohere_call(const EmbeddingRequest& request, const Upstream& upstream,
                               Batch batch) {
    Parameters parameters(request.wishes, upstream);
    parameters.used("encoding_format");
    ObjectWriter body;
    body.set("model", json::quote(upstream.model));
    const string_view type = parameters.get("input_type");
    body.set("input_type", std::string(type.empty() ? kSearchDocument : type));
    body.set("texts", list_of(request, batch));
    body.set("embedding_types", R"(["float"])");
    if (const auto wanted = json::count(parameters.get("dimensions"))) {
        if (std::ranges::find(kCohereSizes, *wanted) == kCohereSizes.end())
            return base::fail(ErrorKind::unsupported,
                              fmt::format("cohere has no vectors of {} dimensions", *wanted));
        body.set("output_dimension", std::to_string(*wanted));
    }
    const Extra* cut = request.wishes.find("truncate");
    if (cut && cut->json.starts_with('"'))
        body.set("truncate", std::string(parameters.get(cut->key)));
    parameters.finish(body);
    return Call{"/v2/embed", body.str(), parameters.changes()};
}

Call ollama_call(const EmbeddingRequest& request, const Upstream& upstream, Batch batch) {
    Parameters parameters(request.wishes, upstream);
    parameters.used("encoding_format");
    ObjectWriter body, options;
    body.set("model", json::quote(upstream.model));
    body.set("input", list_of(request, batch));
    if (const string_view wanted = parameters.get("dimensions"); !wanted.empty())
        body.set("dimensions", std::string(wanted));
    const Extra* cut = request.wishes.find("truncate");
    if (cut && json::boolean(cut->json))
        body.set("truncate", std::string(parameters.get(cut->key)));
    ollama::keep_own_word(parameters);
    if (!parameters.configured("keep_alive"))
        if (const string_view keep = parameters.get("keep_alive"); !keep.empty())
            body.set("keep_alive", std::string(keep));
    std::vector<std::string> changes;
    const std::string own = ollama::client_options(parameters.get("options"), changes);
    for (const Extra* extra : parameters.natives()) ollama::add_native(*extra, body, options);
    ollama::add_native({"options", own}, body, options);
    if (!options.empty()) body.set("options", options.str());
    std::ranges::move(parameters.changes(), std::back_inserter(changes));
    return {"/api/embed", body.str(), std::move(changes)};
}

}  // namespace

std::uint64_t batch_bytes(const EmbeddingRequest& request, Batch batch) {
    std::uint64_t bytes = 0;
    for (std::size_t i = batch.begin; i < batch.end; ++i) bytes += weight(request, i);
    return bytes;
}

std::vector<Batch> batches(const EmbeddingRequest& request, Provider provider) {
    const embedding::Rules& rules = embedding::rules(provider);
    std::vector<Batch> out;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < request.inputs.size(); ++i) {
        const std::uint64_t next = weight(request, i);
        const bool full =
            !out.empty() && (out.back().size() == rules.most_inputs ||
                             (rules.most_bytes > 0 && bytes + next > rules.most_bytes));
        if (out.empty() || full) {
            out.push_back({i, i});
            bytes = 0;
        }
        out.back().end = i + 1;
        bytes += next;
    }
    return out;
}

std::uint64_t most_batches(Provider provider, std::uint64_t inputs, std::uint64_t bytes) {
    const embedding::Rules& rules = embedding::rules(provider);
    const std::uint64_t by_count = (inputs + rules.most_inputs - 1) / rules.most_inputs;
    // Of two neighbours that were parted for their bytes, both together are more than one holds.
    const bool fits = rules.most_bytes == 0 || bytes <= rules.most_bytes;
    const std::uint64_t by_bytes = fits ? 0 : 2 * bytes / rules.most_bytes;
    return std::clamp<std::uint64_t>(by_count + by_bytes, 1, std::max<std::uint64_t>(inputs, 1));
}

base::Result<Call> embedding_call(const EmbeddingRequest& request, const Upstream& upstream,
                                  Batch batch) {
    const embedding::Rules& rules = embedding::rules(upstream.provider);
    if (upstream.provider == Provider::anthropic)
        return base::fail(ErrorKind::unsupported, "anthropic has no embeddings");
    if (request.tokens && !rules.tokens)
        return base::fail(ErrorKind::unsupported, fmt::format("{} takes texts, not token ids",
                                                              base::name(upstream.provider)));
    if (upstream.provider == Provider::cohere) return cohere_call(request, upstream, batch);
    if (upstream.provider == Provider::ollama) return ollama_call(request, upstream, batch);
    return openai_call(request, upstream, batch);
}

}  // namespace llm
