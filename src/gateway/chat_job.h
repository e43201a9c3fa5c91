#pragma once

#include "gateway/job.h"
#include "llm/continuation.h"
#include "llm/dialect.h"
#include "llm/recording.h"
#include "llm/shorter_answer.h"

#include <memory>

namespace gateway {

/// A chat or completion in any client's protocol.
class ChatJob : public Job {
public:
    explicit ChatJob(llm::ChatRequest request) : request_(std::move(request)) {}

    const llm::ChatRequest& request() const { return request_; }
    /// Lets another target carry on a stream that breaks after content.
    void allow_continuation() { continuation_.emplace(request_); }

    net::Task<std::optional<llm::Failure>> call(Session& session, const route::Candidate& candidate,
                                                Trial& trial) override;
    bool stream() const override { return request_.stream; }
    bool chats() const override { return true; }
    bool has(std::string_view member) const override { return request_.find(member) != nullptr; }
    bool may_be_shorter(std::uint64_t tokens) const override {
        return llm::may_be_shorter(request_, tokens);
    }
    bool can_go_on() const override;
    std::string_view unfit(const config::Target& target) const override;
    void answered(Session& session, std::string_view whole) override;
    std::optional<Question> question(const Session& session) const override;
    net::Task<bool> give(Session& session, const store::KeptAnswer& answer) override;
    std::optional<std::string> broken(std::string_view error) override;

private:
    /// What a decoder looks at while it lives.
    struct Attempted {
        std::vector<std::string> drop;
        llm::Upstream upstream;
        std::unique_ptr<llm::StreamDecoder> decoder;
        bool shown = false;  ///< content of it has reached the client
    };

    llm::Continuation* continuation_for(const config::Target& target);
    void keep_stream(Session& session, const config::Target& target);

    llm::ChatRequest request_;
    std::optional<llm::Continuation> continuation_;
    std::optional<llm::Recording> recording_;  ///< of a stream whose answer may be kept
    std::unique_ptr<Attempted> attempted_;     ///< the last one
    /// Whether images by address have been fetched: once, whoever is asked then.
    std::optional<base::Result<void>> images_;
};

}  // namespace gateway
