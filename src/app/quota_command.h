#pragma once

#include "app/commands.h"

#include <optional>
#include <string>

/// `freeway quota`: the limits of the gateway at `url`. `what` is a limit's key, a scope's
/// name, an alias, or `all`. Exit codes as in commands.h.
namespace app {

struct QuotaOptions {
    std::string url = "http://127.0.0.1:4000";
    std::string what = "all";
    std::optional<double> used;       ///< for set_quota: exactly one
    std::optional<double> remaining;  ///< of these two
};

/// What is left of each, and when it comes back.
int quota(const CommonOptions& common, const QuotaOptions& options);
/// As if never used; shows them afterwards.
int reset_quota(const CommonOptions& common, const QuotaOptions& options);
/// States what is used, or what remains; shows them afterwards.
int set_quota(const CommonOptions& common, const QuotaOptions& options);

}  // namespace app
