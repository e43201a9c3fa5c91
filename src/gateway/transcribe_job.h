#pragma once

#include "gateway/job.h"
#include "gateway/upload.h"
#include "llm/transcription.h"

#include <memory>

namespace gateway {

/// A recording to be written down, or translated.
class TranscribeJob : public Job {
public:
    /// `file` is the recording; `seconds` its length where its header says it.
    TranscribeJob(llm::TranscriptionRequest request, FormPart file, std::optional<double> seconds)
        : request_(std::move(request)), file_(std::move(file)), seconds_(seconds) {}

    net::Task<std::optional<llm::Failure>> call(Session& session, const route::Candidate& candidate,
                                                Trial& trial) override;
    bool stream() const override { return request_.stream; }
    bool has(std::string_view member) const override { return !request_.text(member).empty(); }
    std::optional<std::string> broken(std::string_view error) override;

private:
    llm::TranscriptionRequest request_;
    FormPart file_;
    std::optional<double> seconds_;
    std::unique_ptr<llm::StreamDecoder> decoder_;  ///< of the last stream
};

}  // namespace gateway
