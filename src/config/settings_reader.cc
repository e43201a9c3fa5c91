#include "config/settings_reader.h"

#include "config/cache_settings.h"
#include "config/device_settings.h"
#include "config/gateway_variables.h"
#include "config/known_keys.h"

#include <fmt/format.h>

#include <algorithm>

namespace config {
namespace {

constexpr int kMostRetries = 100;
constexpr int kMostMegabytes = 100'000;
constexpr int kMostRequests = 1'000'000;

class Reader {
public:
    Reader(const Value& root, const Variables& variables, Findings& findings)
        : root_(root), variables_(variables), findings_(findings) {
        general_ = section("general_settings", Section::general_settings);
        litellm_ = section("litellm_settings", Section::litellm_settings);
        router_ = section("router_settings", Section::router_settings);
    }

    SettingsReading read() {
        read_master_key();
        read_deadlines();
        read_retries();
        read_allowed_fails();
        read_chains_of_all_kinds();
        read_group_aliases();
        read_group_rules();
        report_callbacks();
        read_completion_model();
        read_admission();
        read_validation();
        read_gateway_variables(variables_, out_.settings, findings_);
        out_.settings.cache = read_cache_settings(litellm_, findings_);
        out_.settings.devices = read_device_settings(general_, findings_);
        if (auto size = integer_of(general_, "max_request_size_mb", 1, kMostMegabytes, findings_)) {
            out_.settings.max_body_bytes = static_cast<std::size_t>(*size) << 20;
        }
        if (auto size = integer_of(general_, "max_upload_size_mb", 1, kMostMegabytes, findings_)) {
            out_.settings.max_upload_bytes = static_cast<std::uint64_t>(*size) << 20;
        }
        return std::move(out_);
    }

private:
    Value section(std::string_view name, Section kind) {
        const Value* map = map_of(root_, name, findings_);
        if (!map) return Value::map(root_);
        check_keys(*map, kind, findings_);
        return *map;
    }

    /// The section in which a router key stands.
    const Value& home(std::string_view key) const {
        return !router_.find(key) && litellm_.find(key) ? litellm_ : router_;
    }

    /// The file's key names where it comes from; our own variable wins over it.
    void read_master_key() {
        std::string_view own = variables_.get("FREEWAY_MASTER_KEY");
        auto written = text_of(general_, "master_key", findings_);
        if (!own.empty()) {
            out_.settings.master_key = base::Secret(std::string(own));
            return;
        }
        if (!written) return;
        std::string_view variable = variable_in(*written);
        if (variable.empty()) {
            out_.settings.master_key = base::Secret(*written);
        } else if (std::string_view key = variables_.get(variable); !key.empty()) {
            out_.settings.master_key = base::Secret(std::string(key));
        } else {
            findings_.error(*general_.find("master_key"),
                            fmt::format("{} is not set, so there is no master key and only this "
                                        "machine may connect; set it, or FREEWAY_MASTER_KEY",
                                        variable));
        }
    }

    std::optional<base::Duration> span(const Value& map, std::string_view key) {
        auto found = duration_of(map, key, findings_);
        if (found && found->count() == 0) {
            findings_.warning(*map.find(key),
                              fmt::format("`{}: 0` is no deadline and is ignored", key));
            return std::nullopt;
        }
        return found;
    }

    void read_deadlines() {
        Settings& settings = out_.settings;
        auto request = span(litellm_, "request_timeout");
        auto total = span(home("timeout"), "timeout");
        if (total) {
            settings.total = *total;
            settings.attempt = request;
        } else if (request) {
            settings.total = *request;
        }
        if (auto stream = span(home("stream_timeout"), "stream_timeout")) {
            settings.first_content = settings.between_chunks = *stream;
        }
        settings.cooldown = duration_of(home("cooldown_time"), "cooldown_time", findings_);
        auto off = boolean_of(home("disable_cooldowns"), "disable_cooldowns", findings_);
        settings.cooldowns = !off.value_or(false);
    }

