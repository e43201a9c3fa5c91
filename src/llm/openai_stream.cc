#include "llm/chunks.h"
#include "llm/classify.h"
#include "llm/fields.h"
#include "llm/hidden_error.h"
#include "llm/openai.h"
#include "llm/payload.h"
#include "llm/splice.h"
#include "llm/sse.h"
#include "llm/usage_json.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

/// The member of this value with the comma that goes with it. Empty where it is an object's only
/// one. Looks at the bytes around it alone.
string_view with_comma(string_view object, string_view value) {
    constexpr string_view kSpace = " \t\r\n";
    const auto at = static_cast<std::size_t>(value.data() - object.data());
    const std::size_t colon = object.find_last_not_of(kSpace, at - 1);
    const std::size_t key = object.rfind('"', object.rfind('"', colon) - 1);
    const std::size_t before = object.find_last_not_of(kSpace, key - 1);
    const std::size_t end = at + value.size();
    if (object[before] == ',') return object.substr(before, end - before);
    const std::size_t after = object.find_first_not_of(kSpace, end);
    if (after == object.npos || object[after] != ',') return {};
    return object.substr(key, after + 1 - key);
}

/// A message's members as one delta; its tool calls get the index that deltas have.
std::string as_delta(string_view message) {
    Splice splice(message);
    string_view calls = json::member(message, "tool_calls");
    json::Cursor in(calls);
    std::size_t index = 0;
    if (calls.starts_with('[') && in.enter_array())
        while (in.next_element()) {
            string_view call = in.value();
            if (call.starts_with('{') && json::member(call, "index").empty())
                splice.insert_first(call, fmt::format("\"index\":{}", index));
            ++index;
        }
    return splice.apply();
}

/// Gives every tool call of a stream an index of its own: some providers number several of one
/// choice alike, and tell them apart by their ids.
class CallNumbers {
public:
    /// A fragment of a call that needs another index than it has.
    struct Change {
        string_view call;
        string_view index;  ///< the value; empty: it has none
        std::uint64_t number;
    };
    /// To be asked once for every chunk with calls, in their order.
    std::vector<Change> read(string_view chunk);

private:
    struct Known {
        std::uint64_t choice;
        std::uint64_t index;  ///< the upstream's
        std::uint64_t number;
        std::string id;
    };
    std::uint64_t number_of(std::uint64_t choice, std::uint64_t index, string_view call);

    std::vector<Known> known_;
};

std::vector<CallNumbers::Change> CallNumbers::read(string_view chunk) {
    std::vector<Change> changes;
    for_each_element(json::member(chunk, "choices"), [&](string_view choice) {
        const std::uint64_t of = json::count(json::member(choice, "index")).value_or(0);
        for_each_element(json::member(choice, "delta", "tool_calls"), [&](string_view call) {
            if (!call.starts_with('{')) return;
            string_view index = json::member(call, "index");
            const std::uint64_t theirs = json::count(index).value_or(0);
            const std::uint64_t number = number_of(of, theirs, call);
            if (json::count(index) != number) changes.push_back({call, index, number});
        });
    });
    return changes;
}

/// A fragment goes on with the call of its id, else with the latest of its index. A new call has
/// both a name and an id of its own: some servers make up an id for every fragment.
std::uint64_t CallNumbers::number_of(std::uint64_t choice, std::uint64_t index, string_view call) {
    const std::string id = text_of(call, "id");
    const bool named = !json::blank(json::member(call, "function", "name"));
    Known* found = nullptr;
    bool taken = false;
    std::uint64_t next = 0;
    for (Known& known : known_) {
        if (known.choice != choice) continue;
        taken = taken || known.number == index;
        next = std::max(next, known.number + 1);
        if (known.index != index || (found && !id.empty() && found->id == id)) continue;
        if (id.empty() || known.id.empty() || known.id == id || !named) found = &known;
    }
    if (!found) return known_.emplace_back(choice, index, taken ? next : index, id).number;
    if (found->id.empty()) found->id = id;
    return found->number;
}

