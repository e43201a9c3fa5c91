#include "gateway/rerank_job.h"

#include "gateway/call.h"

namespace gateway {

using llm::Failure;
using llm::Outcome;

net::Task<std::optional<Failure>> RerankJob::call(Session& session,
                                                  const route::Candidate& candidate, Trial& trial) {
    const config::Target& target = *candidate.target;
    std::vector<std::string> drop;
    const llm::Upstream upstream = upstream_of(session, candidate, drop);
    auto prepared = llm::rerank_call(request_, upstream);
    if (!prepared) co_return no_word(session, prepared.error());
    session.step().changes = std::move(prepared->changes);
    auto open = co_await open_call(session, target, trial,
                                   {.path = std::move(prepared->path), .body = prepared->body});
    if (!open) co_return open.error();
    auto body = co_await read_whole(*open);
    if (!body) co_return body.error();
    auto ranking = llm::read_ranking(request_, upstream, *body, base::WallClock::now());
    if (!ranking) co_return ranking.error();
    session.record->served_by = target.alias;
    session.record->usage = ranking->usage;
    session.step().outcome = Outcome::served;
    const std::string answer =
        llm::rerank_answer(request_, target.alias, session.record->id, *ranking);
    if (!co_await session.answer(200, "application/json", answer)) co_return client_left();
    co_return std::nullopt;
}

}  // namespace gateway
