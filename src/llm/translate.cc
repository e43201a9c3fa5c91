#include "llm/translate.h"

#include "llm/json.h"
#include "llm/payload.h"
#include "llm/usage_json.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

/// A finish reason in OpenAI's words, with calls of tools told as such.
string_view reason_with(string_view reason, bool calls) {
    if (calls && reason != "length") return "tool_calls";
    return reason.empty() ? "stop" : reason;
}

class TranslatedStream : public StreamDecoder {
public:
    TranslatedStream(const ChatRequest& request, std::unique_ptr<AnswerReader> reader,
                     std::unique_ptr<AnswerWriter> writer)
        : request_(request),
          reader_(std::move(reader)),
          writer_(std::move(writer)),
          meter_(*writer_) {}

    MaybeFailure feed(string_view bytes, std::string& out) override {
        if (done_) return std::nullopt;
        return settle(reader_->feed(bytes, meter_), out);
    }
    MaybeFailure finish(std::string& out) override {
        if (done_) return std::nullopt;
        return settle(reader_->finish(meter_), out);
    }
    void broken(string_view error, std::string& out) override {
        writer_->broken(error);
        writer_->drain(out);
    }
    string_view whole() const override { return writer_->whole(); }

private:
    MaybeFailure settle(MaybeFailure failure, std::string& out) {
        if (!failure && meter_.ended()) failure = meter_.close(request_);
        const bool ended = meter_.ended() && !failure;
        writer_->drain(out);
        committed_ = committed_ || meter_.content() || ended;
        done_ = ended;
        usage_ = ended                    ? meter_.usage()
                 : reader_->usage().known ? reader_->usage()
                                          : meter_.so_far(request_);
        return failure;
    }

    const ChatRequest& request_;
    std::unique_ptr<AnswerReader> reader_;
    std::unique_ptr<AnswerWriter> writer_;
    Meter meter_;
};

}  // namespace

void Meter::text(string_view piece) {
    if (piece.empty()) return;
    bytes_ += piece.size();
    to_.text(piece);
}

void Meter::refusal(string_view piece) {
    if (piece.empty()) return;
    bytes_ += piece.size();
    to_.refusal(piece);
}

void Meter::thinking(string_view piece) {
    if (piece.empty()) return;
    bytes_ += piece.size();
    to_.thinking(piece);
}

void Meter::redacted_thinking(string_view data) {
    bytes_ += data.size();
    to_.redacted_thinking(data);
}

void Meter::tool_call(string_view id, string_view name) {
    bytes_ += name.size();
    has_arguments_.push_back(false);
    to_.tool_call(id.empty() ? fmt::format("call_{}", has_arguments_.size()) : std::string(id),
                  name);
}

void Meter::arguments(std::size_t call, string_view fragment) {
    if (fragment.empty() || call >= has_arguments_.size()) return;
    has_arguments_[call] = true;
    bytes_ += fragment.size();
    to_.arguments(call, fragment);
}

void Meter::finish(string_view reason, string_view stop_sequence, const Usage& usage) {
    ended_ = true;
    reason_ = reason_with(reason, !has_arguments_.empty());
    stop_sequence_ = stop_sequence;
    usage_ = usage;
}

MaybeFailure Meter::close(const ChatRequest& request, Empty empty) {
    if (!content() && empty == Empty::fails)
        if (MaybeFailure failure = empty_answer(json::quote(reason_))) return failure;
    for (std::size_t call = 0; call < has_arguments_.size(); ++call)
        if (!has_arguments_[call]) arguments(call, "{}");
    if (!usage_.known) usage_ = estimate_usage(request, bytes_);
    to_.finish(reason_, stop_sequence_, usage_);
    return std::nullopt;
}

Usage Meter::so_far(const ChatRequest& request) const { return estimate_usage(request, bytes_); }

std::expected<Completion, Failure> completed(Completion answer, const ChatRequest& request,
                                             base::WallTime now) {
    bool calls = false;
    for (Part& part : answer.parts) {
        if (part.kind != Part::Kind::tool_call) continue;
        if (part.json.empty()) part.json = "{}";
        if (part.id.empty()) part.id = made_up_id(part.name + part.json);
        calls = true;
    }
    answer.finish_reason = reason_with(answer.finish_reason, calls);
    const std::size_t bytes = answer.content_bytes();
    if (bytes == 0)
        if (MaybeFailure failure = empty_answer(json::quote(answer.finish_reason)))
            return std::unexpected(std::move(*failure));
    if (!answer.usage.known) answer.usage = estimate_usage(request, bytes);
    if (answer.id.empty()) answer.id = made_up_id(answer.text());
    if (answer.created == 0) answer.created = unix_seconds(now);
    return answer;
}

base::Result<Call> foreign_call(const Chat& chat, const ChatRequest& request,
                                const Upstream& upstream, const UpstreamDialect& to) {
    if (!chat.native.empty())
        return base::fail(base::ErrorKind::unsupported,
                          fmt::format("{}: only its own provider knows it", chat.native.front()));
    base::Result<Call> call = to.call(chat, request, upstream);
    if (!call) return call;
    for (const std::string& member : chat.left_out) call->changes.push_back("removed " + member);
    return call;
}

base::Result<Call> Translating::call(const ChatRequest& request, const Upstream& upstream) const {
    const base::Result<Chat>& chat = canonical(request);
    if (!chat) return std::unexpected(chat.error());
    base::Result<Call> call = foreign_call(*chat, request, upstream, upstream_);
    if (call) call->changes.insert(call->changes.begin(), note_);
    return call;
}

std::expected<Answer, Failure> Translating::answer(const ChatRequest& request,
                                                   const Upstream& upstream, const Reply& reply,
                                                   base::WallTime now) const {
    auto read = upstream_.answer(request, upstream, reply, now);
    if (!read) return std::unexpected(std::move(read.error()));
    auto whole = completed(*std::move(read), request, now);
    if (!whole) return std::unexpected(std::move(whole.error()));
    return Answer{client_.answer(request, upstream.alias, *whole), whole->usage};
}

std::unique_ptr<StreamDecoder> Translating::stream(const ChatRequest& request,
                                                   const Upstream& upstream,
                                                   base::WallTime now) const {
    return std::make_unique<TranslatedStream>(request, upstream_.stream(request, upstream, now),
                                              client_.writer(request, upstream.alias, now));
}

std::uint64_t unix_seconds(base::WallTime now) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    return seconds > 0 ? static_cast<std::uint64_t>(seconds) : 0;
}

std::string made_up_id(string_view seed, string_view prefix) {
    std::uint64_t hash = 14695981039346656037u;  // FNV-1a
    for (char c : seed) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return fmt::format("{}{:016x}", prefix, hash);
}

}  // namespace llm
