#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace llm {

/// One item of the IETF's RateLimit fields (draft-ietf-httpapi-ratelimit-headers):
/// `"burst";q=100;w=60` and `"burst";r=50;t=30`, or as older drafts have it `100;w=60`.
struct PolicyItem {
    std::string_view head;  ///< name or quota, without quotes
    std::string_view quota;
    std::string_view window;  ///< seconds
    std::string_view remaining;
    std::string_view reset;
};

/// The item of that head; with an empty `head` the only item. nullopt: there is none.
std::optional<PolicyItem> policy_item(std::string_view list, std::string_view head);

/// `60` -> minute, `86400` -> day, `30` -> 30s; empty for what is no number of seconds.
std::string window_of_seconds(std::string_view seconds);

}  // namespace llm
