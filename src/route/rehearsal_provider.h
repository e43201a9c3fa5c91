#pragma once

#include "config/catalog.h"
#include "llm/outcome.h"
#include "quota/rule.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace route {

/// A call as its provider sees it.
struct RehearsedCall {
    double prompt_tokens = 0;
    double answer_tokens = 0;
    std::optional<std::uint64_t> max_tokens{};
};

/// What a provider counts for one limit.
class Counter;

/// What became of a limit, by the provider's own count.
struct LimitReport {
    std::string key;  ///< as the ledger has it: "model:groq:GROQ_API_KEY/… requests/day"
    double limit = 0;
    bool advisory = false;
    std::optional<base::WallTime>
        exhausted_at{};           ///< first time that another such call was too much
    std::uint64_t kept_away = 0;  ///< calls that it refused or would have refused
};

/// All providers of a catalog, each keeping its own exact count: written without the ledger, so
/// that a mistake there shows as a refusal here. They know what is configured, advisory limits
/// too; a target without limits always answers. A call counts when it reaches the provider, with
/// all the tokens that it will take; it is let in if its prompt (with max_tokens where the
/// provider reserves those) fits. Time is an argument and only goes forward.
class EmulatedProviders {
public:
    explicit EmulatedProviders(const config::Catalog& catalog);
    ~EmulatedProviders();
    EmulatedProviders(const EmulatedProviders&) = delete;

    /// A call arrives: nullopt if it is let in, else the refusal as it would be classified.
    std::optional<llm::Failure> ask(const config::Target& target, const RehearsedCall& call,
                                    base::WallTime at);
    /// A call that was let in is over.
    void ended(const config::Target& target);
    /// Whether the call that was not made would have been refused.
    bool spared(const config::Target& target, const RehearsedCall& call, base::WallTime at);

    std::vector<LimitReport> limits() const;

private:
    Counter* refusing(const config::Target& target, const RehearsedCall& call, base::WallTime at);
    const std::vector<Counter*>& of(const config::Target& target) const;

    const config::Catalog& catalog_;
    std::map<std::string, std::unique_ptr<Counter>> counters_;
    std::vector<std::vector<Counter*>> by_target_;  ///< in the catalog's order
};

}  // namespace route
