#include "app/commands.h"

#include "app/client.h"
#include "app/table.h"
#include "base/plain_numbers.h"
#include "config/load.h"
#include "gateway/serve.h"
#include "route/record.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

namespace app {

namespace json = boost::json;

namespace {

void print(const std::vector<config::Diagnostic>& diagnostics) {
    for (const config::Diagnostic& diagnostic : diagnostics)
        fmt::print(stderr, "{}\n", diagnostic.str());
}

int problem(const std::string& text) {
    fmt::print(stderr, "freeway: {}\n", text);
    return 1;
}

config::Snapshot load(const CommonOptions& options, config::Environment& environment) {
    environment = config::Environment::read(options.env);
    config::Loaded loaded = config::load(options.config, environment, config::Scope::serving);
    if (!loaded.catalog) print(loaded.diagnostics);
    return loaded.catalog;
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : " → ") + word;
    return out;
}

/// alias → "back in 41 m (rate_limited)", from a running gateway; nullopt: none answers.
std::optional<std::map<std::string, std::string>> live_states(const std::string& url,
                                                              std::string_view key) {
    auto reply = ask_gateway(url, "GET", "/health", key, {});
    if (!reply || reply->status != 200) return std::nullopt;
    boost::system::error_code error;
    const json::value value = json::parse(reply->body, error);
    const json::object* object = error ? nullptr : value.if_object();
    const json::value* list = object ? object->if_contains("unhealthy_endpoints") : nullptr;
    if (!list || !list->is_array()) return std::nullopt;
    std::map<std::string, std::string> states;
    for (const json::value& row : list->get_array()) {
        const json::object& bench = row.at("bench").as_object();
        states[std::string(row.at("model").as_string())] =
            fmt::format("{}, back in {} s", std::string_view(bench.at("cause").as_string()),
                        static_cast<long>(bench.at("back_in_s").to_number<double>()));
    }
    return states;
}

/// What the gateway at `url` pulls goes before what it says otherwise of an alias.
void add_pulls(const std::string& url, std::string_view key,
               std::map<std::string, std::string>& states) {
    auto reply = ask_gateway(url, "GET", "/v1/pulls", key, {});
    if (!reply || reply->status != 200) return;
    boost::system::error_code error;
    const json::value value = json::parse(reply->body, error);
    const json::object* object = error ? nullptr : value.if_object();
    const json::value* list = object ? object->if_contains("data") : nullptr;
    if (!list || !list->is_array()) return;
    for (const json::value& row : list->get_array())
        if (row.at("state").as_string() != "done")
            for (const json::value& alias : row.at("aliases").as_array())
                states[std::string(alias.as_string())] = row.at("text").as_string();
}

}  // namespace

int check(const CommonOptions& options) {
    const config::Environment environment = config::Environment::read(options.env);
    const config::Loaded loaded = config::load(options.config, environment, config::Scope::all);
    const std::vector<config::Diagnostic>& found = loaded.diagnostics;
    const auto errors = std::count_if(found.begin(), found.end(), [](const auto& d) {
        return d.severity == config::Severity::error;
    });
    if (options.json) {
        json::array list;
        for (const config::Diagnostic& d : found) {
            json::object row;
            row["severity"] = d.severity == config::Severity::error ? "error" : "warning";
            row["file"] = d.file;
            row["line"] = d.line;
            row["text"] = d.text;
            list.push_back(std::move(row));
        }
        fmt::print("{}\n", json::serialize(list));
    } else {
        for (const config::Diagnostic& d : found) fmt::print("{}\n", d.str());
        fmt::print(stderr, "{} errors, {} warnings\n", errors,
                   found.size() - static_cast<std::size_t>(errors));
    }
    return errors > 0 || !loaded.catalog ? 1 : 0;
}

int build(const CommonOptions& options, const std::string& out) {
    const config::Environment environment = config::Environment::read(options.env);
    auto text = config::assemble(options.config, environment);
    if (!text) return problem(text.error().detail);
    if (out == "-") {
        fmt::print("{}", *text);
        return 0;
    }
    const std::string temporary = out + ".new";
    std::ofstream file(temporary, std::ios::binary);
    file << *text;
    file.close();
    std::error_code error;
    if (file) std::filesystem::rename(temporary, out, error);
    if (!file || error) return problem(out + " can't be written");
    return 0;
}

