#include "config/named_models.h"

#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <ranges>
#include <string>

namespace config {
namespace {

/// What one entry says about its kind of model, and so about another of the same provider.
constexpr std::array<std::string_view, 6> kSharedInfo = {"mode",     "capabilities", "tier",
                                                         "provider", "agent",        "show_tools"};

bool fits_alias(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("._-:").contains(c);
}

/// Where the variable stands: its line of .env, else the fragment that names it.
Value place_of(const Value& fragment, std::string_view variable, const Environment& env) {
    Value at = Value::scalar(std::string(variable), *fragment.find("models_from"));
    if (int line = env.line(variable)) {
        at.file = std::make_shared<const std::string>(env.file());
        at.line = line;
    }
    return at;
}

/// The names between the commas, each once; at most one finding for a name.
std::vector<std::string> names_in(std::string_view list, const Value& at, Findings& findings) {
    std::vector<std::string> names;
    for (auto part : std::views::split(list, ',')) {
        std::string name(base::trim(std::string_view(part)));
        if (name.empty()) continue;
        if (!std::ranges::all_of(name, fits_alias)) {
            std::ranges::replace_if(name, [](unsigned char c) { return std::iscntrl(c); }, '?');
            findings.error(at, fmt::format("{} names `{}`, which is left out: a name has letters, "
                                           "digits and . _ - : only; separate names by commas",
                                           at.text, base::shown(name, 80)));
        } else if (std::ranges::find(names, name) != names.end()) {
            findings.warning(
                at, fmt::format("{} names `{}` twice: remove one", at.text, base::shown(name, 80)));
        } else {
            names.push_back(std::move(name));
        }
    }
    return names;
}

bool has_alias(const Value& entry, std::string_view alias) {
    const Value* name = entry.find("model_name");
    return name && name->text == alias;
}

/// The members that every one of `maps` has with the same value.
Value common(const std::vector<const Value*>& maps, const Value& at) {
    Value shared = Value::map(at);
    for (const Member& member : maps.empty() ? std::vector<Member>() : maps.front()->members) {
        std::string wanted = to_json(member.value);
        bool everywhere = std::ranges::all_of(maps, [&](const Value* map) {
            const Value* other = map->find(member.name);
            return other && to_json(*other) == wanted;
        });
        if (everywhere) shared.set(member.name, member.value);
    }
    return shared;
}

/// `openai/` where every entry's model begins so.
std::string provider_prefix(const std::vector<const Value*>& params) {
    std::string prefix;
    for (const Value* one : params) {
        const Value* model = one->find("model");
        std::string own = model ? model->text.substr(0, model->text.find('/') + 1) : "";
        if (one != params.front() && own != prefix) return "";
        prefix = std::move(own);
    }
    return prefix;
}

/// An entry without a name and a model: what holds for any model of this provider.
struct Pattern {
    Value entry;
    std::string prefix;
};

Pattern pattern_of(const std::vector<Value>& models, const Value& at) {
    const Value nothing;
    std::vector<const Value*> params;
    std::vector<const Value*> infos;
    for (const Value& model : models) {
        const Value* own = model.find("litellm_params");
        const Value* info = model.find("model_info");
        if (!own || !own->is_map()) continue;
        params.push_back(own);
        infos.push_back(info ? info : &nothing);
    }
    Value shared = common(params, at);
    shared.erase("model");
    std::erase_if(shared.members, [](const Member& one) { return one.name.contains("_cost"); });
    Value info = common(infos, at);
    std::erase_if(info.members, [](const Member& one) {
        return std::ranges::find(kSharedInfo, one.name) == kSharedInfo.end();
    });
    Pattern pattern{Value::map(at), provider_prefix(params)};
    pattern.entry.set("model_name", Value());
    pattern.entry.set("litellm_params", std::move(shared));
    pattern.entry.set("model_info", std::move(info));
    return pattern;
}

Value made_entry(const Pattern& pattern, const std::string& alias, const std::string& id,
                 const Value& at) {
    Value entry = pattern.entry;
    entry.set("model_name", Value::scalar(alias, at));
    entry.find("litellm_params")->set("model", Value::scalar(pattern.prefix + id, at));
    return entry;
}

}  // namespace

std::vector<NamedModel> named_models(const Value& fragment, std::string_view variable,
                                     const Environment& env, Findings& findings) {
    std::vector<NamedModel> chosen;
    const std::vector<Value>& models = fragment.find("models")->items;
    std::string_view list = variable.empty() ? "" : env.get(variable);
    if (list.find_first_not_of(" \t,") == std::string_view::npos) {
        for (const Value& model : models) chosen.push_back({model});
        return chosen;
    }
    Value at = place_of(fragment, variable, env);
    std::string prefix = text_of(fragment, "alias_prefix", findings).value_or("");
    std::vector<std::string> aliases;
    Pattern pattern = pattern_of(models, at);
    for (const std::string& id : names_in(list, at, findings)) {
        const std::string& alias = aliases.emplace_back(prefix + id);
        std::size_t before = chosen.size();
        for (const Value& model : models) {
            if (has_alias(model, alias)) chosen.push_back({model});
        }
        if (chosen.size() == before) {
            chosen.push_back({made_entry(pattern, alias, id, at), true, true});
        }
    }
    for (const Value& model : models) {
        bool named = std::ranges::any_of(
            aliases, [&](const std::string& alias) { return has_alias(model, alias); });
        if (!named) chosen.push_back({model, false});
    }
    return chosen;
}

}  // namespace config
