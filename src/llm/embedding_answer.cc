#include "llm/classify.h"
#include "llm/embeddings.h"
#include "llm/float_vector.h"
#include "llm/json.h"
#include "llm/ollama.h"
#include "llm/payload.h"
#include "llm/usage_json.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

std::unexpected<Failure> no_answer(std::string detail) {
    return std::unexpected(malformed(std::move(detail)));
}

/// The vectors as they stand in the body, in the order of the inputs; empty views where one is
/// missing.
std::vector<string_view> in_order(string_view list, std::size_t count, bool objects) {
    std::vector<string_view> out;
    std::vector<string_view> placed(count);
    json::Cursor in(list);
    in.enter_array();
    while (in.next_element()) {
        const string_view element = in.value();
        if (!objects) {
            out.push_back(element);
            continue;
        }
        const string_view index = json::member(element, "index");
        const string_view vector = json::member(element, "embedding");
        const std::uint64_t at = json::count(index).value_or(index.empty() ? out.size() : count);
        if (at < count && placed[at].empty()) placed[at] = vector;
        out.push_back(vector);
    }
    if (objects && out.size() == count) return placed;
    return out;
}

std::vector<string_view> vectors_in(const Upstream& upstream, string_view body, std::size_t count) {
    if (upstream.provider == base::Provider::cohere)
        return in_order(json::member(body, "embeddings", "float"), count, false);
    if (upstream.provider == base::Provider::ollama)
        return in_order(json::member(body, "embeddings"), count, false);
    return in_order(json::member(body, "data"), count, true);
}

std::optional<std::uint64_t> tokens_in(const Upstream& upstream, string_view body) {
    if (upstream.provider == base::Provider::cohere)
        return json::count(json::member(body, "meta", "billed_units", "input_tokens"));
    if (upstream.provider == base::Provider::ollama)
        return json::count(json::member(body, "prompt_eval_count"));
    const string_view usage = json::member(body, "usage");
    const auto prompt = json::count(json::member(usage, "prompt_tokens"));
    return prompt.value_or(0) > 0 ? prompt : json::count(json::member(usage, "total_tokens"));
}

Usage usage_in(const EmbeddingRequest& request, const Upstream& upstream, Batch batch,
               string_view body) {
    Usage usage;
    usage.inputs = static_cast<double>(batch.size());
    if (upstream.provider == base::Provider::ollama) usage.load_ms = ollama::load_ms(body);
    if (const auto tokens = tokens_in(upstream, body); tokens.value_or(0) > 0) {
        usage.prompt = *tokens;
        usage.known = true;
        usage.cost_usd = json::number(json::member(body, "usage", "cost"));
        return usage;
    }
    usage.prompt = estimated_tokens(batch_bytes(request, batch));
    usage.estimated = true;
    return usage;
}

/// The client named a number of dimensions that this target does not have.
std::unexpected<Failure> wrong_size(std::uint64_t wanted, std::size_t got) {
    return std::unexpected(
        Failure{.outcome = Outcome::unsupported,
                .parameter = "dimensions",
                .detail = fmt::format("{} dimensions were asked for, it gave {}", wanted, got)});
}

}  // namespace

std::expected<Vectors, Failure> read_vectors(const EmbeddingRequest& request,
                                             const Upstream& upstream, Batch batch,
                                             string_view text, base::WallTime now) {
    json::Cursor whole(text);
    const string_view body = whole.value();
    if (!whole.complete() || !body.starts_with('{'))
        return no_answer("the body is not one JSON object");
    const std::vector<string_view> found = vectors_in(upstream, body, batch.size());
    if (found.empty()) {
        const bool error = !json::blank(json::member(body, "error")) ||
                           !json::blank(json::member(body, "message"));
        if (error) return std::unexpected(classify_embedded(upstream.provider, body, now));
        return no_answer("the answer has no vectors");
    }
    if (found.size() != batch.size())
        return no_answer(fmt::format("{} vectors for {} inputs", found.size(), batch.size()));
    Vectors out;
    for (std::size_t i = 0; i < found.size(); ++i) {
        std::optional<FloatVector> vector = float_vector(found[i], request.base64);
        if (!vector) return no_answer(fmt::format("vector {} is not a list of finite numbers", i));
        if (i > 0 && vector->length != out.dimensions)
            return no_answer(fmt::format("vectors of {} and of {} numbers in one answer",
                                         out.dimensions, vector->length));
        out.dimensions = vector->length;
        out.vectors.push_back(std::move(vector->json));
    }
    if (request.dimensions && *request.dimensions != out.dimensions)
        return wrong_size(*request.dimensions, out.dimensions);
    out.usage = usage_in(request, upstream, batch, body);
    return out;
}

}  // namespace llm
