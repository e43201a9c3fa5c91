#include "llm/continuation.h"

#include "llm/translate.h"
#include "llm/upstream_dialect.h"

#include <algorithm>

namespace llm {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

Seam::Seam(string_view said)
    : said_(said.substr(said.size() - std::min(said.size(), kMost))),
      whole_(said.size() <= kMost) {}

std::string Seam::next(string_view piece) {
    if (!open_) return std::string(piece);
    held_ += piece;
    // Every end of what was said may be what is said again; the longest that fits wins.
    std::size_t overlap = 0;
    for (std::size_t size = said_.size(); size > 0; --size) {
        const bool counts = size >= kLeast || (whole_ && size == said_.size());
        if (!counts) break;
        const string_view end = string_view(said_).substr(said_.size() - size);
        if (held_.size() < size && end.starts_with(held_)) return {};
        if (overlap == 0 && string_view(held_).starts_with(end)) overlap = size;
    }
    open_ = false;
    std::string out = std::exchange(held_, {}).substr(overlap);
    // An upstream that is not given the last blank says one itself.
    const bool twice =
        overlap == 0 && !said_.empty() && !out.empty() && said_.back() == ' ' && out.front() == ' ';
    if (twice) out.erase(0, 1);
    return out;
}

std::string Seam::rest() {
    open_ = false;
    return std::exchange(held_, {});
}

/// The client's side: one writer from the first target to the last.
class Continuation::Shown : public AnswerSink {
public:
    explicit Shown(const ChatRequest& request) : request_(request) {}

    void open(string_view alias, base::WallTime now) {
        // Nothing of an attempt without content has reached the client: its beginning is gone.
        if (writer_ && !collector_.answer().parts.empty()) return;
        writer_ = client_dialect(request_.endpoint).writer(request_, alias, now);
        started_ = false;
    }
    void start(string_view id, std::uint64_t created) override {
        if (std::exchange(started_, true)) return;
        collector_.start(id, created);
        writer_->start(id, created);
    }
    void text(string_view piece) override {
        collector_.text(piece);
        writer_->text(piece);
    }
    void refusal(string_view piece) override {
        collector_.refusal(piece);
        writer_->refusal(piece);
    }
    void thinking(string_view piece) override { writer_->thinking(piece); }
    void signature(string_view signature) override { writer_->signature(signature); }
    void redacted_thinking(string_view data) override { writer_->redacted_thinking(data); }
    void tool_call(string_view id, string_view name) override {
        collector_.tool_call(id, name);
        writer_->tool_call(id, name);
    }
    void arguments(std::size_t call, string_view fragment) override {
        writer_->arguments(call, fragment);
    }
    void extra(string_view key, string_view json) override { writer_->extra(key, json); }
    void ping() override { writer_->ping(); }
    void finish(string_view reason, string_view stop_sequence, const Usage& usage) override {
        writer_->finish(reason, stop_sequence, sum(usage));
    }

    void add(const Usage& usage) { earlier_ = sum(usage); }
    AnswerWriter* writer() { return writer_.get(); }
    const Completion& answer() const { return collector_.answer(); }

private:
    Usage sum(Usage usage) const {
        usage.prompt += earlier_.prompt;
        usage.completion += earlier_.completion;
        usage.cached += earlier_.cached;
        usage.cache_written += earlier_.cache_written;
        usage.reasoning += earlier_.reasoning;
        usage.estimated = usage.estimated || earlier_.estimated;
        return usage;
    }

    const ChatRequest& request_;
    std::unique_ptr<AnswerWriter> writer_;
    Collector collector_;
    bool started_ = false;
    Usage earlier_;
};

namespace {

/// What a target that carries on says goes through the seam; its thinking is not shown in the
/// middle of a text.
class Joined : public AnswerSink {
public:
    Joined(AnswerSink& to, string_view said) : to_(to), seam_(said) {}

