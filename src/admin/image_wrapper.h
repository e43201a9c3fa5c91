#pragma once

#include "gateway/gateway.h"
#include "gateway/image_models.h"
#include "net/http_server.h"

#include <boost/json.hpp>

#include <string>
#include <string_view>

namespace admin {

/// Rings `abort` when the client hangs up.
struct HangupWatch {
    net::Exchange& exchange;
    net::AbortHandle abort{};
    explicit HangupWatch(net::Exchange& e) : exchange(e) {
        exchange.watch_hangup([this] {
            exchange.mark_gone();
            abort.abort();
        });
    }
    ~HangupWatch() { exchange.unwatch_hangup(); }
    HangupWatch(const HangupWatch&) = delete;
    HangupWatch& operator=(const HangupWatch&) = delete;
};

/// `{"error": text, "code": code}`: how the image service says no.
boost::json::object image_failure(std::string text, std::string_view code);

/// Room for the model on its device, where it has one. `ways` has `target`.
net::Task<base::Result<device::DeviceLease>> image_room(gateway::Lane& lane, gateway::Ways& ways,
                                                        const config::Target& target, base::Time by,
                                                        net::AbortHandle& abort);

/// Hands `what` (status, load, unload, cancel) on to the wrapper that runs elsewhere, and its
/// answer back; 404 where there is none. A load has its room on the device first. Access was
/// checked before.
net::Task<> ask_image_wrapper(gateway::Lane& lane, net::Exchange& exchange, gateway::ImageSet set,
                              std::string what);

}  // namespace admin