/// Passes OpenAI chunks on as they came, `model` apart.
class OpenAiStream : public StreamDecoder {
public:
    OpenAiStream(const ChatRequest& request, const Upstream& upstream, base::WallTime now)
        : request_(request), upstream_(upstream), now_(now), alias_(json::quote(upstream.alias)) {}

    MaybeFailure feed(string_view bytes, std::string& out) override;
    MaybeFailure finish(std::string& out) override;
    void broken(string_view error, std::string& out) override {
        fmt::format_to(std::back_inserter(out), "data: {}\n\ndata: [DONE]\n\n", error);
    }

private:
    enum class Form { unknown, events, one_body };
    string_view chunk_object() const {
        return request_.endpoint == Endpoint::completion ? "text_completion"
                                                         : "chat.completion.chunk";
    }

    MaybeFailure events(string_view bytes, std::string& out);
    MaybeFailure take(const SseReader::Event& event, std::string& out);
    MaybeFailure check(const SseReader::Event& event, const Payload& payload);
    MaybeFailure first_words(string_view text);
    MaybeFailure judge_held();
    void note(const Payload& payload);
    void end_properly(const Payload& payload);
    void emit(const SseReader::Event& event, const Payload& payload, std::string& out);
    void rewrite(const SseReader::Event& event, const Payload& payload, string_view unasked,
                 std::string& out);
    MaybeFailure end(std::string& out);
    MaybeFailure whole_body(std::string& out);

    const ChatRequest& request_;
    const Upstream& upstream_;
    base::WallTime now_;
    std::string alias_;  ///< as a JSON string
    Form form_ = Form::unknown;
    SseReader reader_;
    std::string held_text_;  ///< the first words of an agent's box
    std::string body_;       ///< where one JSON body came instead of events
    std::string id_, created_, finish_reason_;
    std::uint64_t content_bytes_ = 0;
    CallNumbers numbers_;
    std::vector<CallNumbers::Change> renumbered_;  ///< in the event at hand
    /// Finish reasons in the event at hand that are told in other words.
    std::vector<std::pair<string_view, string_view>> renamed_;
    ChoiceSet speaking_, calling_, ended_;
    bool usage_shown_ = false;
    bool any_event_ = false;
};

MaybeFailure OpenAiStream::feed(string_view bytes, std::string& out) {
    if (done_) return std::nullopt;
    if (form_ == Form::unknown) {
        std::size_t first = bytes.find_first_not_of(" \t\r\n");
        if (first != bytes.npos) form_ = bytes[first] == '{' ? Form::one_body : Form::events;
    }
    if (form_ != Form::one_body) return events(bytes, out);
    if (body_.size() + bytes.size() > kLongestBody) return malformed("the body is too large");
    body_ += bytes;
    return std::nullopt;
}

MaybeFailure OpenAiStream::events(string_view bytes, std::string& out) {
    reader_.feed(bytes);
    SseReader::Event event;
    while (!done_ && reader_.next(event))
        if (MaybeFailure failure = take(event, out)) return failure;
    if (reader_.overflow()) return malformed("an event of the stream is too large");
    return std::nullopt;
}

MaybeFailure OpenAiStream::take(const SseReader::Event& event, std::string& out) {
    if (event.data.empty()) {
        if (committed_) out += event.raw;
        return std::nullopt;
    }
    if (event.data == "[DONE]") return end(out);
    any_event_ = true;
    Payload payload;
    if (!payload.read(event.data))
        return event.name == "error" ? classify_embedded(upstream_.provider, event.data, now_)
                                     : malformed("a chunk of the stream is not one JSON object");
    if (MaybeFailure failure = check(event, payload)) return failure;
    note(payload);
    end_properly(payload);
    renumbered_.clear();
    if (payload.calls) renumbered_ = numbers_.read(event.data);
    bool usage_only = payload.choices == 0 && !payload.usage.empty();
    if (usage_only && !request_.include_usage) return std::nullopt;
    usage_shown_ = usage_shown_ || usage_only;
    emit(event, payload, out);
    return std::nullopt;
}

