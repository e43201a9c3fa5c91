#pragma once

#include "llm/client_dialect.h"
#include "llm/dialect.h"
#include "llm/translate.h"
#include "llm/upstream_dialect.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace llm {

/// Whether an answer to `request` can change its form: from a stream to one body and back. False
/// for what a canonical answer has no place for (several choices, log probabilities, sound), and
/// for protocols whose answers nobody reads here.
bool changes_form(const ChatRequest& request);

/// A whole answer in the protocol of `request`, read back; nullopt: it can't be.
std::optional<Completion> read_back(const ChatRequest& request, std::string_view body);

/// A whole answer in the protocol of `request`, in pieces as from a stream.
std::string as_stream(const ChatRequest& request, std::string_view alias, const Completion& answer,
                      base::WallTime now);

/// Reads along what a client gets as a stream, so that others can have the same answer whole.
/// `request`, whose changes_form() holds, outlives it.
class Recording {
public:
    /// A longer stream is not kept.
    static constexpr std::size_t kMostBytes = 16u << 20;

    Recording(const ChatRequest& request, std::string alias, base::WallTime now);
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

    void feed(std::string_view bytes);
    /// The answer, if the stream had its proper end. Once.
    std::optional<Completion> whole(const Usage& usage);

private:
    const ChatRequest& request_;
    const std::string alias_;
    const base::WallTime now_;
    Upstream as_upstream_;
    std::unique_ptr<AnswerReader> reader_;
    Collector collector_;
    Meter meter_{collector_};
    std::size_t bytes_ = 0;
    bool failed_ = false;
};

/// A decoder whose output is recorded. `recording` outlives it.
class RecordedDecoder : public StreamDecoder {
public:
    RecordedDecoder(std::unique_ptr<StreamDecoder> inner, Recording& recording)
        : inner_(std::move(inner)), recording_(recording) {}

    std::optional<Failure> feed(std::string_view bytes, std::string& out) override;
    std::optional<Failure> finish(std::string& out) override;
    void broken(std::string_view error, std::string& out) override { inner_->broken(error, out); }
    std::string_view whole() const override { return inner_->whole(); }

private:
    std::optional<Failure> record(std::optional<Failure> failure, std::string_view written);

    std::unique_ptr<StreamDecoder> inner_;
    Recording& recording_;
};

}  // namespace llm
