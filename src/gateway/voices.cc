#include "gateway/voices.h"

#include "gateway/call.h"
#include "llm/json.h"
#include "llm/parameters.h"
#include "llm/speech.h"

#include <algorithm>
#include <map>

namespace gateway {

namespace {

constexpr base::Duration kAskTime{1'500};
/// All services together get no more.
constexpr base::Duration kAllTime{2'000};
constexpr base::Duration kRemembered{60'000};
constexpr std::size_t kMostRemembered = 256;
constexpr std::size_t kMostAnswer = 1u << 20;

/// What the services said, one worker's memory of it. By target.
struct Remembered {
    base::Time until;
    std::string body;
};

std::map<std::string, Remembered>& memory() {
    thread_local std::map<std::string, Remembered> remembered;
    return remembered;
}

void remember(const std::string& target, std::string body) {
    const base::Time now = base::Clock::now();
    std::erase_if(memory(), [now](const auto& entry) { return entry.second.until <= now; });
    if (memory().size() >= kMostRemembered) memory().clear();
    memory()[target] = {now + kRemembered, std::move(body)};
}

/// Where the target is asked: an engine of ours only while it runs, for a list starts none.
std::optional<net::Origin> origin_of(Lane& lane, const Way& way, const config::Target& target) {
    if (!target.engine) return way.origin;
    for (const device::EngineStatus& engine : lane.shared.engines->status())
        if (engine.name == target.id && engine.state == device::EngineState::ready)
            return net::Origin(net::Endpoint{false, "127.0.0.1", engine.port});
    return std::nullopt;
}

/// A service's own list; empty where it has none to give just now, which is remembered too unless
/// it had less than its time.
net::Task<std::string> ask(Lane& lane, Ways& ways, const config::Target& target, base::Time all_by,
                           net::AbortHandle& abort) {
    const base::Time now = base::Clock::now();
    const auto known = memory().find(target.id);
    if (known != memory().end() && known->second.until > now) co_return known->second.body;
    if (now >= all_by) co_return std::string();
    const Way& way = ways.to(target);
    const auto origin = origin_of(lane, way, target);
    if (!origin) co_return std::string();
    const std::string path = (target.engine ? kEngineBase : target.base.path) + "/audio/voices";
    const base::Time by = std::min(all_by, now + kAskTime);
    auto reply =
        co_await lane.upstream.send({*origin, "GET", path, way.headers, {}}, by, by, abort);
    std::string body;
    if (reply && (*reply)->head().status == 200) {
        auto rest = co_await (*reply)->rest(kMostAnswer, by);
        if (rest) body = std::move(*rest);
    }
    const bool cut_short = abort.aborted() || by < now + kAskTime;
    if (!body.empty() || !cut_short) remember(target.id, body);
    co_return body;
}

void add(std::string& out, std::string_view voice, const config::Target& target, bool standard,
         std::string_view origin) {
    llm::ObjectWriter one;
    one.set("voice", llm::json::quote(voice));
    one.set("model", llm::json::quote(target.alias));
    one.set("upstream_model", llm::json::quote(target.model));
    one.set("default", standard ? "true" : "false");
    if (!origin.empty()) one.set("origin", std::string(origin));
    out += (out.empty() ? "" : ",") + one.str();
}

/// The voices in `answer` that belong to the target's model.
void add_stated(std::string& out, const config::Target& target, std::string_view answer) {
    const std::string_view voices = llm::json::member(answer, "voices");
    llm::json::Cursor in(voices);
    if (voices.empty() || !in.enter_array()) return;
    while (in.next_element()) {
        const std::string_view entry = in.value();
        const auto voice = llm::json::text(llm::json::member(entry, "voice"));
        const auto model = llm::json::text(llm::json::member(entry, "model"));
        if (voice && (!model || *model == target.model))
            add(out, *voice, target, llm::json::member(entry, "default") == "true",
                llm::json::member(entry, "origin"));
    }
}

std::string_view wanted_model(std::string_view query) {
    constexpr std::string_view kName = "model=";
    while (!query.empty()) {
        const std::string_view one = query.substr(0, query.find('&'));
        if (one.starts_with(kName)) return one.substr(kName.size());
        query.remove_prefix(std::min(query.size(), one.size() + 1));
    }
    return {};
}

}  // namespace

net::Task<> list_voices(Lane& lane, net::Exchange& exchange) {
    const std::shared_ptr<Ways> ways = lane.ways;
    const config::Snapshot catalog = ways->catalog();
    const std::string model(wanted_model(exchange.head.query));
    const base::Time by = base::Clock::now() + kAllTime;
    net::AbortHandle abort;
    exchange.watch_hangup([&exchange, &abort] {
        exchange.mark_gone();
        abort.abort();
    });
    std::string list;
    for (const config::Target& target : catalog->targets) {
        if (abort.aborted()) break;
        if (target.mode != config::Mode::audio_speech || !target.left_out.empty()) continue;
        if (!model.empty() && target.alias != model) continue;
        if (target.provider == base::Provider::openai) {
            for (const std::string_view voice : llm::openai_voices(target.model))
                add(list, voice, target, voice == "alloy", {});
        } else if (target.provider == base::Provider::openai_compatible) {
            add_stated(list, target, co_await ask(lane, *ways, target, by, abort));
        }
    }
    exchange.unwatch_hangup();
    if (exchange.gone()) co_return;
    co_await exchange.respond(200, {}, "application/json", "{\"voices\":[" + list + "]}");
}

}  // namespace gateway