int models(const CommonOptions& options, const std::string& url) {
    config::Environment environment;
    const config::Snapshot catalog = load(options, environment);
    if (!catalog) return 1;
    auto states = live_states(url, catalog->settings.master_key.reveal());
    if (states) add_pulls(url, catalog->settings.master_key.reveal(), *states);
    std::vector<std::vector<std::string>> rows{
        {"ALIAS", "PROVIDER", "TIER", "MODE", "STATE", "CHAIN"}};
    json::array list;
    for (const config::Alias& alias : catalog->aliases) {
        if (alias.targets.empty()) continue;
        const config::Target& target = catalog->targets[alias.targets.front()];
        std::string state = states ? "ready" : "unknown";
        if (states && states->contains(alias.name)) state = states->at(alias.name);
        if (!target.left_out.empty()) state = target.left_out;
        rows.push_back({alias.name, std::string(base::name(target.provider)),
                        std::string(config::name(target.tier)),
                        std::string(config::name(alias.mode)), state, joined(alias.chain)});
        json::object row;
        row["alias"] = alias.name;
        row["provider"] = base::name(target.provider);
        row["tier"] = config::name(target.tier);
        row["mode"] = config::name(alias.mode);
        row["state"] = state;
        row["chain"] = json::array(alias.chain.begin(), alias.chain.end());
        list.push_back(std::move(row));
    }
    if (options.json)
        fmt::print("{}\n", base::plain_numbers(json::serialize(list)));
    else if (rows.size() == 1)
        fmt::print("No provider is enabled: set a flag to 1 in {}.\n", options.env);
    else
        fmt::print("{}", table(rows));
    return 0;
}

namespace {

std::string text_of(const json::object& row, std::string_view key) {
    const json::value* value = row.if_contains(key);
    if (!value || value->is_null()) return {};
    return value->is_string() ? std::string(value->get_string())
                              : base::plain_numbers(json::serialize(*value));
}

void print_explanation(const json::object& record) {
    std::vector<std::vector<std::string>> rows{{"", "ALIAS", "VERDICT", "STATUS", "MS", "WHY"}};
    int number = 0;
    for (const json::value& value : record.at("candidates").as_array()) {
        const json::object& row = value.as_object();
        std::string verdict = text_of(row, "outcome");
        if (verdict.empty()) verdict = text_of(row, "verdict");
        if (const std::string reason = text_of(row, "reason"); !reason.empty())
            verdict += ":" + reason;
        std::string why = text_of(row, "detail") + text_of(row, "why");
        if (const std::string load = text_of(row, "load_ms"); !load.empty())
            why += fmt::format(" (the model was loaded in {} ms)", load);
        if (const std::string changes = text_of(row, "changes"); !changes.empty())
            why += " " + changes;
        rows.push_back({std::to_string(++number), text_of(row, "alias"), verdict,
                        text_of(row, "status"), text_of(row, "ms"), why});
    }
    if (record.contains("id"))
        fmt::print("request {} for {}: served by {}, status {}, {} ms, {} upstream calls\n\n",
                   text_of(record, "id"), text_of(record, "model"),
                   text_of(record, "served_by").empty() ? "nobody" : text_of(record, "served_by"),
                   text_of(record, "status"), text_of(record, "ms"), text_of(record, "attempts"));
    else
        fmt::print("a request for {} would be sent to {}\n\n", text_of(record, "model"),
                   text_of(record, "would_ask").empty() ? "nobody" : text_of(record, "would_ask"));
    fmt::print("{}", table(rows));
}

int show_explanation(const CommonOptions& options, const std::string& text) {
    boost::system::error_code error;
    const json::value value = json::parse(text, error);
    if (error || !value.is_object() || !value.get_object().contains("candidates"))
        return problem("the gateway's answer can't be read");
    if (options.json)
        fmt::print("{}\n", text);
    else
        print_explanation(value.get_object());
    return 0;
}

}  // namespace

int explain(const CommonOptions& options, const std::string& what, const std::string& url) {
    config::Environment environment;
    const config::Snapshot catalog = load(options, environment);
    const std::string key(catalog ? catalog->settings.master_key.reveal()
                                  : environment.get("FREEWAY_MASTER_KEY"));
    if (what.starts_with("req_")) {
        auto reply = ask_gateway(url, "GET", "/v1/requests/" + what + "/explain", key, {});
        if (!reply) return problem("no gateway answers at " + url + ": " + reply.error().detail);
        if (reply->status != 200)
            return problem(fmt::format("{} answered {}: {}", url, reply->status, reply->body));
        return show_explanation(options, reply->body);
    }
    json::object question;
    question["model"] = what;
    auto reply = ask_gateway(url, "POST", "/v1/explain", key, json::serialize(question));
    if (reply && reply->status == 200) return show_explanation(options, reply->body);
    if (reply) return problem(fmt::format("{} answered {}: {}", url, reply->status, reply->body));
    if (!catalog) return 1;
    const route::Ask ask = route::ask_for(*catalog, what);
    quota::Ledger ledger;
    const auto book = ledger.open(catalog, base::Now::read());
    auto decision = route::decide({*book, route::Benches(), base::Now::read()}, ask, 0);
    if (!decision) return problem(gateway::unknown_model(*catalog, what).message);
    fmt::print(stderr,
               "no gateway answers at {}: this is the configuration's order, without live state\n",
               url);
    return show_explanation(options,
                            base::plain_numbers(json::serialize(route::to_json(*decision, ask))));
}

}  // namespace app
