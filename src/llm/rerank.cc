#include "llm/rerank.h"

#include "llm/classify.h"
#include "llm/json.h"
#include "llm/parameters.h"
#include "llm/payload.h"
#include "llm/usage_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

namespace llm {
namespace {

using base::ErrorKind;
using base::Provider;
using std::string_view;

/// Cohere bills a query with up to so many documents as one search.
constexpr std::size_t kDocumentsPerSearch = 100;
/// Members that are read here; all others are passed on.
constexpr auto kRead =
    std::to_array<string_view>({"model", "query", "documents", "top_n", "return_documents"});

std::unexpected<base::Error> refuse(std::string text) {
    return base::fail(ErrorKind::bad_input, std::move(text));
}

base::Result<void> read_query(const RerankRequest& request) {
    const string_view query = request.query();
    if (query.empty()) return refuse("`query` is missing; send the text to rank documents for");
    if (!query.starts_with('"'))
        return refuse(fmt::format("`query` must be a string, not {}", type_name(query)));
    if (query == "\"\"") return refuse("`query` is empty; send the text to rank documents for");
    return {};
}

base::Result<void> read_documents(RerankRequest& request) {
    const string_view list = request.body.value("documents");
    if (list.empty()) return refuse("`documents` is missing; send an array of texts");
    if (!list.starts_with('['))
        return refuse(
            fmt::format("`documents` must be an array of texts, not {}", type_name(list)));
    json::Cursor in(list);
    in.enter_array();
    while (in.next_element()) {
        const string_view element = in.value();
        const string_view text = element.starts_with('{') ? json::member(element, "text") : element;
        if (!text.starts_with('"'))
            return refuse(fmt::format(
                "`documents[{}]` must be a string or an object with `text`, not {}",
                request.documents.size(),
                element.starts_with('{') ? "an object without it" : type_name(element)));
        request.documents.push_back(request.body.span(text));
        request.bytes += text.size();
    }
    if (request.documents.empty()) return refuse("`documents` is empty; send at least one text");
    return {};
}

base::Result<void> read_wishes(RerankRequest& request) {
    if (const string_view top = request.body.value("top_n"); !top.empty()) {
        request.top_n = json::count(top);
        if (request.top_n.value_or(0) == 0)
            return refuse(fmt::format("`top_n` must be a whole number above 0, not {}",
                                      base::shown(top, 40)));
    }
    if (const string_view echo = request.body.value("return_documents"); !echo.empty()) {
        const auto on = json::boolean(echo);
        if (!on)
            return refuse(
                fmt::format("`return_documents` must be true or false, not {}", type_name(echo)));
        request.return_documents = *on;
    }
    for (const Member& member : request.body.members)
        if (std::ranges::find(kRead, member.key) == kRead.end())
            request.wishes.parameters.push_back(
                {member.key, std::string(request.body.at(member.value))});
    return {};
}

std::size_t most_places(const RerankRequest& request) {
    const std::size_t all = request.documents.size();
    return request.top_n ? std::min<std::size_t>(all, *request.top_n) : all;
}

std::string texts_of(const RerankRequest& request) {
    std::string out = "[";
    for (const Span document : request.documents) {
        if (out.size() > 1) out += ',';
        out += request.body.at(document);
    }
    return out + ']';
}

std::expected<std::vector<Ranking::Place>, Failure> read_places(const RerankRequest& request,
                                                                string_view results) {
    std::vector<Ranking::Place> places;
    std::vector<bool> seen(request.documents.size());
    json::Cursor in(results);
    in.enter_array();
    while (in.next_element()) {
        const string_view result = in.value();
        const auto index = json::count(json::member(result, "index"));
        string_view score = json::member(result, "relevance_score");
        if (score.empty()) score = json::member(result, "score");
        const auto value = json::number(score);
        if (!index || *index >= seen.size() || seen[*index])
            return std::unexpected(malformed("a result stands for no document of the request"));
        if (!value || !std::isfinite(*value))
            return std::unexpected(malformed("a result has no score"));
        seen[*index] = true;
        places.push_back({*index, *value, score});
    }
    return places;
}

Usage usage_in(const RerankRequest& request, string_view body) {
    Usage usage;
    usage.inputs = static_cast<double>(request.documents.size());
    auto tokens = json::count(json::member(body, "usage", "total_tokens"));
    if (!tokens) tokens = json::count(json::member(body, "meta", "tokens", "input_tokens"));
    usage.known = tokens.value_or(0) > 0;
    usage.estimated = !usage.known;
    usage.prompt = usage.known ? *tokens : estimated_tokens(request.bytes);
    usage.cost_usd = json::number(json::member(body, "usage", "cost"));
    return usage;
}

}  // namespace

base::Result<RerankRequest> parse_rerank(std::string text) {
    RerankRequest request;
    auto body = read_request_body(std::move(text), "`model`, `query` and `documents`");
    if (!body) return std::unexpected(body.error());
    request.body = std::move(*body);
    auto model = read_model_name(request.body.value("model"));
    if (!model) return std::unexpected(model.error());
    request.model = std::move(*model);
    if (auto read = read_query(request); !read) return std::unexpected(read.error());
    request.bytes = request.query().size();
    if (auto read = read_documents(request); !read) return std::unexpected(read.error());
    if (auto read = read_wishes(request); !read) return std::unexpected(read.error());
    return request;
}

base::Result<Call> rerank_call(const RerankRequest& request, const Upstream& upstream) {
    const bool cohere = upstream.provider == Provider::cohere;
    if (upstream.provider == Provider::ollama || upstream.provider == Provider::anthropic)
        return base::fail(ErrorKind::unsupported,
                          fmt::format("{} ranks no documents", base::name(upstream.provider)));
    Parameters parameters(request.wishes, upstream);
    ObjectWriter body;
    body.set("model", json::quote(upstream.model));
    body.set("query", std::string(request.query()));
    body.set("documents", texts_of(request));
    if (request.top_n) body.set("top_n", std::to_string(most_places(request)));
    for (const Extra& wish : request.wishes.parameters) {
        if (cohere && wish.key != "max_tokens_per_doc" && wish.key != "priority") continue;
        if (const string_view value = parameters.get(wish.key); !value.empty())
            body.set(wish.key, std::string(value));
    }
    parameters.finish(body);
    return Call{cohere ? "/v2/rerank" : "/rerank", body.str(), parameters.changes()};
}

std::expected<Ranking, Failure> read_ranking(const RerankRequest& request, const Upstream& upstream,
                                             string_view text, base::WallTime now) {
    json::Cursor whole(text);
    const string_view body = whole.value();
    if (!whole.complete() || !body.starts_with('{'))
        return std::unexpected(malformed("the body is not one JSON object"));
    const string_view results = json::member(body, "results");
    const bool error =
        !json::blank(json::member(body, "error")) || !json::blank(json::member(body, "message"));
    if (json::blank(results) && error)
        return std::unexpected(classify_embedded(upstream.provider, body, now));
    if (json::blank(results) || !results.starts_with('['))
        return std::unexpected(malformed("the answer has no results"));
    auto places = read_places(request, results);
    if (!places) return std::unexpected(places.error());
    std::ranges::sort(*places, [](const Ranking::Place& a, const Ranking::Place& b) {
        return a.score != b.score ? a.score > b.score : a.index < b.index;
    });
    if (places->size() > most_places(request)) places->resize(most_places(request));
    Ranking out;
    out.id = json::text(json::member(body, "id")).value_or("");
    out.places = std::move(*places);
    out.usage = usage_in(request, body);
    out.search_units =
        json::count(json::member(body, "meta", "billed_units", "search_units"))
            .value_or((request.documents.size() + kDocumentsPerSearch - 1) / kDocumentsPerSearch);
    return out;
}

std::string rerank_answer(const RerankRequest& request, string_view alias, string_view id,
                          const Ranking& ranking) {
    std::string results;
    for (const Ranking::Place& place : ranking.places) {
        if (!results.empty()) results += ',';
        fmt::format_to(std::back_inserter(results), R"({{"index":{},"relevance_score":{})",
                       place.index, place.json);
        if (request.return_documents)
            fmt::format_to(std::back_inserter(results), R"(,"document":{{"text":{}}})",
                           request.body.at(request.documents[place.index]));
        results += '}';
    }
    const std::string usage =
        ranking.usage.known ? fmt::format(R"(,"usage":{{"total_tokens":{}}})", ranking.usage.prompt)
                            : std::string();
    return fmt::format(
        R"({{"id":{},"model":{},"results":[{}],"meta":{{"billed_units":{{"search_units":{}}}}}{}}})",
        json::quote(ranking.id.empty() ? id : ranking.id), json::quote(alias), results,
        ranking.search_units, usage);
}

}  // namespace llm
