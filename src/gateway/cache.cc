#include "gateway/cache.h"

#include "base/units.h"
#include "gateway/session.h"
#include "llm/canonical_json.h"
#include "llm/json.h"

#include <openssl/evp.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace gateway {
namespace {

namespace json = llm::json;
using std::string_view;

/// A longer request is not looked up: hashing it would hold up others.
constexpr std::size_t kMostQuestion = 1u << 20;
constexpr double kLongestTtl = 30 * 86'400;

/// Members that do not change an answer, or are part of the key by themselves. The first ones are
/// not even repeated in it.
constexpr std::array<string_view, 12> kNotAsked = {"cache",
                                                   "keep_alive",
                                                   "model",
                                                   "stream",
                                                   "stream_options",
                                                   "metadata",
                                                   "prompt_cache_key",
                                                   "prompt_cache_retention",
                                                   "safety_identifier",
                                                   "service_tier",
                                                   "store",
                                                   "user"};
constexpr std::size_t kNeverRepeated = 5;

std::int64_t epoch_seconds() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               base::WallClock::now().time_since_epoch())
        .count();
}

std::unexpected<base::Error> wrong(string_view key, string_view must) {
    return base::fail(base::ErrorKind::bad_input, fmt::format("`cache.{}` must be {}", key, must));
}

base::Result<void> read_wish(string_view key, string_view value, CacheWishes& wishes) {
    const bool flag = key == "no-cache" || key == "no-store" || key == "use-cache";
    if (flag) {
        const auto on = json::boolean(value);
        if (!on) return wrong(key, "true or false");
        if (key == "use-cache") wishes.use = on;
        if (key == "no-cache") wishes.no_cache = *on;
        if (key == "no-store") wishes.no_store = *on;
        return {};
    }
    if (key == "namespace") {
        wishes.space = json::text(value);
        return wishes.space ? base::Result<void>() : wrong(key, "a string");
    }
    const auto number = json::number(value);
    if (key == "ttl") {
        wishes.ttl = number;
        const bool fits = number && *number > 0 && *number <= kLongestTtl;
        return fits ? base::Result<void>() : wrong(key, "seconds, more than 0 and at most 30 days");
    }
    if (key == "s-maxage" || key == "s-max-age") {
        wishes.newest_age = number;
        return number && *number >= 0 ? base::Result<void>() : wrong(key, "seconds, 0 or more");
    }
    return base::fail(base::ErrorKind::bad_input,
                      fmt::format("`cache.{}` is unknown; known are ttl, s-maxage, no-cache, "
                                  "no-store, use-cache, namespace",
                                  base::shown(key, 100)));
}

ClientError bad_wish(std::string text, std::string param) {
    return {400, std::move(text), "invalid_request_error", "bad_cache", std::move(param), {}};
}

base::Result<CacheWishes> wishes_of(const Question& question) {
    for (const llm::Member& member : question.members)
        if (member.key == "cache")
            return read_cache_wishes(
                question.body.substr(member.value.begin, member.value.end - member.value.begin));
    return CacheWishes();
}

std::optional<config::CacheChoice> choice_of(const config::Catalog& catalog,
                                             const config::Alias& alias) {
    for (const std::size_t index : alias.targets)
        if (catalog.targets[index].cache) return catalog.targets[index].cache;
    return std::nullopt;
}

bool kept_kind(const config::CacheSettings& settings, string_view call_type) {
    return settings.call_types.empty() ||
           std::ranges::any_of(settings.call_types, [call_type](string_view one) {
               return one == call_type || (one.starts_with('a') && one.substr(1) == call_type);
           });
}

/// Whether the cache is in play at all. The request's word counts most, then the alias's.
struct Switch {
    bool offered = false;  ///< somebody has switched it on
    bool on = false;
};
Switch cache_switch(const config::CacheSettings& settings,
                    const std::optional<config::CacheChoice>& choice, string_view header,
                    const CacheWishes& wishes) {
    const bool configured = choice ? choice->on : settings.on;
    const bool asked = header == "on" || wishes.use.value_or(false);
    const bool refused = header == "off" || (wishes.use && !*wishes.use);
    if (refused) return {configured, false};
    return {configured || asked, asked || (configured && !settings.by_request)};
}

void append_reach(std::string& out, const config::Target& target) {
    fmt::format_to(std::back_inserter(out), "{}\n{}\n{}\n", base::name(target.provider),
                   target.model, target.base.text());
    for (const auto* pairs : {&target.defaults, &target.overrides})
        for (const auto& [key, value] : *pairs)
            fmt::format_to(std::back_inserter(out), "{}={}\n", key, value);
}

