#include "admin/image_wrapper.h"

#include "admin/json_reply.h"
#include "admin/percent.h"
#include "base/percent.h"

#include <memory>

namespace admin {
namespace {

namespace json = boost::json;
using base::ErrorKind;
using config::Target;
using gateway::ImageSet;
using gateway::Lane;
using net::Exchange;

constexpr base::Duration kConnect{5'000};
constexpr base::Duration kStatus{10'000};
/// Unloading and cancelling: its process has to go.
constexpr base::Duration kGoing{60'000};
/// The wrapper's own bound is ten minutes; what ran before has to go first.
constexpr base::Duration kLoading{660'000};
constexpr std::size_t kMostReply = 1u << 20;

struct Reply {
    int status = 0;
    std::string body;
    std::string type = "application/json";
};

/// One wrapper during one request; all it refers to outlives it.
struct Wrapper {
    Lane& lane;
    std::shared_ptr<gateway::Ways> ways;
    const Target& target;
    net::AbortHandle& abort;

    net::Task<base::Result<Reply>> ask(std::string what, std::string query, base::Duration within);
    net::Task<bool> at_work();
};

net::Task<base::Result<Reply>> Wrapper::ask(std::string what, std::string query,
                                            base::Duration within) {
    std::string_view root = target.base.path;
    if (root.ends_with("/v1")) root.remove_suffix(3);
    const std::string path = std::string(root) + "/sdcpp/v1/" + what + query;
    const gateway::Way& way = ways->to(target);
    const base::Time now = base::Clock::now();
    auto reply = co_await lane.upstream.send({.origin = way.origin,
                                              .method = what == "status" ? "GET" : "POST",
                                              .target = path,
                                              .headers = way.headers,
                                              .body = {}},
                                             now + kConnect, now + within, abort);
    if (!reply) co_return std::unexpected(reply.error());
    auto body = co_await (*reply)->rest(kMostReply, now + within);
    if (!body) co_return std::unexpected(body.error());
    const net::ResponseHead& head = (*reply)->head();
    co_return Reply{head.status, std::move(*body), std::string(head.headers.get("content-type"))};
}

/// It loads or draws. One that does not say is asked all the same.
net::Task<bool> Wrapper::at_work() {
    auto status = co_await ask("status", "", kStatus);
    boost::system::error_code error;
    const json::value said = status ? json::parse(status->body, error) : json::value();
    if (error || !said.is_object()) co_return false;
    const auto is = [&](std::string_view key) {
        const json::value* const value = said.get_object().if_contains(key);
        return value && value->is_bool() && value->get_bool();
    };
    co_return is("loading") || is("generating");
}

net::Task<base::Result<Reply>> load(Wrapper& wrapper, ImageSet set,
                                    const std::vector<const Target*>& models, std::string name) {
    const Target* const target = gateway::image_model(models, set, name);
    const std::string key(target ? gateway::image_key(*target, set) : name);
    const std::string query = key.empty() ? "" : "?model=" + base::percent_encoded(key);
    // Its place on the device is that of the picture being drawn: told, not waited for.
    if (co_await wrapper.at_work())
        co_return Reply{
            503, json::serialize(image_failure(
                     "the service is busy: another load or generation is in progress", "busy"))};
    device::DeviceLease room;
    if (target) {
        auto taken = co_await image_room(wrapper.lane, *wrapper.ways, *target,
                                         base::Clock::now() + kLoading, wrapper.abort);
        if (!taken) co_return std::unexpected(taken.error());
        room = std::move(*taken);
    }
    auto reply = co_await wrapper.ask("load", query, kLoading);
    if (reply && reply->status == 200)
        room.served();
    else
        room.failed();
    co_return reply;
}

net::Task<> nobody(Exchange& exchange, ImageSet set) {
    const std::string flag = set == ImageSet::cpu ? "SDCPP" : "SDCPP_CUDA";
    return reply(exchange, {404,
                            "Nobody draws with this set of image models: set " + flag + "=1, and " +
                                flag + "_NATIVE=1 where freeway itself is to run them.",
                            "invalid_request_error",
                            "not_found",
                            {},
                            {}});
}

}  // namespace

json::object image_failure(std::string text, std::string_view code) {
    json::object body;
    body["error"] = std::move(text);
    body["code"] = code;
    return body;
}

net::Task<base::Result<device::DeviceLease>> image_room(Lane& lane, gateway::Ways& ways,
                                                        const Target& target, base::Time by,
                                                        net::AbortHandle& abort) {
    const std::optional<device::Use> use = ways.to(target).use;
    if (!use) co_return device::DeviceLease();
    const auto turn = lane.shared.devices->join(lane.worker.loop.get_executor(), *use);
    if (co_await turn->wait(by, abort)) co_return turn->take();
    co_return base::fail(ErrorKind::busy, "the device " + use->device + " has no room in time");
}

net::Task<> ask_image_wrapper(Lane& lane, Exchange& exchange, ImageSet set, std::string what) {
    const std::shared_ptr<gateway::Ways> ways = lane.ways;
    const auto models = gateway::wrapped_models(*ways->catalog(), set);
    if (models.empty()) co_return co_await nobody(exchange, set);
    base::Result<Reply> answer;
    {
        HangupWatch watch(exchange);
        Wrapper wrapper{lane, ways, *models.front(), watch.abort};
        if (what == "load")
            answer =
                co_await load(wrapper, set, models, query_member(exchange.head.query, "model"));
        else
            answer = co_await wrapper.ask(what, "", what == "status" ? kStatus : kGoing);
    }
    if (exchange.gone()) co_return;
    if (answer) {
        co_await exchange.respond(answer->status, {}, answer->type, answer->body);
        co_return;
    }
    const ErrorKind kind = answer.error().kind;
    if (kind == ErrorKind::busy || kind == ErrorKind::refused || kind == ErrorKind::too_large)
        co_await reply(exchange, 503, image_failure(answer.error().detail, "busy"));
    else
        co_await reply(exchange, kind == ErrorKind::timed_out ? 504 : 502,
                       image_failure("the image service can't be reached: " + answer.error().detail,
                                     "unreachable"));
}

}  // namespace admin
