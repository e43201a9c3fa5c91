#pragma once

#include "gateway/job.h"
#include "llm/speech.h"
#include "net/http_server.h"

#include <memory>

namespace gateway {

/// A text to be spoken.
class SpeechJob : public Job {
public:
    explicit SpeechJob(llm::SpeechRequest request) : request_(std::move(request)) {}

    net::Task<std::optional<llm::Failure>> call(Session& session, const route::Candidate& candidate,
                                                Trial& trial) override;
    bool stream() const override { return request_.events; }
    bool has(std::string_view member) const override { return request_.find(member) != nullptr; }
    /// Audio has no place for an error: the client learns it from a body that breaks off.
    std::optional<std::string> broken(std::string_view error) override;

private:
    llm::SpeechRequest request_;
    std::unique_ptr<llm::StreamDecoder> decoder_;  ///< of the last stream of events
    net::Exchange* cut_ = nullptr;                 ///< whose body has audio in it
};

}  // namespace gateway