std::string sha256(string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned int size = 0;
    EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
    return {digest.begin(), digest.begin() + size};
}

}  // namespace

base::Result<CacheWishes> read_cache_wishes(string_view text) {
    CacheWishes wishes;
    if (text == "null") return wishes;
    if (!text.starts_with('{'))
        return base::fail(base::ErrorKind::bad_input,
                          R"(`cache` must be an object, such as {"ttl": 600})");
    json::Cursor in(text);
    string_view key;
    in.enter_object();
    while (in.next_member(key)) {
        const string_view value = in.value();
        if (value == "null") continue;
        if (auto read = read_wish(json::unescape(key), value, wishes); !read)
            return std::unexpected(read.error());
    }
    return wishes;
}

std::string question_key(const config::Catalog& catalog, const config::Alias& alias,
                         string_view asked, string_view space, const Question& question) {
    std::string text =
        fmt::format("{}\n{}\n{}\n", question.protocol, json::quote(asked), json::quote(space));
    for (const std::size_t index : alias.targets) append_reach(text, catalog.targets[index]);
    text += question.headers + '\n';
    const std::span<const string_view> not_asked(kNotAsked);
    llm::append_canonical_without(text, question.body,
                                  question.repeated ? not_asked.first(kNeverRepeated) : not_asked);
    return sha256(text);
}

std::expected<void, ClientError> open_cache(Session& session) {
    const std::optional<Question> question = session.job->question(session);
    if (!question) return {};
    const string_view header = session.exchange.head.headers.get("x-freeway-cache");
    if (!header.empty() && header != "on" && header != "off")
        return std::unexpected(bad_wish("x-freeway-cache must be on or off.", "x-freeway-cache"));
    const auto wishes = wishes_of(*question);
    if (!wishes) return std::unexpected(bad_wish(wishes.error().detail, "cache"));
    const config::Catalog& catalog = *session.catalog;
    const config::CacheSettings& settings = catalog.settings.cache;
    const std::string& asked = route::served_alias(catalog.settings, session.ask);
    const config::Alias* alias = catalog.find(asked);
    if (!alias) return {};
    const auto choice = choice_of(catalog, *alias);
    const Switch use = cache_switch(settings, choice, header, *wishes);
    if (!use.offered) return {};
    const bool neither = wishes->no_cache && wishes->no_store;
    if (!use.on || neither || !question->keepable || question->body.size() > kMostQuestion ||
        !kept_kind(settings, question->call_type)) {
        session.record->cache = "off";
        return {};
    }
    CacheUse& cache = session.cache.emplace();
    cache.read = !wishes->no_cache;
    cache.write = !wishes->no_store;
    const base::Duration configured = choice ? choice->ttl.value_or(settings.ttl) : settings.ttl;
    cache.ttl = std::max<std::int64_t>(
        1, wishes->ttl ? std::llround(*wishes->ttl) : configured.count() / 1000);
    if (wishes->newest_age)
        cache.not_before =
            epoch_seconds() - static_cast<std::int64_t>(std::min(*wishes->newest_age, kLongestTtl));
    cache.key =
        question_key(catalog, *alias, asked, wishes->space.value_or(settings.space), *question);
    session.record->cache = "miss";
    return {};
}

net::Task<bool> answer_from_cache(Session& session) {
    if (!session.cache || !session.cache->read) co_return false;
    const std::int64_t now = epoch_seconds();
    const auto kept =
        session.lane.shared.answers.find(session.cache->key, now, session.cache->not_before);
    if (!kept) co_return false;
    session.record->served_by = kept->served_by;
    session.record->cache =
        fmt::format("hit; age={}", std::max<std::int64_t>(0, now - kept->stored));
    if (co_await session.job->give(session, *kept)) co_return true;
    session.record->served_by.clear();
    session.record->cache = "miss";
    co_return false;
}

net::Task<bool> Job::give(Session& session, const store::KeptAnswer& answer) {
    co_await session.answer(200, "application/json", answer.body);
    co_return true;
}

void keep_answer(Session& session, const config::Target& target, std::string body) {
    if (!session.cache || !session.cache->write || target.capabilities.agent) return;
    const std::int64_t now = epoch_seconds();
    auto answer = std::make_shared<const store::KeptAnswer>(
        store::KeptAnswer{.key = session.cache->key,
                          .served_by = target.alias,
                          .body = std::move(body),
                          .stored = now,
                          .expires = now + session.cache->ttl});
    Gateway& shared = session.lane.shared;
    if (shared.answers.put(answer) && shared.store && session.catalog->settings.cache.on_disk)
        shared.store->add(std::move(answer));
}

}  // namespace gateway
