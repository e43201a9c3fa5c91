#pragma once

#include "base/model_facts.h"
#include "base/pulls.h"
#include "base/result.h"
#include "config/catalog.h"
#include "quota/ledger.h"
#include "route/benches.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace route {

/// What a decision depends on in a request.
struct Ask {
    std::string model;
    config::Mode mode = config::Mode::chat;
    bool tools = false;
    bool vision = false;
    bool audio = false;
    bool documents = false;
    bool json_schema = false;  ///< never a reason to skip: it is emulated
    bool stream = false;
    std::uint64_t choices = 1;
    std::uint64_t prompt_bytes = 0;  ///< 0: unknown
    std::optional<std::uint64_t> max_tokens{};
    std::uint64_t inputs = 0;  ///< texts to embed, documents to rank
    double images = 0;
    double audio_seconds = 0;  ///< of the recording it brings
    double characters = 0;     ///< to speak
    bool chain = true;         ///< false: nobody but the alias's own targets
    /// Of what must fit into the window at once; absent: prompt_bytes.
    std::optional<std::uint64_t> window_bytes{};

    quota::Work work(const config::Target& target) const;
};

/// A request of which nothing but its alias is known: of the kind that the alias serves.
Ask ask_for(const config::Catalog& catalog, std::string model);

/// The alias that serves `ask`: the one it names, unless completion_model names it for all.
const std::string& served_alias(const config::Settings& settings, const Ask& ask);

/// Why a candidate is not asked.
enum class Skip {
    none,
    no_key,  ///< a variable that it needs is not set
    benched,
    quota,        ///< a limit has too little left for this request
    mode,         ///< serves another kind of endpoint
    capability,   ///< the request needs what it can't do
    context,      ///< the prompt is larger than its window
    pulling,      ///< its model is not there yet
    unsupported,  ///< its dialect has no word for something in the request
    engine,       ///< its local engine can't be started
    concurrency,  ///< max_parallel_requests are under way
    device,       ///< no room on its device in time
};
std::string_view name(Skip skip);

/// A target considered for a request, with its verdict.
struct Candidate {
    const config::Target* target = nullptr;
    std::string model{};                        ///< upstream id, a wildcard already filled in
    Skip skip = Skip::none;                     ///< none: go
    std::string why{};                          ///< for people, where skipped
    std::optional<base::Duration> back_in{};    ///< benched, quota, pulling: until it returns
    llm::Outcome cause = llm::Outcome::served;  ///< benched, quota: for what
};

/// Marks `candidate` as kept out by `bench`.
void set_aside(Candidate& candidate, const Bench& bench, base::Time now);
/// Marks `candidate` as kept out until its model has been pulled.
void set_aside(Candidate& candidate, const base::Pull& pull, base::Time now);
/// Marks `candidate` as kept out by a limit.
void set_aside(Candidate& candidate, const quota::Shortage& shortage);

/// What a decision is made from: configuration with its limits, and who is set aside.
struct State {
    const quota::Book& book;
    const Benches& benches;
    base::Now now;
    std::shared_ptr<const base::Pulls> pulls{};      ///< null: no target lacks its model
    std::shared_ptr<const base::FactTable> facts{};  ///< of models; null: nothing is known

    const config::Catalog& catalog() const { return book.catalog(); }
};

struct Decision {
    const config::Alias* alias = nullptr;
    std::vector<Candidate> candidates;  ///< in the order of asking
    bool alone = false;  ///< one of them can serve it at all: it is asked even when benched
};

/// Everybody who may serve `ask`, in order: the alias's own targets (by `order`, then
/// by weight with `seed`), then its chain's, each target once; with `routing: spend_wisely`
/// the free ones among them change places. Pure: live traffic, preview and rehearsal use the
/// same call. Where the alias's own targets are all too small for the prompt, its
/// context_window_fallbacks follow instead of its chain. Benched targets carry Skip::benched,
/// except where nobody else could serve the request at all: that one is asked anyway. A limit is
/// never overridden. Error not_found: no such alias.
base::Result<Decision> decide(const State& state, const Ask& ask, std::uint64_t seed);

/// After a context overflow at `failed` only a stated, larger window may follow, or
/// the alias's context_window_fallbacks. The others become Skip::context.
void after_context_overflow(const State& state, const Ask& ask, Decision& decision,
                            std::size_t failed);

/// After a content refusal only the alias's content_policy_fallbacks may follow;
/// false if there are none: the refusal is the answer.
bool after_content_refusal(const State& state, const Ask& ask, Decision& decision,
                           std::size_t failed);

}  // namespace route
