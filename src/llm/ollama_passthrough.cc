#include "llm/ollama_passthrough.h"

#include "llm/json.h"
#include "llm/ollama.h"
#include "llm/ollama_client.h"
#include "llm/payload.h"
#include "llm/splice.h"
#include "llm/usage_json.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

/// Members of configuration in OpenAI's words that have none in this body.
constexpr auto kNotNative =
    std::to_array<string_view>({"reasoning_effort", "thinking", "response_format"});

/// Configuration speaks of a bound for the answer in OpenAI's words.
Extra native(const Extra& extra) {
    const bool bound = extra.key == "max_tokens" || extra.key == "max_completion_tokens";
    return bound ? Extra{"num_predict", extra.json} : extra;
}

bool unloads(const ChatRequest& request) {
    const auto nothing = client_dialect(request.endpoint).nothing_asked(request, {});
    return nothing && nothing->unload;
}

/// The client's body with the configuration's members merged in.
class CallBuilder {
public:
    CallBuilder(const ChatRequest& request, const Upstream& upstream)
        : request_(request),
          upstream_(upstream),
          splice_(request.body),
          object_(splice_, string_view(request.body).substr(request.body.find('{'))),
          unloads_(unloads(request)) {}

    Call build();

private:
    void member(const Member& member);
    /// Sorts configuration's members: `options` gets those that are options.
    ObjectWriter sorted(std::span<const Extra> extras, ObjectWriter& options) const;

    const ChatRequest& request_;
    const Upstream& upstream_;
    Splice splice_;
    ObjectEdit object_;
    ObjectWriter forced_;     ///< members sent always
    std::string options_;     ///< the whole object, where configuration adds to it or takes away
    bool unloads_;            ///< it asks for nothing but that the model be sent away
    std::string keep_alive_;  ///< the configuration's own; empty: none
    std::vector<std::string> changes_;
};

ObjectWriter CallBuilder::sorted(std::span<const Extra> extras, ObjectWriter& options) const {
    ObjectWriter members;
    for (const Extra& extra : extras)
        if (std::ranges::find(kNotNative, extra.key) == kNotNative.end())
            ollama::add_native(native(extra), members, options);
    return members;
}

void CallBuilder::member(const Member& member) {
    string_view whole = request_.text(member.whole);
    string_view value = request_.text(member.value);
    if (std::ranges::find(upstream_.drop, member.key) != upstream_.drop.end()) {
        object_.remove(whole);
        changes_.push_back(fmt::format("removed {}", member.key));
        return;
    }
    if (member.key == "think" && upstream_.stated && !upstream_.reasoning) {
        object_.remove(whole);
        changes_.push_back("removed think, as the model does not");
        return;
    }
    object_.keep(whole);
    if (member.key == "keep_alive" && !keep_alive_.empty() && value != keep_alive_ && !unloads_) {
        splice_.replace(value, keep_alive_);
        changes_.push_back("removed keep_alive, as the alias states its own");
        return;
    }
    if (member.key == "model")
        splice_.replace(value, json::quote(upstream_.model));
    else if (member.key == "options" && !options_.empty())
        splice_.replace(value, std::exchange(options_, {}));
    else if (const std::string* forced = forced_.find(member.key))
        splice_.replace(value, *forced);
}

Call CallBuilder::build() {
    ObjectWriter options;
    ObjectWriter added = sorted(upstream_.defaults, options);
    ObjectWriter forced_options;
    forced_ = sorted(upstream_.overrides, forced_options);
    for (const ObjectWriter* from : {&std::as_const(added), &std::as_const(forced_)})
        if (const std::string* keep = from->find("keep_alive")) keep_alive_ = *keep;
    const Member* const own = request_.find("options");
    const std::string clients =
        own ? ollama::client_options(request_.text(own->value), changes_) : std::string();
    if (!options.empty() || !forced_options.empty() || !changes_.empty()) {
        ObjectWriter unused;
        if (own) ollama::add_native({"options", clients}, unused, options);
        ollama::add_native({"options", forced_options.str()}, unused, options);
        options_ = options.str();
    }
    for (const Member& one : request_.members) member(one);
    if (!options_.empty()) object_.add("options", options_);
    for (const auto& [key, json] : forced_.members()) added.set(key, json);
    for (const auto& [key, json] : added.members())
        if (!request_.find(key)) object_.add(key, json);
    object_.finish();
    const bool chat = request_.endpoint == Endpoint::ollama_chat;
    return {chat ? "/api/chat" : "/api/generate", splice_.apply(), std::move(changes_)};
}

