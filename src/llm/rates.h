#pragma once

#include "base/clock.h"
#include "base/provider.h"
#include "llm/http.h"
#include "llm/rate.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// Collects what the headers of one reply (served or refused) say of quotas, as its
/// provider means them. Runs for every answer: a header that speaks of none costs a look at
/// its first bytes, and nothing is allocated before one does. A value that can't be (not a
/// number, negative, above 1e15) is passed over by itself. Names and values must live until
/// rates() is called.
class RateReader {
public:
    RateReader(base::Provider provider, base::WallTime now) : provider_(provider), now_(now) {}

    void header(std::string_view name, std::string_view value) {
        if (may_tell(name)) read(name, value);
    }

    /// Every quota that was spoken of; once, after the last header. An allowance of zero is
    /// left out: it is a prohibition, and classify() says so.
    std::vector<Rate> rates();

private:
    /// `x-ratelimit…`, `x-trial-…`, `x-endpoint-…`, `ratelimit…`, `anthropic-…`.
    static bool may_tell(std::string_view name) {
        constexpr std::size_t kShortest = 9;
        if (name.size() < kShortest) return false;
        const int third = name[2] | 0x20;
        switch (name[0] | 0x20) {
            case 'x': return third == 'r' || third == 't' || third == 'e';
            case 'r':
            case 'a': return third == 't';
            default: return false;
        }
    }

    struct Field;
    void read(std::string_view name, std::string_view value);
    void read_grid(std::string_view field, std::string_view value,
                   std::optional<base::Metric> bare);
    void read_plan(std::string_view field, std::string_view value);
    void read_cohere(std::string_view name, std::string_view value);
    void read_standard(std::string_view field, std::string_view value);
    void add_standard();
    void set(const Field& field, std::string_view value);
    Rate& slot(base::Metric metric, std::string_view window);
    std::string inferred_window(const Rate& rate) const;

    base::Provider provider_;
    base::WallTime now_;
    std::vector<Rate> found_;
    bool plan_serves_ = false;     ///< Anthropic: beyond the plan, but allowed (overage)
    std::string_view standard_{};  ///< IETF: `RateLimit`
    std::string_view policies_{};  ///< IETF: `RateLimit-Policy`, or the list in `-Limit`
};

std::vector<Rate> header_rates(base::Provider provider, const Reply& reply, base::WallTime now);

}  // namespace llm
