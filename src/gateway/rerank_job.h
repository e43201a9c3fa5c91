#pragma once

#include "gateway/job.h"
#include "llm/rerank.h"

#include <string_view>

namespace gateway {

/// Documents in the order of their relevance to a query.
class RerankJob : public Job {
public:
    explicit RerankJob(llm::RerankRequest request) : request_(std::move(request)) {}

    net::Task<std::optional<llm::Failure>> call(Session& session, const route::Candidate& candidate,
                                                Trial& trial) override;
    bool has(std::string_view member) const override {
        return !request_.body.value(member).empty();
    }

private:
    llm::RerankRequest request_;
};

}  // namespace gateway
