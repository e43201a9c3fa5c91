#include "app/quota_command.h"

#include "admin/quota_rows.h"
#include "app/client.h"
#include "app/table.h"
#include "base/percent.h"
#include "base/plain_numbers.h"
#include "base/units.h"
#include "config/load.h"

#include <fmt/format.h>
#include <unistd.h>
#include <boost/json.hpp>

#include <cstdlib>
#include <expected>

namespace app {

namespace json = boost::json;

namespace {

int problem(const std::string& text) {
    fmt::print(stderr, "freeway: {}\n", text);
    return 1;
}

/// Bars of blocks where a person looks at a terminal that can show them.
admin::Drawing drawing() {
    if (isatty(STDOUT_FILENO) == 0) return admin::Drawing::plain;
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const char* value = std::getenv(name);
        if (!value || !*value) continue;
        const bool utf8 = base::icontains(value, "utf-8") || base::icontains(value, "utf8");
        return utf8 ? admin::Drawing::blocks : admin::Drawing::plain;
    }
    return admin::Drawing::plain;
}

/// What the gateway says is wrong, in its own words where it has some.
std::string complaint(const ClientReply& reply) {
    boost::system::error_code error;
    const json::value body = json::parse(reply.body, error);
    if (!error)
        if (const json::value* message = body.find_pointer("/error/message", error))
            if (message->is_string()) return std::string(std::string_view(message->get_string()));
    return base::shown(reply.body, 500);
}

/// A running gateway, with the key to it.
class Operator {
public:
    Operator(const CommonOptions& common, std::string url) : url_(std::move(url)) {
        const config::Environment environment = config::Environment::read(common.env);
        const config::Loaded loaded =
            config::load(common.config, environment, config::Scope::serving);
        key_ = loaded.catalog ? loaded.catalog->settings.master_key.reveal()
                              : environment.get("FREEWAY_MASTER_KEY");
    }

    /// The answer's object, or what to print.
    std::expected<json::object, std::string> ask(std::string_view method, const std::string& path,
                                                 const std::string& body) const {
        const auto reply = ask_gateway(url_, method, path, key_, body);
        if (!reply)
            return std::unexpected("no gateway answers at " + url_ + ": " + reply.error().detail);
        if (reply->status != 200)
            return std::unexpected(
                fmt::format("{} answered {}: {}", url_, reply->status, complaint(*reply)));
        boost::system::error_code error;
        json::value value = json::parse(reply->body, error);
        if (error || !value.is_object())
            return std::unexpected("the answer of " + url_ + " can't be read");
        return std::move(value.get_object());
    }

    /// The limits that `what` means, with the listing around them.
    std::expected<json::object, std::string> limits(const std::string& what) const {
        auto body = ask(
            "GET", what == "all" ? "/v1/quota" : "/v1/quota/" + base::percent_encoded(what), {});
        const json::value* data = body ? body->if_contains("data") : nullptr;
        if (body && (!data || !data->is_array()))
            return std::unexpected("the answer of " + url_ + " can't be read");
        return body;
    }

private:
    std::string url_;
    std::string key_;
};

void print(const json::array& limits) {
    if (limits.empty())
        fmt::print(
            "No limits are known: state them in the configuration, or let a provider's "
            "answers tell.\n");
    else
        fmt::print("{}", table(admin::quota_rows(limits, drawing())));
}

int change(const CommonOptions& common, const QuotaOptions& options, std::string_view verb) {
    json::object order;
    order["what"] = options.what;
    if (options.used) order["used"] = *options.used;
    if (options.remaining) order["remaining"] = *options.remaining;
    const Operator gateway(common, options.url);
    auto done = gateway.ask("POST", fmt::format("/v1/quota/{}", verb), json::serialize(order));
    if (!done) return problem(done.error());
    auto listing = gateway.limits(options.what);
    if (!listing) return problem(listing.error());
    const json::value changed = (*done)["changed"];
    if (common.json) {
        (*listing)["changed"] = changed;
        fmt::print("{}\n", base::plain_numbers(json::serialize(*listing)));
        return 0;
    }
    const std::string count = base::plain_numbers(json::serialize(changed));
    fmt::print("{} {} changed\n\n", count, count == "1" ? "limit" : "limits");
    print((*listing)["data"].get_array());
    return 0;
}

}  // namespace

int quota(const CommonOptions& common, const QuotaOptions& options) {
    auto listing = Operator(common, options.url).limits(options.what);
    if (!listing) return problem(listing.error());
    if (common.json)
        fmt::print("{}\n", base::plain_numbers(json::serialize(*listing)));
    else
        print((*listing)["data"].get_array());
    return 0;
}

int reset_quota(const CommonOptions& common, const QuotaOptions& options) {
    return change(common, options, "reset");
}

int set_quota(const CommonOptions& common, const QuotaOptions& options) {
    return change(common, options, "set");
}

}  // namespace app
