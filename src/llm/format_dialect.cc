#include "llm/format_dialect.h"

#include "llm/format_emulation.h"
#include "llm/payload.h"
#include "llm/translate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace llm {
namespace {

using std::string_view;
using MaybeFailure = std::optional<Failure>;

/// An answer that is held back, no larger than what a reply may be.
constexpr std::size_t kMostHeld = 16u << 20;

const Dialect& emulating(Endpoint endpoint, Protocol protocol) {
    using Key = std::pair<Endpoint, Protocol>;
    static const auto all = [] {
        std::map<Key, std::unique_ptr<const Dialect>> table;
        for (Protocol to :
             {Protocol::openai, Protocol::anthropic, Protocol::cohere, Protocol::ollama}) {
            static std::map<Protocol, FormatEmulation> emulations;
            const auto& emulation = emulations.try_emplace(to, upstream_dialect(to)).first->second;
            for (Endpoint from :
                 {Endpoint::chat, Endpoint::completion, Endpoint::responses, Endpoint::messages,
                  Endpoint::ollama_chat, Endpoint::ollama_generate})
                table.emplace(Key{from, to}, std::make_unique<Translating>(
                                                 client_dialect(from), emulation, "translated"));
        }
        return table;
    }();
    return *all.at({endpoint, protocol});
}

const Dialect& way(const ChatRequest& request, const Upstream& upstream) {
    if (!emulates_format(request, upstream)) return plain_dialect(request, upstream);
    return emulating(request.endpoint, protocol_of(upstream.provider));
}

/// The answer as the client is to get it, judged.
MaybeFailure judge(const ChatRequest& request, const Upstream& upstream, Completion answer) {
    if (emulates_format(request, upstream)) {
        answer = as_asked(std::move(answer), request);
        for (const Part& part : answer.parts)
            if (part.kind == Part::Kind::tool_call && !request.wants_tools)
                return malformed("it called a tool that it was not given");
    }
    auto violated = request.format->violation(answer);
    if (!violated) return std::nullopt;
    return malformed(fmt::format("the answer does not fit its format: {}", *violated));
}

class FormatStream : public StreamDecoder {
public:
    FormatStream(const ChatRequest& request, const Upstream& upstream, base::WallTime now)
        : request_(request),
          upstream_(upstream),
          holds_(upstream.others_left || emulates_format(request, upstream)),
          decoder_(way(request, upstream).stream(request, upstream, now)),
          tap_(upstream_dialect(protocol_of(upstream.provider)).stream(request, upstream, now)) {}

    /// Line by line, so that what comes before a violation at the end is passed on however the
    /// bytes were cut.
    MaybeFailure feed(string_view bytes, std::string& out) override {
        while (!bytes.empty() && !done_) {
            const string_view line = bytes.substr(0, bytes.find('\n'));
            const string_view taken = bytes.substr(0, std::min(line.size() + 1, bytes.size()));
            bytes.remove_prefix(taken.size());
            MaybeFailure failure = decoder_->feed(taken, piece_);
            if (!failure) tap_->feed(taken, answer_);
            if ((failure = settle(std::move(failure), out))) return failure;
        }
        return std::nullopt;
    }
    MaybeFailure finish(std::string& out) override {
        if (done_) return std::nullopt;
        MaybeFailure failure = decoder_->finish(piece_);
        if (!failure) tap_->finish(answer_);
        return settle(std::move(failure), out);
    }
    void broken(string_view error, std::string& out) override { decoder_->broken(error, out); }
    string_view whole() const override { return decoder_->whole(); }

private:
    MaybeFailure settle(MaybeFailure failure, std::string& out) {
        usage_ = decoder_->usage();
        if (!failure && decoder_->done()) failure = judge(request_, upstream_, answer_.answer());
        if (!failure && piece_.size() > kMostHeld)
            failure = malformed("the answer is too large to be checked before it is passed on");
        const bool ended = !failure && decoder_->done();
        held_ = !ended && (decoder_->committed() || answer_.answer().content_bytes() > 0);
        if (failure || (holds_ && !ended)) return failure;
        out += piece_;
        piece_.clear();
        committed_ = decoder_->committed();
        done_ = ended;
        return std::nullopt;
    }

    const ChatRequest& request_;
    const Upstream& upstream_;
    const bool holds_;
    std::unique_ptr<StreamDecoder> decoder_;  ///< what the client gets
    std::unique_ptr<AnswerReader> tap_;       ///< what the upstream said, to be judged
    Collector answer_;
    std::string piece_;
};

}  // namespace

base::Result<Call> FormatDialect::call(const ChatRequest& request, const Upstream& upstream) const {
    return way(request, upstream).call(request, upstream);
}

std::expected<Answer, Failure> FormatDialect::answer(const ChatRequest& request,
                                                     const Upstream& upstream, const Reply& reply,
                                                     base::WallTime now) const {
    auto answer = way(request, upstream).answer(request, upstream, reply, now);
    if (!answer) return answer;
    auto said =
        upstream_dialect(protocol_of(upstream.provider)).answer(request, upstream, reply, now);
    if (!said) return std::unexpected(std::move(said.error()));
    if (MaybeFailure failure = judge(request, upstream, *std::move(said)))
        return std::unexpected(*std::move(failure));
    return answer;
}

std::unique_ptr<StreamDecoder> FormatDialect::stream(const ChatRequest& request,
                                                     const Upstream& upstream,
                                                     base::WallTime now) const {
    return std::make_unique<FormatStream>(request, upstream, now);
}

}  // namespace llm