MaybeFailure OpenAiStream::check(const SseReader::Event& event, const Payload& payload) {
    if (!payload.error.empty() || event.name == "error") {
        bool at_top = event.name == "error" || !json::blank(json::member(event.data, "error"));
        return classify_embedded(upstream_.provider, at_top ? event.data : payload.error, now_);
    }
    if (!payload.x_groq.empty())
        if (string_view error = json::member(payload.x_groq, "error"); !json::blank(error))
            return classify_embedded(upstream_.provider, payload.x_groq, now_);
    if (!committed_ && payload.content)
        if (MaybeFailure failure = first_words(payload.first_text)) return failure;
    if (held_ && !payload.finish_reason.empty())
        if (MaybeFailure failure = judge_held()) return failure;
    if (payload.finish_reason == "\"error\"")
        return malformed("the stream's finish_reason is error");
    return std::nullopt;
}

/// An agent's box tells a failure in as many pieces as it likes: they are kept back until it is
/// plain that they are none.
MaybeFailure OpenAiStream::first_words(string_view text) {
    if (!upstream_.agent_box) return hidden_error(upstream_, text, now_);
    held_text_ += json::text(text).value_or("");
    held_ = !text.empty() && may_be_complaint(held_text_);
    return std::nullopt;
}

/// All has been said: what is held is a failure, or the answer.
MaybeFailure OpenAiStream::judge_held() {
    if (MaybeFailure failure = agent_complaint(upstream_.provider, held_text_, now_))
        return failure;
    held_ = false;
    committed_ = true;
    return std::nullopt;
}

void OpenAiStream::note(const Payload& payload) {
    if (id_.empty()) id_ = payload.id;
    if (created_.empty()) created_ = payload.created;
    if (!payload.finish_reason.empty()) finish_reason_ = payload.finish_reason;
    content_bytes_ += payload.content_bytes;
    committed_ = committed_ || (payload.content && !held_);
    string_view usage = payload.usage;
    if (usage.empty() && !payload.x_groq.empty()) usage = json::member(payload.x_groq, "usage");
    if (Usage read = read_usage(usage); read.known)
        usage_ = read;
    else if (committed_ && !usage_.known)  // should it break off here
        usage_ = estimate_usage(request_, content_bytes_);
}

void OpenAiStream::end_properly(const Payload& payload) {
    speaking_.add(payload.speaking);
    calling_.add(payload.calling);
    renamed_.clear();
    for (const Payload::End& end : payload.ends) {
        ended_.add(end.choice);
        if (auto reason = proper_reason(end.reason, calling_.has(end.choice)); !reason.empty())
            renamed_.emplace_back(end.reason, reason);
    }
}

/// The usual event differs in nothing but `model`: its bytes go out in three parts, or in four
/// without the `"usage":null` of a client that did not ask for usage: we did.
void OpenAiStream::emit(const SseReader::Event& event, const Payload& payload, std::string& out) {
    bool moves_usage = request_.include_usage && payload.choices > 0 &&
                       !payload.finish_reason.empty() && !payload.usage.empty();
    bool shows_cached = !json::member(payload.usage, "num_cached_tokens").empty();
    bool plain = event.in_place && !shows_cached && !payload.model.empty() &&
                 payload.part_lists.empty() && renamed_.empty() && renumbered_.empty() &&
                 !moves_usage;
    const bool asked = request_.include_usage || payload.null_usage.empty();
    const string_view unasked = asked ? string_view() : with_comma(event.data, payload.null_usage);
    if (!plain) return rewrite(event, payload, unasked, out);
    const char* from = event.raw.data();
    auto pass_until = [&](string_view part) {
        out.append(from, static_cast<std::size_t>(part.data() - from));
        from = part.data() + part.size();
    };
    const bool first = !unasked.empty() && unasked.data() < payload.model.data();
    if (first) pass_until(unasked);
    pass_until(payload.model);
    out += alias_;
    if (!unasked.empty() && !first) pass_until(unasked);
    out.append(from, static_cast<std::size_t>(event.raw.data() + event.raw.size() - from));
}

