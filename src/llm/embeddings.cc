#include "llm/embeddings.h"

#include "llm/json.h"
#include "llm/usage_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace llm {
namespace {

using base::ErrorKind;
using std::string_view;

std::unexpected<base::Error> refuse(std::string text) {
    return base::fail(ErrorKind::bad_input, std::move(text));
}

string_view inputs_key(EmbeddingClient client) {
    return client == EmbeddingClient::ollama_embeddings ? "prompt" : "input";
}

/// Reads the inputs: one text, several, token ids, several lists of them.
class InputReader {
public:
    explicit InputReader(EmbeddingRequest& request)
        : request_(request), key_(inputs_key(request.client)) {}

    base::Result<void> read() {
        const string_view value = request_.body.value(key_);
        const bool list = request_.client != EmbeddingClient::ollama_embeddings;
        if (value.empty()) return refuse(fmt::format("`{}` is missing; send {}", key_, wanted()));
        if (value.starts_with('"')) {
            request_.single = true;
            return text(value, std::string(key_));
        }
        if (!value.starts_with('[') || !list)
            return refuse(fmt::format("`{}` must be {}, not {}", key_, wanted(), type_name(value)));
        return elements(value);
    }

private:
    string_view wanted() const {
        switch (request_.client) {
            case EmbeddingClient::openai:
                return "a string, an array of strings or an array of token ids";
            case EmbeddingClient::ollama_embed: return "a string or an array of strings";
            case EmbeddingClient::ollama_embeddings: break;
        }
        return "a string";
    }

    base::Result<void> elements(string_view list) {
        json::Cursor in(list);
        in.enter_array();
        char first = 0;
        while (in.next_element()) {
            const string_view value = in.value();
            const char kind = kind_of(value);
            const std::string name = fmt::format("{}[{}]", key_, request_.inputs.size());
            if (first == 0 && kind == '0' && request_.client == EmbeddingClient::openai) {
                request_.single = true;
                return tokens(list, std::string(key_));
            }
            if (first == 0) first = kind;
            if (kind != first)
                return refuse(fmt::format("`{}` is {}, but those before it are not; send one kind",
                                          name, type_name(value)));
            if (request_.inputs.size() == kMostInputs)
                return refuse(
                    fmt::format("`{}` has more than {} inputs; send them in several "
                                "requests",
                                key_, kMostInputs));
            if (auto read = element(value, name); !read) return read;
        }
        if (first == 0) return refuse(fmt::format("`{}` is empty; send {}", key_, wanted()));
        return {};
    }

    base::Result<void> element(string_view value, const std::string& name) {
        if (value.starts_with('"')) return text(value, name);
        if (value.starts_with('[') && request_.client == EmbeddingClient::openai)
            return tokens(value, name);
        return refuse(fmt::format("`{}` must be a string, not {}", name, type_name(value)));
    }

    base::Result<void> text(string_view value, const std::string& name) {
        if (value == "\"\"") return refuse(fmt::format("`{}` is empty; leave it out", name));
        add(value, value.size() - 2);
        return {};
    }

    base::Result<void> tokens(string_view list, const std::string& name) {
        json::Cursor in(list);
        std::uint64_t count = 0;
        in.enter_array();
        while (in.next_element()) {
            const string_view value = in.value();
            if (!json::count(value))
                return refuse(fmt::format("`{}[{}]` must be a token id (a whole number), not {}",
                                          name, count, base::shown(value, 40)));
            ++count;
        }
        if (count == 0) return refuse(fmt::format("`{}` is empty; leave it out", name));
        request_.tokens = true;
        add(list, count * kTokenBytes);
        return {};
    }

    void add(string_view value, std::uint64_t bytes) {
        request_.inputs.push_back(request_.body.span(value));
        request_.input_bytes += bytes;
        request_.largest_input = std::max(request_.largest_input, bytes);
    }

    /// `"`, `[`, 0 for numbers, another byte for what is never an input.
    static char kind_of(string_view value) {
        const char c = value.front();
        return c == '-' || (c >= '0' && c <= '9') ? '0' : c;
    }

