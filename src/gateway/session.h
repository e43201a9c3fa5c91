#pragma once

#include "gateway/cache.h"
#include "gateway/errors.h"
#include "gateway/gateway.h"
#include "gateway/job.h"
#include "llm/client_dialect.h"
#include "net/http_server.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

/// One client request on its way: what it asks, what was decided, what was tried.
/// Lives in the handler's coroutine; its destructor writes the access line and files
/// the decision record.
class Session {
public:
    Session(Lane& lane, net::Exchange& exchange);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Lane& lane;
    net::Exchange& exchange;
    std::shared_ptr<Ways> ways;
    const config::Snapshot& catalog;
    const llm::ClientDialect* client;  ///< how this client is spoken to: OpenAI's unless said
    Job* job = nullptr;                ///< set once the request has been read
    route::Ask ask;
    std::shared_ptr<route::Record> record;
    net::AbortHandle abort;
    base::Time total_by;
    device::WhenBusy when_busy = device::WhenBusy::wait;  ///< what it does where an engine is busy
    bool streaming = false;                     ///< response bytes of a stream have been sent
    std::optional<CacheUse> cache;              ///< nullopt: answers are not kept
    std::vector<const config::Target*> able;    ///< who could serve it if their limits allow
    std::unique_ptr<WaitingLine::Place> place;  ///< in the line for quota, until a call begins
    std::optional<InFlight::Slot> slot;         ///< of max_parallel_requests, see take_place()

    /// What a decision about it is made from, as of now.
    route::State state() const {
        return {ways->book(), lane.shared.benches, base::Now::read(), lane.shared.pulls.missing(),
                lane.shared.facts.all()};
    }

    route::Step& step() { return record->steps.back(); }
    base::Duration elapsed() const;

    /// Sleeps until `at`, or until `timer` (its own where none is given) is cancelled. False: the
    /// client has left meanwhile.
    net::Task<bool> pause(base::Time at, net::Timer* timer = nullptr);

    /// A whole answer with the x-freeway-* headers.
    net::Task<bool> answer(int status, std::string_view content_type, std::string_view body,
                           std::optional<base::Duration> retry_after = std::nullopt);
    /// The head of a stream, once. `content_type` is the client protocol's own unless said.
    net::Task<bool> begin_stream(std::string_view content_type = {},
                                 std::optional<net::Header> along = {});
    /// For a stream that waits: a frame of the client's protocol that says nothing but `text`.
    std::string comment(std::string_view text) const {
        return client->comment(record->asked, text, base::WallClock::now());
    }
    /// An error: as an answer, or as the last frames of a stream that has begun.
    net::Task<> refuse(ClientError error);

private:
    std::vector<net::Header> headers(std::optional<base::Duration> retry_after);
    void add_allowance(std::vector<net::Header>& list);
    void book_usage() const;
    std::string attempts_;
    std::string trail_;
    std::string retry_after_;
    std::array<std::string, 6> allowance_;
};

}  // namespace gateway