void OpenAiStream::rewrite(const SseReader::Event& event, const Payload& payload,
                           string_view unasked, std::string& out) {
    Splice splice(event.in_place ? event.raw : event.data);
    if (!payload.model.empty())
        splice.replace(payload.model, alias_);
    else
        splice.insert_first(event.data.substr(event.data.find('{')),
                            fmt::format("\"model\":{}", alias_));
    if (!unasked.empty()) splice.remove(unasked);
    for (string_view parts : payload.part_lists) splice.replace(parts, flatten_parts(parts));
    for (const CallNumbers::Change& change : renumbered_) {
        std::string number = std::to_string(change.number);
        if (change.index.empty())
            splice.insert_first(change.call, fmt::format("\"index\":{}", number));
        else
            splice.replace(change.index, std::move(number));
    }
    for (const auto& [theirs, openai] : renamed_) splice.replace(theirs, std::string(openai));
    // The client asked for usage in a chunk of its own: it gets it there, and once.
    bool moves_usage =
        request_.include_usage && payload.choices > 0 && !payload.finish_reason.empty();
    if (moves_usage && !payload.usage.empty())
        splice.replace(payload.usage, "null");
    else
        show_cached(payload.usage, splice);
    std::string text = splice.apply();
    if (event.in_place) {
        out += text;
        return;
    }
    make_one_line(text);
    if (!event.name.empty()) out += fmt::format("event: {}\n", event.name);
    out += fmt::format("data: {}\n\n", text);
}

MaybeFailure OpenAiStream::end(std::string& out) {
    if (held_)
        if (MaybeFailure failure = judge_held()) return failure;
    if (finish_reason_.empty())
        return malformed(any_event_ ? "the stream ended without a finish reason"
                                    : "an empty stream");
    if (!speaking_.all_in(ended_))
        return malformed("the stream ended without a finish reason of every choice");
    if (!committed_)
        if (MaybeFailure failure = empty_answer(finish_reason_)) return failure;
    if (!usage_.known) usage_ = estimate_usage(request_, content_bytes_);
    if (request_.include_usage && !usage_shown_)
        ChunkWriter(id_, created_, upstream_.alias, chunk_object()).usage(out, usage_);
    ChunkWriter::done(out);
    committed_ = done_ = true;
    return std::nullopt;
}

/// Some servers answer a stream request with one JSON body.
MaybeFailure OpenAiStream::whole_body(std::string& out) {
    static const std::vector<Header> kNoHeaders;
    Reply reply{.status = 200, .headers = kNoHeaders, .body = body_};
    std::expected<Answer, Failure> answer =
        OpenAiDialect().answer(request_, upstream_, reply, now_);
    if (!answer) return answer.error();
    usage_ = answer->usage;
    committed_ = done_ = true;
    string_view body = answer->body;
    if (request_.endpoint == Endpoint::completion) {  // a chunk looks like the whole
        const std::size_t begin = out.size();
        out += "data: ";
        out += body;
        make_one_line(out, begin);
        out += "\n\n";
        ChunkWriter::done(out);
        return std::nullopt;
    }
    ChunkWriter chunks(json::member(body, "id"), json::member(body, "created"), upstream_.alias);
    json::Cursor in(json::member(body, "choices"));
    in.enter_array();
    for (std::size_t index = 0; in.next_element(); ++index) {
        string_view choice = in.value();
        string_view message = json::member(choice, "message");
        if (message.starts_with('{')) chunks.delta(out, as_delta(message), index);
        chunks.finish(out, json::text(json::member(choice, "finish_reason")).value_or("stop"),
                      index);
    }
    if (request_.include_usage) chunks.usage(out, usage_);
    ChunkWriter::done(out);
    return std::nullopt;
}

MaybeFailure OpenAiStream::finish(std::string& out) {
    if (done_) return std::nullopt;
    if (form_ == Form::one_body) return whole_body(out);
    SseReader::Event event;
    while (!done_ && reader_.last(event)) {
        if (MaybeFailure failure = take(event, out)) return failure;
        if (!done_ && !event.data.empty() && !out.ends_with("\n\n")) out += "\n\n";
    }
    return done_ ? std::nullopt : end(out);
}

}  // namespace

std::unique_ptr<StreamDecoder> OpenAiDialect::stream(const ChatRequest& request,
                                                     const Upstream& upstream,
                                                     base::WallTime now) const {
    return std::make_unique<OpenAiStream>(request, upstream, now);
}

}  // namespace llm