    void read_retries() {
        auto retries = integer_of(home("num_retries"), "num_retries", 0, kMostRetries, findings_);
        out_.settings.num_retries = static_cast<int>(retries.value_or(0));
        auto parallel = integer_of(home("default_max_parallel_requests"),
                                   "default_max_parallel_requests", 1, 1'000'000, findings_);
        if (parallel) out_.max_parallel_requests = static_cast<int>(*parallel);
        if (const Value* params = map_of(router_, "default_litellm_params", findings_)) {
            check_keys(*params, Section::litellm_params, findings_);
            out_.default_params = *params;
        }
        constexpr std::string_view kPolicy = "retry_policy";
        if (auto policy = retry_policy_of(home(kPolicy), kPolicy, findings_)) {
            out_.settings.retry_policy = *policy;
        }
        constexpr std::string_view kGroups = "model_group_retry_policy";
        out_.settings.model_group_retry_policy =
            group_retry_policies_of(home(kGroups), kGroups, findings_);
        if (const Value* written = home(kGroups).find(kGroups)) out_.group_policies = *written;
    }

    void read_allowed_fails() {
        constexpr std::string_view kKey = "allowed_fails";
        auto fails = integer_of(home(kKey), kKey, 0, kMostRequests, findings_);
        out_.settings.allowed_fails = static_cast<int>(fails.value_or(0));
        if (auto policy = allowed_fails_policy_of(home("allowed_fails_policy"), findings_)) {
            out_.settings.allowed_fails_policy = *policy;
        }
    }

    void read_completion_model() {
        auto model = text_of(general_, "completion_model", findings_);
        if (!model || model->empty()) return;
        out_.settings.completion_model = *model;
        out_.completion_model = *general_.find("completion_model");
    }

    /// Who is let in, and how many at once.
    void read_admission() {
        Settings& settings = out_.settings;
        for (std::string_view key : {"max_parallel_requests", "global_max_parallel_requests"}) {
            auto most = integer_of(general_, key, 1, kMostRequests, findings_);
            if (!most) continue;
            auto count = static_cast<int>(*most);
            settings.max_parallel_requests =
                std::min(settings.max_parallel_requests.value_or(count), count);
        }
        const Value* written = general_.find("allowed_ips");
        if (!written) return;
        settings.allowed_ips.emplace();
        std::vector<std::string> texts = texts_of(general_, "allowed_ips", findings_);
        for (const std::string& text : texts) {
            if (auto range = base::IpRange::parse(text)) {
                settings.allowed_ips->push_back(*range);
            } else {
                findings_.error(*written,
                                fmt::format("allowed_ips: `{}` is neither an IP address nor a "
                                            "network such as 10.0.0.0/8; nobody is let in by it",
                                            text));
            }
        }
        if (texts.empty()) {
            findings_.error(*written,
                            "allowed_ips names no address, so everybody is refused; "
                            "remove the key to let everybody in");
        }
    }

    /// LiteLLM's name for it, and ours.
    void read_validation() {
        for (std::string_view key : {"enable_json_schema_validation", "validate_json_schema"})
            if (auto on = boolean_of(home(key), key, findings_))
                out_.settings.validate_json_schema = *on;
    }

    std::vector<Chain> table(std::string_view key) {
        const Value* value = home(key).find(key);
        return value ? read_chains(*value, key, findings_) : std::vector<Chain>();
    }

