#pragma once

#include "gateway/job.h"
#include "llm/embeddings.h"

#include <string_view>

namespace gateway {

/// Vectors of texts. What a target takes in several calls is asked of it one after the other; the
/// answer is whole or another target's: never vectors of two.
class EmbeddingJob : public Job {
public:
    explicit EmbeddingJob(llm::EmbeddingRequest request) : request_(std::move(request)) {}

    net::Task<std::optional<llm::Failure>> call(Session& session, const route::Candidate& candidate,
                                                Trial& trial) override;
    bool has(std::string_view member) const override {
        return request_.wishes.find(member) != nullptr;
    }

private:
    net::Task<std::expected<llm::Vectors, llm::Failure>> one(Session& session,
                                                             const config::Target& target,
                                                             const llm::Upstream& upstream,
                                                             llm::Batch batch, Trial& trial);
    llm::EmbeddingRequest request_;
};

}  // namespace gateway
