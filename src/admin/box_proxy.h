#pragma once

#include "gateway/gateway.h"
#include "net/http_server.h"

#include <optional>
#include <string>
#include <string_view>

namespace admin {

/// A path below an agent box's route: /claudebox/… or /pibox-zai/….
struct BoxPath {
    config::AgentKind agent;
    std::string_view route;  ///< "claudebox", "pibox-zai"
    std::string_view rest;   ///< undecoded, with its slash; empty: none
};
std::optional<BoxPath> box_path(std::string_view path);

/// A path that stays below its root in any server's reading: no `..`, no empty or encoded
/// separator, however often it is encoded.
bool stays_below(std::string_view path);

/// Hands the request on to the box as it is, with the box's token in place of the client's key,
/// and the answer back as it comes. The key was checked before.
net::Task<> hand_to_box(gateway::Lane& lane, net::Exchange& exchange, BoxPath path);

}  // namespace admin
