#include "llm/recording.h"

#include "llm/json.h"
#include "llm/openai_upstream.h"

#include <algorithm>
#include <array>

namespace llm {
namespace {

using std::string_view;

/// About what a provider sends at a time.
constexpr std::size_t kPiece = 200;

/// The protocol of `endpoint`'s answers as an upstream's; nullptr: none reads them.
const UpstreamDialect* own_protocol(Endpoint endpoint) {
    static const OpenAiUpstream openai;
    return endpoint == Endpoint::chat ? &openai : nullptr;
}

}  // namespace

bool changes_form(const ChatRequest& request) {
    constexpr std::array<string_view, 4> kNoPlace = {"logprobs", "top_logprobs", "audio",
                                                     "functions"};
    auto says = [&request](string_view key) {
        const Member* member = request.find(key);
        if (!member) return false;
        string_view value = request.text(member->value);
        return !json::blank(value) && value != "false" && value != "0";
    };
    return own_protocol(request.endpoint) && request.choices == 1 &&
           std::ranges::none_of(kNoPlace, says);
}

std::optional<Completion> read_back(const ChatRequest& request, string_view body) {
    const UpstreamDialect* protocol = own_protocol(request.endpoint);
    if (!protocol) return std::nullopt;
    static const std::vector<Header> kNoHeaders;
    const base::WallTime now = base::WallClock::now();
    auto answer = protocol->answer(request, Upstream(), {200, kNoHeaders, body}, now);
    if (!answer) return std::nullopt;
    auto whole = completed(*std::move(answer), request, now);
    return whole ? std::optional(*std::move(whole)) : std::nullopt;
}

std::string as_stream(const ChatRequest& request, string_view alias, const Completion& answer,
                      base::WallTime now) {
    auto writer = client_dialect(request.endpoint).writer(request, alias, now);
    replay(answer, *writer, kPiece);
    std::string out;
    writer->drain(out);
    return out;
}

Recording::Recording(const ChatRequest& request, std::string alias, base::WallTime now)
    : request_(request),
      alias_(std::move(alias)),
      now_(now),
      as_upstream_{.alias = alias_, .model = {}},
      reader_(own_protocol(request.endpoint)->stream(request_, as_upstream_, now)) {}

void Recording::feed(string_view bytes) {
    bytes_ += bytes.size();
    failed_ = failed_ || bytes_ > kMostBytes || reader_->feed(bytes, meter_);
}

std::optional<Completion> Recording::whole(const Usage& usage) {
    if (failed_ || (!reader_->done() && reader_->finish(meter_)) || !meter_.ended() ||
        meter_.close(request_))
        return std::nullopt;
    Completion answer = collector_.answer();
    answer.usage = usage;
    auto whole = completed(std::move(answer), request_, now_);
    return whole ? std::optional(*std::move(whole)) : std::nullopt;
}

std::optional<Failure> RecordedDecoder::feed(string_view bytes, std::string& out) {
    const std::size_t before = out.size();
    auto failure = inner_->feed(bytes, out);
    return record(std::move(failure), string_view(out).substr(before));
}

std::optional<Failure> RecordedDecoder::finish(std::string& out) {
    const std::size_t before = out.size();
    auto failure = inner_->finish(out);
    return record(std::move(failure), string_view(out).substr(before));
}

std::optional<Failure> RecordedDecoder::record(std::optional<Failure> failure,
                                               string_view written) {
    if (!written.empty()) recording_.feed(written);
    committed_ = inner_->committed();
    done_ = inner_->done();
    held_ = inner_->held();
    usage_ = inner_->usage();
    return failure;
}

}  // namespace llm