    void read_chains_of_all_kinds() {
        out_.fallbacks = table("fallbacks");
        out_.context_window_fallbacks = table("context_window_fallbacks");
        out_.content_policy_fallbacks = table("content_policy_fallbacks");
        const Value& where = home("default_fallbacks");
        for (const std::string& name : texts_of(where, "default_fallbacks", findings_)) {
            const Value& list = *where.find("default_fallbacks");
            auto item = std::ranges::find(list.items, name, &Value::text);
            out_.default_fallbacks.push_back(
                {name, item == list.items.end() ? list.line : item->line});
        }
        // LiteLLM's own spelling of the same thing.
        auto star = std::ranges::find(out_.fallbacks, "*", &Chain::primary);
        if (star == out_.fallbacks.end()) return;
        if (out_.default_fallbacks.empty()) out_.default_fallbacks = star->members;
        out_.fallbacks.erase(star);
    }

    void read_group_aliases() {
        const Value* map = map_of(home("model_group_alias"), "model_group_alias", findings_);
        if (!map) return;
        out_.group_aliases = *map;
        for (const Member& member : map->members) {
            const Value* model = member.value.is_map() ? member.value.find("model") : &member.value;
            if (!model || !model->is_scalar()) {
                findings_.error(member.value,
                                fmt::format("model_group_alias `{}` must name an alias, "
                                            "or {{model, hidden}}",
                                            member.name));
                continue;
            }
            out_.settings.model_group_alias[member.name] = model->text;
            if (member.value.is_map() &&
                boolean_of(member.value, "hidden", findings_).value_or(false)) {
                out_.hidden.insert(member.name);
            }
        }
    }

    /// By default LiteLLM takes rpm and tpm for shares; these settings make limits of them.
    void read_group_rules() {
        for (const std::string& check : texts_of(router_, "optional_pre_call_checks", findings_)) {
            if (check == "enforce_model_rate_limits") {
                out_.rates_enforced = true;
            } else {
                findings_.warning(*router_.find("optional_pre_call_checks"),
                                  fmt::format("the pre-call check `{}` has no effect", check));
            }
        }
        auto routing = text_of(router_, "routing", findings_);
        if (routing == "spend_wisely") {
            out_.settings.routing = Routing::spend_wisely;
        } else if (routing && routing != "strict") {
            findings_.error(*router_.find("routing"),
                            fmt::format("routing: `{}` must be strict or spend_wisely; the order "
                                        "stays strict",
                                        *routing));
        }
        auto strategy = text_of(router_, "routing_strategy", findings_);
        if (!strategy || *strategy == "simple-shuffle") return;
        out_.rates_enforced = true;
        findings_.warning(
            *router_.find("routing_strategy"),
            fmt::format("`routing_strategy: {}` orders nothing here: the order is the "
                        "chain's, and within a group `order` and `weight`; rpm and "
                        "tpm count as limits",
                        *strategy));
    }

    void report_callbacks() {
        for (std::string_view key : {"callbacks", "success_callback", "failure_callback",
                                     "service_callbacks", "service_callback", "input_callback"}) {
            for (const std::string& callback : texts_of(litellm_, key, findings_)) {
                bool python = callback.contains('.');
                findings_.warning(
                    *litellm_.find(key),
                    fmt::format("{} `{}` has no effect: {}", key, callback,
                                python ? "it is Python code, which this gateway does not run"
                                       : "see the access log and /v1/requests instead"));
            }
        }
    }

    const Value& root_;
    const Variables& variables_;
    Findings& findings_;
    Value general_;
    Value litellm_;
    Value router_;
    SettingsReading out_;
};

}  // namespace

SettingsReading read_settings(const Value& root, const Variables& variables, Findings& findings) {
    return Reader(root, variables, findings).read();
}

void define_variables(const Value& root, Variables& variables, Findings& findings) {
    const Value* map = map_of(root, "environment_variables", findings);
    if (!map) return;
    for (const Member& member : map->members) {
        Value value = member.value;
        std::vector<Value> missing;
        variables.resolve(value, missing);
        for (const Value& name : missing) {
            findings.warning(
                name, fmt::format("{} is not set, so {} stays empty", name.text, member.name));
        }
        if (value.is_scalar()) variables.define(member.name, std::move(value));
    }
}

}  // namespace config
