#include "gateway/embedding_job.h"

#include "gateway/attempt.h"
#include "gateway/call.h"

#include <fmt/format.h>

namespace gateway {

using llm::Failure;
using llm::Outcome;

net::Task<std::expected<llm::Vectors, Failure>> EmbeddingJob::one(Session& session,
                                                                  const config::Target& target,
                                                                  const llm::Upstream& upstream,
                                                                  llm::Batch batch, Trial& trial) {
    auto prepared = llm::embedding_call(request_, upstream, batch);
    if (!prepared) co_return std::unexpected(no_word(session, prepared.error()));
    session.step().changes = std::move(prepared->changes);
    trial.begun = false;
    auto open = co_await open_call(session, target, trial,
                                   {.path = std::move(prepared->path), .body = prepared->body});
    if (!open) co_return std::unexpected(open.error());
    auto body = co_await read_whole(*open);
    if (!body) co_return std::unexpected(body.error());
    co_return llm::read_vectors(request_, upstream, batch, *body, base::WallClock::now());
}

net::Task<std::optional<Failure>> EmbeddingJob::call(Session& session,
                                                     const route::Candidate& candidate,
                                                     Trial& trial) {
    const config::Target& target = *candidate.target;
    std::vector<std::string> drop;
    const llm::Upstream upstream = upstream_of(session, candidate, drop);
    const std::vector<llm::Batch> batches = llm::batches(request_, target.provider);
    llm::Vectors all;
    for (const llm::Batch& batch : batches) {
        trial.last_call = llm::Usage();
        session.step().calls = static_cast<int>(&batch - batches.data()) + 1;
        auto vectors = co_await one(session, target, upstream, batch, trial);
        if (!vectors) co_return vectors.error();
        trial.last_call = vectors->usage;
        if (auto failure = llm::append(all, std::move(*vectors))) co_return failure;
        session.record->usage = all.usage;
        if (&batch != &batches.back())
            trial.reservation.served(used_of(*trial.last_call), llm::batch_bytes(request_, batch),
                                     base::Now::read());
    }
    if (batches.size() > 1)
        session.step().changes.push_back(fmt::format("sent in {} calls", batches.size()));
    session.record->served_by = target.alias;
    session.step().outcome = Outcome::served;
    const std::string answer =
        llm::embedding_answer(request_, session.record->id, target.alias, all, session.elapsed());
    if (!co_await session.answer(200, "application/json", answer)) co_return client_left();
    co_return std::nullopt;
}

}  // namespace gateway
