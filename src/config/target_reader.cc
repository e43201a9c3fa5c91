#include "config/target_reader.h"

#include "config/engine_block.h"
#include "config/known_keys.h"
#include "config/model_info.h"
#include "config/native_agent.h"

#include <fmt/format.h>

#include <algorithm>

namespace config {
namespace {

std::string joined(const std::vector<std::string>& names) {
    constexpr std::size_t kShown = 4;
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < kShown; ++i) {
        text += (i ? ", " : "") + names[i];
    }
    if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
    return text;
}

void add_absent(Value& map, const Value* more) {
    if (!more) return;
    for (const Member& member : more->members) {
        if (!map.find(member.name)) map.set(member.name, member.value);
    }
}

}  // namespace

/// litellm_params with the file's defaults and the named credential in it.
Value TargetReader::written_params(const Entry& entry) {
    Value params = *entry.value.find("litellm_params");
    add_absent(params, around_.default_params);
    auto wanted = text_of(params, "litellm_credential_name", findings_);
    if (!wanted) return params;
    for (const Value& item :
         around_.credentials ? around_.credentials->items : std::vector<Value>()) {
        const Value* name = item.find("credential_name");
        if (!name || name->text != *wanted) continue;
        add_absent(params, item.find("credential_values"));
        return params;
    }
    findings_.error(*params.find("litellm_credential_name"),
                    fmt::format("credential_list has no `{}`", *wanted));
    return params;
}

std::vector<Target> TargetReader::read(const Entry& entry) {
    const Value& value = entry.value;
    const Value* params = value.find("litellm_params");
    auto alias = text_of(value, "model_name", findings_);
    if (!value.is_map() || !alias || alias->empty() || !params || !params->is_map() ||
        !params->find("model")) {
        findings_.error(
            value,
            fmt::format("a model_list entry{} needs model_name and litellm_params.model; it is "
                        "left out",
                        alias ? " (`" + *alias + "`)" : ""));
        return {};
    }
    check_keys(value, Section::model_entry, findings_);
    check_keys(*params, Section::litellm_params, findings_);
    Value written = written_params(entry);
    const Value* organization = written.find("organization");
    std::vector<Value> organizations;
    if (organization)
        organizations = organization->is_list() ? organization->items : std::vector{*organization};
    if (organizations.empty()) organizations.emplace_back();

    std::vector<Target> targets;
    for (const Value& one : organizations) {
        if (!one.is_null()) {
            if (!written.find("extra_headers")) written.set("extra_headers", Value::map(one));
            written.find("extra_headers")->set("OpenAI-Organization", one);
        }
        if (auto target = read_one(entry, written)) targets.push_back(std::move(*target));
    }
    return targets;
}

std::optional<Target> TargetReader::read_one(const Entry& entry, const Value& written) {
    Value params = written;
    Value info = Value::map(entry.value);
    if (const Value* own = map_of(entry.value, "model_info", findings_)) info = *own;
    const Value* required = info.find("requires");
    if (required && entry.flag.empty() && around_.variables.get(required->text).empty()) {
        return std::nullopt;
    }

    choose_engine(params, info, around_.variables, findings_);
    Target target;
    target.alias = entry.value.find("model_name")->text;
    target.origin = entry.value.place();
    std::vector<Value> missing;
    around_.variables.resolve(params, missing);
    around_.variables.resolve(info, missing);
    if (!missing.empty() && entry.switched_on) {
        miss(entry, target.alias, missing);
        target.left_out = missing.front().text + " is not set";
    }
    bool complete = entry.switched_on && missing.empty();

    read_model_info(info, entry.fragment, target, findings_);
    read_native(info, around_.variables, target, findings_);
    if (!read_upstream(params, around_.variables, !complete, target, findings_))
        return std::nullopt;
    pin_provider(info, entry.fragment, target, findings_);
    read_service(info, target, findings_);
    read_extra_args(info, around_.variables, target, findings_);
    read_parameters(params, around_.rates_enforced, target, findings_);
    const bool usable = target.left_out.empty();
    std::string unset = read_key(params, written, around_.variables, target);
    if (complete && unset.empty() && usable && !target.left_out.empty()) {
        findings_.error(*written.find("model"),
                        fmt::format("{}: {}; it is left out until the key is corrected",
                                    target.alias, target.left_out));
    }
    if (!unset.empty() && complete) {
        miss(entry, target.alias, {Value::scalar(unset, *written.find("model"))});
        target.left_out = unset + " is not set";
    }
    if (!target.max_parallel_requests) target.max_parallel_requests = around_.max_parallel_requests;
    target.account = account(target);
    return target;
}

void TargetReader::miss(const Entry& entry, const std::string& alias,
                        const std::vector<Value>& names) {
    for (const Value& name : names) {
        auto same = std::ranges::find_if(missing_, [&](const Missing& one) {
            return one.name == name.text && one.flag == entry.flag;
        });
        if (same == missing_.end()) {
            missing_.push_back({name.text, entry.flag, name, {}});
            same = std::prev(missing_.end());
        }
        if (std::ranges::find(same->aliases, alias) == same->aliases.end()) {
            same->aliases.push_back(alias);
        }
    }
}

void TargetReader::report_missing() {
    const Environment& env = around_.variables.environment();
    for (const Missing& one : missing_) {
        std::string left = fmt::format("{} left out: {}", one.aliases.size() == 1 ? "is" : "are",
                                       joined(one.aliases));
        int line = one.flag.empty() ? 0 : env.line(one.flag);
        if (one.flag.empty()) {
            findings_.error(
                one.at,
                fmt::format("{} is not set, so {} {}; set it in .env or in the "
                            "environment",
                            one.name, one.aliases.size() == 1 ? "this alias" : "these aliases",
                            left));
            continue;
        }
        findings_.add(
            {Severity::error, line ? env.file() : *one.at.file, line ? line : one.at.line,
             fmt::format("{}=1, but {} is not set, so {} {}; set {} or write {}=0", one.flag,
                         one.name, one.aliases.size() == 1 ? "this alias" : "these aliases", left,
                         one.name, one.flag)});
    }
}

/// One key at one provider. A key that stands in the file itself is named by
/// its order of appearance: neither it nor a hash of it is ever shown.
std::string TargetReader::account(const Target& target) {
    std::string where(base::name(target.provider));
    if (target.native) return fmt::format("native:{}", name(target.agent));
    bool own_host = target.provider == base::Provider::openai_compatible ||
                    target.provider == base::Provider::ollama;
    if (own_host) {
        // Those that lack the same address are at one place, wherever that is.
        const bool nowhere = !target.engine && !target.left_out.empty();
        where += target.base.host.empty()
                     ? ":" + (nowhere ? target.left_out : target.alias)
                     : fmt::format(":{}:{}", target.base.host, target.base.port);
    }
    if (!target.key_name.empty()) return where + ":" + target.key_name;
    if (target.key.empty()) return where;
    std::string literal = where + '\n' + std::string(target.key.reveal());
    auto at = std::ranges::find(literal_keys_, literal);
    auto number = at - literal_keys_.begin() + 1;
    if (at == literal_keys_.end()) literal_keys_.push_back(std::move(literal));
    return fmt::format("{}:key{}", where, number);
}

}  // namespace config