    EmbeddingRequest& request_;
    const string_view key_;
};

base::Result<void> read_wishes(EmbeddingRequest& request) {
    const string_view format = request.body.value("encoding_format");
    const bool openai = request.client == EmbeddingClient::openai;
    if (openai && !format.empty() && format != "\"float\"" && format != "\"base64\"")
        return refuse("`encoding_format` must be \"float\" or \"base64\"");
    request.base64 = openai && format == "\"base64\"";
    if (const string_view value = request.body.value("dimensions"); !value.empty()) {
        request.dimensions = json::count(value);
        if (request.dimensions.value_or(0) == 0)
            return refuse(fmt::format("`dimensions` must be a whole number above 0, not {}",
                                      base::shown(value, 40)));
    }
    for (const Member& member : request.body.members)
        if (member.key != "model" && member.key != inputs_key(request.client))
            request.wishes.parameters.push_back(
                {member.key, std::string(request.body.at(member.value))});
    return {};
}

std::string usage_of(const Usage& usage) {
    return fmt::format(R"({{"prompt_tokens":{0},"total_tokens":{0}{1}}})", usage.prompt,
                       usage.estimated ? R"(,"freeway_estimated":true)" : "");
}

std::string joined(const std::vector<std::string>& vectors) {
    std::string out;
    for (const std::string& vector : vectors) {
        if (!out.empty()) out += ',';
        out += vector;
    }
    return out;
}

std::string openai_answer(string_view id, string_view alias, const Vectors& vectors) {
    std::string out = fmt::format(R"({{"id":{},"object":"list","data":[)", json::quote(id));
    for (std::size_t i = 0; i < vectors.vectors.size(); ++i)
        fmt::format_to(std::back_inserter(out),
                       R"({}{{"object":"embedding","index":{},"embedding":{}}})", i == 0 ? "" : ",",
                       i, vectors.vectors[i]);
    return fmt::format(R"({}],"model":{},"usage":{}}})", out, json::quote(alias),
                       usage_of(vectors.usage));
}

}  // namespace

base::Result<EmbeddingRequest> parse_embeddings(std::string text, EmbeddingClient client) {
    EmbeddingRequest request;
    request.client = client;
    auto body =
        read_request_body(std::move(text), fmt::format("`model` and `{}`", inputs_key(client)));
    if (!body) return std::unexpected(body.error());
    request.body = std::move(*body);
    auto model = read_model_name(request.body.value("model"));
    if (!model) return std::unexpected(model.error());
    request.model = std::move(*model);
    if (auto read = InputReader(request).read(); !read) return std::unexpected(read.error());
    if (auto read = read_wishes(request); !read) return std::unexpected(read.error());
    return request;
}

std::optional<Failure> append(Vectors& all, Vectors batch) {
    if (all.dimensions != 0 && batch.dimensions != all.dimensions)
        return Failure{.outcome = Outcome::malformed,
                       .detail = fmt::format("vectors of {} and of {} numbers in one answer",
                                             all.dimensions, batch.dimensions)};
    const bool first = all.vectors.empty();
    all.dimensions = batch.dimensions;
    std::ranges::move(batch.vectors, std::back_inserter(all.vectors));
    all.usage.prompt += batch.usage.prompt;
    all.usage.inputs += batch.usage.inputs;
    all.usage.load_ms += batch.usage.load_ms;
    all.usage.known = batch.usage.known && (first || all.usage.known);
    all.usage.estimated = all.usage.estimated || batch.usage.estimated;
    if (batch.usage.cost_usd)
        all.usage.cost_usd = all.usage.cost_usd.value_or(0) + *batch.usage.cost_usd;
    return std::nullopt;
}

std::string embedding_answer(const EmbeddingRequest& request, string_view id, string_view alias,
                             const Vectors& vectors, base::Duration took) {
    switch (request.client) {
        case EmbeddingClient::openai: return openai_answer(id, alias, vectors);
        case EmbeddingClient::ollama_embed:
            return fmt::format(
                R"({{"model":{},"embeddings":[{}],"total_duration":{},"load_duration":0,)"
                R"("prompt_eval_count":{}}})",
                json::quote(alias), joined(vectors.vectors), std::chrono::nanoseconds(took).count(),
                vectors.usage.prompt);
        case EmbeddingClient::ollama_embeddings: break;
    }
    return fmt::format(R"({{"embedding":{}}})", joined(vectors.vectors));
}

}  // namespace llm