/// `text` with the alias in place of the upstream's model.
std::string with_alias(string_view text, string_view alias) {
    Splice splice(text);
    if (string_view model = json::member(text, "model"); !model.empty())
        splice.replace(model, json::quote(alias));
    return splice.apply();
}

/// The bytes of an answer or line that a client would show or run.
std::size_t content_bytes(string_view line) {
    string_view message = json::member(line, "message");
    std::size_t bytes = 0;
    for (string_view value : {json::member(line, "response"), json::member(line, "thinking"),
                              json::member(message, "content"), json::member(message, "thinking"),
                              json::member(message, "tool_calls")})
        bytes += content_size(value);
    return bytes;
}

/// Why an end without any content can't be served: one that only loaded a model can.
MaybeFailure nothing_said(string_view line) {
    string_view reason = json::member(line, "done_reason");
    if (reason == "\"load\"" || reason == "\"unload\"") return std::nullopt;
    return empty_answer(reason);
}

class PassingStream : public StreamDecoder {
public:
    PassingStream(const ChatRequest& request, const Upstream& upstream, base::WallTime now)
        : request_(request), upstream_(upstream), now_(now) {}

    MaybeFailure feed(string_view bytes, std::string& out) override {
        lines_.feed(bytes);
        string_view line;
        while (!done_ && lines_.next(line))
            if (MaybeFailure failure = take(line, out)) return failure;
        if (lines_.overflow()) return malformed("a line of the stream is too large");
        return std::nullopt;
    }
    MaybeFailure finish(std::string& out) override {
        string_view line;
        if (!done_ && lines_.last(line))
            if (MaybeFailure failure = take(line, out)) return failure;
        if (done_) return std::nullopt;
        return malformed("the stream ended without a finish reason");
    }
    void broken(string_view error, std::string& out) override { out += ollama_error(error) + '\n'; }

private:
    MaybeFailure take(string_view line, std::string& out);

    const ChatRequest& request_;
    const Upstream& upstream_;
    base::WallTime now_;
    ollama::LineReader lines_;
    std::size_t bytes_ = 0;
};

MaybeFailure PassingStream::take(string_view line, std::string& out) {
    json::Cursor whole(line);
    if (line.front() != '{' || !whole.skip() || !whole.complete())
        return malformed("a line of the stream is not one JSON object");
    if (!json::blank(json::member(line, "error")))
        return ollama::inner_error(upstream_, line, now_);
    bytes_ += content_bytes(line);
    const bool end = json::member(line, "done") == "true";
    if (end && bytes_ == 0)
        if (MaybeFailure failure = nothing_said(line)) return failure;
    out += with_alias(line, upstream_.alias) + '\n';
    usage_ = end ? ollama::read_counts(line, request_) : Usage{};
    if (!usage_.known) usage_ = estimate_usage(request_, bytes_);
    done_ = end;
    committed_ = committed_ || bytes_ > 0 || end;
    return std::nullopt;
}

}  // namespace

base::Result<Call> OllamaPassthrough::call(const ChatRequest& request,
                                           const Upstream& upstream) const {
    return CallBuilder(request, upstream).build();
}

std::expected<Answer, Failure> OllamaPassthrough::answer(const ChatRequest& request,
                                                         const Upstream& upstream,
                                                         const Reply& reply,
                                                         base::WallTime now) const {
    json::Cursor whole(reply.body);
    string_view body = whole.value();
    if (!whole.complete() || !body.starts_with('{'))
        return std::unexpected(malformed("the body is not one JSON object"));
    if (!json::blank(json::member(body, "error")))
        return std::unexpected(ollama::inner_error(upstream, body, now));
    const std::size_t bytes = content_bytes(body);
    if (bytes == 0)
        if (MaybeFailure failure = nothing_said(body)) return std::unexpected(*std::move(failure));
    Usage usage = ollama::read_counts(body, request);
    if (!usage.known) usage = estimate_usage(request, bytes);
    return Answer{with_alias(body, upstream.alias), usage};
}

std::unique_ptr<StreamDecoder> OllamaPassthrough::stream(const ChatRequest& request,
                                                         const Upstream& upstream,
                                                         base::WallTime now) const {
    return std::make_unique<PassingStream>(request, upstream, now);
}

}  // namespace llm
