#pragma once

#include "gateway/call.h"
#include "gateway/image_models.h"
#include "gateway/job.h"
#include "llm/image_stream.h"

#include <memory>

namespace gateway {

/// Images made or edited, whatever the provider.
class ImageJob : public Job {
public:
    /// `usual`: how the client gets them if it has not said.
    ImageJob(llm::ImageRequest request, llm::Delivery usual)
        : request_(std::move(request)), wanted_(wanted(usual)) {}

    const llm::ImageRequest& request() const { return request_; }

    net::Task<std::optional<llm::Failure>> call(Session& session, const route::Candidate& candidate,
                                                Trial& trial) override;
    bool stream() const override { return request_.stream; }
    bool slow() const override { return true; }
    bool has(std::string_view member) const override { return request_.find(member) != nullptr; }
    std::optional<std::string> broken(std::string_view error) override;

private:
    /// One attempt as it goes on.
    struct Attempted {
        std::vector<std::string> drop;
        llm::Upstream upstream;
        std::string path;
        std::unique_ptr<llm::ImageStream> stream;
    };

    net::Task<std::optional<llm::Failure>> answer(Session& session, const config::Target& target,
                                                  llm::ImageAnswer answer, base::Time by,
                                                  Trial& trial);
    net::Task<std::optional<llm::Failure>> pass_on(Session& session, const config::Target& target,
                                                   OpenCall& call, Trial& trial);
    llm::Delivery wanted(llm::Delivery usual) const {
        return request_.stream ? llm::Delivery::base64 : request_.wanted.value_or(usual);
    }

    llm::ImageRequest request_;
    llm::Delivery wanted_;
    std::unique_ptr<Attempted> attempted_;  ///< the last one: its stream is looked at until the end
};

/// POST /v1/images/generations and /v1/images/edits.
net::Task<> handle_image_generation(Lane& lane, net::Exchange& exchange, std::string rest);
net::Task<> handle_image_edit(Lane& lane, net::Exchange& exchange, std::string rest);

/// POST /sdcpp/v1/images/generations: one of the set's models itself, without a chain and without
/// waiting for its turn.
net::Task<> handle_service_image(Lane& lane, net::Exchange& exchange, ImageSet set);

}  // namespace gateway
