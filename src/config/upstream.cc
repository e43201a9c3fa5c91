#include "config/base_url.h"
#include "config/providers.h"
#include "config/target_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace config {
namespace {

using base::Provider;

/// `provider/model` taken apart; `known` is null for a prefix nobody knows.
struct ModelName {
    const KnownProvider* known = nullptr;
    std::string prefix;
    std::string model;
};

ModelName split(const Value& params) {
    const Value* text = params.find("model");
    std::string whole = text ? text->text : "";
    std::size_t slash = whole.find('/');
    std::string first = slash == std::string::npos ? "" : whole.substr(0, slash);
    if (const Value* forced = params.find("custom_llm_provider")) {
        bool repeated = first == forced->text;
        return {known_provider(forced->text), forced->text,
                repeated ? whole.substr(slash + 1) : whole};
    }
    if (known_provider(first)) return {known_provider(first), first, whole.substr(slash + 1)};
    if (foreign_provider(first)) return {nullptr, first, whole};
    bool own_base = params.find("api_base") || params.find("base_url");
    std::string_view implied = own_base ? "" : implied_prefix(whole);
    if (!implied.empty()) return {known_provider(implied), std::string(implied), whole};
    return {nullptr, first, whole};
}

/// `huggingface/novita/org/name` names a backend, which the router wants behind the model.
std::string router_model(const std::string& model) {
    std::size_t first = model.find('/');
    if (first == std::string::npos || model.find('/', first + 1) == std::string::npos) return model;
    return model.substr(first + 1) + ":" + model.substr(0, first);
}

const Value* own_base(const Value& params) {
    const Value* base = params.find("api_base");
    return base ? base : params.find("base_url");
}

/// As written, or of a variable of the provider; null: neither gives one.
Value stated_base(const Value& params, const ModelName& name, const Variables& variables) {
    if (const Value* base = own_base(params)) return *base;
    if (!name.known) return {};
    for (std::string_view variable : name.known->base_names)
        if (!variables.get(variable).empty()) return variables.place(variable);
    return {};
}

/// Tells that `stated` is no address. One of a variable serves many entries: it is told once, and
/// they stay as targets that can't be asked, so that no chain seems to lack them. True: it stays.
bool refuse_base(const Value& stated, const Value& at, const std::string& why, Target& target,
                 Findings& findings) {
    if (stated.variable.empty()) {
        findings.error(
            stated.is_null() ? at : stated,
            fmt::format("`{}` is left out: its api_base can't be used: {}", target.alias, why));
        return false;
    }
    findings.error(stated, fmt::format("{} can't be used as an address: {}; write it such as "
                                       "http://HOST:PORT. Until it is corrected, the models that "
                                       "are asked there are left out",
                                       stated.variable, why));
    target.left_out = stated.variable + " is no address";
    return true;
}

}  // namespace

bool read_upstream(const Value& params, const Variables& variables, bool optional, Target& target,
                   Findings& findings) {
    ModelName name = split(params);
    const Value& at = params.find("model") ? *params.find("model") : params;
    if (foreign_provider(name.prefix)) {
        findings.error(at, fmt::format("`{}` is left out: the protocol of {} is not spoken here",
                                       target.alias, name.prefix));
        return false;
    }
    target.provider = name.known ? name.known->provider : Provider::openai_compatible;
    target.model = name.model;
    if (target.provider == Provider::huggingface) target.model = router_model(target.model);

    if (target.native || target.engine) {
        target.provider = Provider::openai_compatible;
        return true;
    }
    const Value stated = stated_base(params, name, variables);
    const bool own = !stated.is_null();
    const std::string text = own || !name.known ? stated.text : std::string(name.known->url);
    if (text.empty() && optional) return true;
    if (text.empty()) {
        std::string why =
            name.known || name.prefix.empty()
                ? std::string("it needs an api_base")
                : fmt::format("`{}/` is no known provider: add an api_base", name.prefix);
        findings.error(at, fmt::format("`{}` is left out: {}", target.alias, why));
        return false;
    }
    auto url = parse_api_base(text, target.provider);
    if (!url) return refuse_base(stated, at, url.error().detail, target, findings);
    target.base = std::move(*url);
    if (target.provider == Provider::openai && own && target.base.host != "api.openai.com") {
        target.provider = Provider::openai_compatible;
    }
    return true;
}

namespace {

/// A key goes into a header: bytes that would end the line make it no key.
bool sendable(std::string_view key) {
    return !key.empty() && std::ranges::all_of(key, [](char c) {
        return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    });
}

}  // namespace

std::string read_key(const Value& params, const Value& written, const Variables& variables,
                     Target& target) {
    if (const Value* text = written.find("api_key")) {
        target.key_name = variable_in(text->text);
        const Value* key = params.find("api_key");
        bool none = !key || key->text.empty() || key->text == "none" || key->text == "unused";
        if (!none && !sendable(key->text)) {
            target.left_out = "its api_key holds a line break or another control character";
            return "";
        }
        if (!none) target.key = base::Secret(key->text);
        return "";
    }
    ModelName name = split(params);
    bool keyless = !name.known || target.native || target.engine ||
                   (name.known->provider == Provider::openai && own_base(params));
    if (keyless) return "";
    for (std::string_view variable : name.known->key_names) {
        if (std::string_view key = variables.get(variable); sendable(key)) {
            target.key_name = variable;
            target.key = base::Secret(std::string(key));
            return "";
        }
    }
    if (!name.known->key_required) return "";
    target.key_name = name.known->key_names.front();
    return target.key_name;
}

}  // namespace config
