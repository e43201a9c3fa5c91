#pragma once

#include "llm/client_dialect.h"
#include "llm/upstream_dialect.h"

namespace llm {

/// Two different protocols with the canonical form between them.
class Translating : public Dialect {
public:
    /// `note` says in the decision record what was done to the request.
    Translating(const ClientDialect& client, const UpstreamDialect& upstream, std::string note)
        : client_(client), upstream_(upstream), note_(std::move(note)) {}

    base::Result<Call> call(const ChatRequest& request, const Upstream& upstream) const override;
    std::expected<Answer, Failure> answer(const ChatRequest& request, const Upstream& upstream,
                                          const Reply& reply, base::WallTime now) const override;
    std::unique_ptr<StreamDecoder> stream(const ChatRequest& request, const Upstream& upstream,
                                          base::WallTime now) const override;

private:
    const ClientDialect& client_;
    const UpstreamDialect& upstream_;
    std::string note_;
};

/// Stands between a reader and a writer: sees whether there is content, fills in what the
/// reader may leave open (usage, arguments of a call that has none, the finish reason of
/// calls), and keeps the end back until it has been judged.
class Meter : public AnswerSink {
public:
    explicit Meter(AnswerSink& to) : to_(to) {}

    void start(std::string_view id, std::uint64_t created) override { to_.start(id, created); }
    void text(std::string_view piece) override;
    void refusal(std::string_view piece) override;
    void thinking(std::string_view piece) override;
    void signature(std::string_view signature) override { to_.signature(signature); }
    void redacted_thinking(std::string_view data) override;
    void tool_call(std::string_view id, std::string_view name) override;
    void arguments(std::size_t call, std::string_view fragment) override;
    void extra(std::string_view key, std::string_view json) override { to_.extra(key, json); }
    /// Before the first content the client sees nothing, so that another target may answer.
    void ping() override {
        if (content()) to_.ping();
    }
    void finish(std::string_view reason, std::string_view stop_sequence,
                const Usage& usage) override;

    bool content() const { return bytes_ > 0 || !has_arguments_.empty(); }
    bool ended() const { return ended_; }
    enum class Empty { fails, serves };
    /// The end that was kept back: fails where there was no content but should be, else passes
    /// it on.
    std::optional<Failure> close(const ChatRequest& request, Empty empty = Empty::fails);
    const Usage& usage() const { return usage_; }
    /// What has been said so far, estimated: for an answer that breaks off.
    Usage so_far(const ChatRequest& request) const;

private:
    AnswerSink& to_;
    std::uint64_t bytes_ = 0;
    std::vector<bool> has_arguments_;  ///< by call
    bool ended_ = false;
    std::string reason_;
    std::string stop_sequence_;
    Usage usage_;
};

/// The call of a target in another protocol than the client's: `unsupported` where only the
/// client's own provider can serve; what was left out is named.
base::Result<Call> foreign_call(const Chat& chat, const ChatRequest& request,
                                const Upstream& upstream, const UpstreamDialect& to);

/// A whole answer with the same gaps filled in; an empty one is a Failure.
std::expected<Completion, Failure> completed(Completion answer, const ChatRequest& request,
                                             base::WallTime now);

std::uint64_t unix_seconds(base::WallTime now);

/// An id of ours where the protocol has none: the same bytes give the same id.
std::string made_up_id(std::string_view seed, std::string_view prefix = "chatcmpl-");

}  // namespace llm