    void start(string_view id, std::uint64_t created) override { to_.start(id, created); }
    void text(string_view piece) override { to_.text(seam_.next(piece)); }
    void refusal(string_view piece) override { to_.refusal(piece); }
    void thinking(string_view) override {}
    void signature(string_view) override {}
    void redacted_thinking(string_view) override {}
    void tool_call(string_view id, string_view name) override {
        to_.text(seam_.rest());
        to_.tool_call(id, name);
    }
    void arguments(std::size_t call, string_view fragment) override {
        to_.arguments(call, fragment);
    }
    void extra(string_view key, string_view json) override { to_.extra(key, json); }
    void ping() override { to_.ping(); }
    void finish(string_view reason, string_view stop_sequence, const Usage& usage) override {
        to_.text(seam_.rest());
        to_.finish(reason, stop_sequence, usage);
    }

private:
    AnswerSink& to_;
    Seam seam_;
};

class ContinuedStream : public StreamDecoder {
public:
    /// `said`: empty for the first target.
    ContinuedStream(const ChatRequest& request, std::unique_ptr<AnswerReader> reader,
                    AnswerSink& shown, AnswerWriter& writer, const std::string& said)
        : request_(request), reader_(std::move(reader)), writer_(writer), meter_(shown) {
        if (!said.empty()) joined_.emplace(meter_, said);
    }

    MaybeFailure feed(string_view bytes, std::string& out) override {
        if (done_) return std::nullopt;
        return settle(reader_->feed(bytes, sink()), out);
    }
    MaybeFailure finish(std::string& out) override {
        if (done_) return std::nullopt;
        return settle(reader_->finish(sink()), out);
    }
    void broken(string_view error, std::string& out) override {
        writer_.broken(error);
        writer_.drain(out);
    }
    string_view whole() const override { return writer_.whole(); }

private:
    AnswerSink& sink() { return joined_ ? static_cast<AnswerSink&>(*joined_) : meter_; }

    MaybeFailure settle(MaybeFailure failure, std::string& out) {
        // Who carries on may have nothing to add: the text was whole but for its end.
        const auto empty = joined_ ? Meter::Empty::serves : Meter::Empty::fails;
        if (!failure && meter_.ended()) failure = meter_.close(request_, empty);
        done_ = meter_.ended() && !failure;
        writer_.drain(out);
        committed_ = committed_ || meter_.content() || done_;
        usage_ = done_                    ? meter_.usage()
                 : reader_->usage().known ? reader_->usage()
                                          : meter_.so_far(request_);
        return failure;
    }

    const ChatRequest& request_;
    std::unique_ptr<AnswerReader> reader_;
    AnswerWriter& writer_;
    Meter meter_;
    std::optional<Joined> joined_;
};

}  // namespace

Continuation::Continuation(const ChatRequest& request)
    : request_(request), shown_(std::make_unique<Shown>(request)) {}

Continuation::~Continuation() = default;

base::Result<Call> Continuation::call(const Upstream& upstream) const {
    const base::Result<Chat>& chat = canonical(request_);
    if (!chat) return std::unexpected(chat.error());
    const UpstreamDialect& to = upstream_dialect(protocol_of(upstream.provider));
    if (!begun()) return foreign_call(*chat, request_, upstream, to);
    Chat longer = *chat;
    longer.messages.push_back(
        {.role = Message::Role::assistant, .parts = {{.text = shown_->answer().text()}}});
    base::Result<Call> call = foreign_call(longer, request_, upstream, to);
    if (call) call->changes.insert(call->changes.begin(), "carried on what had been said");
    return call;
}

std::unique_ptr<StreamDecoder> Continuation::stream(const Upstream& upstream, base::WallTime now) {
    shown_->open(upstream.alias, now);
    return std::make_unique<ContinuedStream>(
        request_, upstream_dialect(protocol_of(upstream.provider)).stream(request_, upstream, now),
        *shown_, *shown_->writer(), shown_->answer().text());
}

bool Continuation::begun() const { return !shown_->answer().parts.empty(); }

bool Continuation::can_go_on() const {
    const std::vector<Part>& parts = shown_->answer().parts;
    return !parts.empty() && std::ranges::all_of(parts, [](const Part& part) {
        return part.kind == Part::Kind::text;
    });
}

void Continuation::broke(const Usage& usage) { shown_->add(usage); }

void Continuation::broken(string_view error, std::string& out) {
    if (!shown_->writer()) return;
    shown_->writer()->broken(error);
    shown_->writer()->drain(out);
}

}  // namespace llm
