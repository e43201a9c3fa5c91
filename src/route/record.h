#pragma once

#include "base/clock.h"
#include "llm/outcome.h"
#include "llm/usage.h"
#include "route/decide.h"

#include <boost/json/fwd.hpp>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace route {

/// What became of one candidate.
struct Step {
    std::string alias;
    std::string target;
    Skip skip = Skip::none;                       ///< not none: no call was made
    llm::Outcome outcome = llm::Outcome::served;  ///< of the call
    int status = 0;                               ///< HTTP status, 0 where none came
    base::Duration at{0};                         ///< since the request's start
    base::Duration took{0};
    std::optional<base::Duration> back_in;  ///< how long it is set aside now
    std::string detail;
    int calls = 1;                     ///< upstream calls, where it was none that was skipped
    bool carried_on = false;           ///< it went on with what an earlier one had begun to say
    llm::Usage usage;                  ///< of this call
    std::vector<std::string> changes;  ///< what was changed in the client's request for it
};

/// The decision record of one request: every candidate with its verdict and why.
/// Holds no prompt and no key.
struct Record {
    std::string id;
    base::WallTime time{};
    std::string asked;      ///< alias in the request
    std::string served_by;  ///< empty: nobody
    bool stream = false;
    int status = 0;
    std::string cache;  ///< `hit; age=12`, `miss`, `off`; empty: not in play
    std::vector<Step> steps;
    llm::Usage usage;
    base::Duration took{0};
    std::string error;  ///< what the client was told, where it failed

    int attempts() const;  ///< upstream calls
    /// `groq-llama-3.3-70b=429:rate_limited, mistral-small=200`
    std::string trail() const;
};

boost::json::object to_json(const Step& step);
boost::json::object to_json(const Record& record);
/// A preview: the same shape, nothing sent.
boost::json::object to_json(const Decision& decision, const Ask& ask);
boost::json::object to_json(const Bench& bench, base::Now now);

/// The last records, for `explain`. At most kMost.
class Records {
public:
    static constexpr std::size_t kMost = 1000;
    void add(std::shared_ptr<const Record> record);
    std::shared_ptr<const Record> find(std::string_view id) const;

private:
    mutable std::mutex mutex_;
    std::deque<std::shared_ptr<const Record>> records_;
};

}  // namespace route
