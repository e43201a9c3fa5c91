#include "config/load.h"

#include "config/device_checks.h"
#include "config/document.h"
#include "config/engine_checks.h"
#include "config/model_url_checks.h"
#include "config/native_agent.h"
#include "config/settings_reader.h"
#include "config/target_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <set>

namespace config {
namespace {

class Loader {
public:
    /// `path` is where `document` was read.
    Loader(const std::string& path, const Document& document, const Environment& env, Scope scope,
           Findings& findings)
        : path_(path), document_(document), scope_(scope), findings_(findings), variables_(env) {}

    Snapshot load() {
        auto catalog = std::make_shared<Catalog>();
        define_variables(document_.root, variables_, findings_);
        reading_ = read_settings(document_.root, variables_, findings_);
        catalog->settings = reading_.settings;
        catalog->sources = document_.sources;
        add_targets(*catalog);
        add_group_aliases(*catalog);
        catalog->index();
        add_chains(*catalog);
        add_default_chain(*catalog);
        catalog->settings.context_window_fallbacks =
            special(*catalog, reading_.context_window_fallbacks, "context_window_fallbacks");
        catalog->settings.content_policy_fallbacks =
            special(*catalog, reading_.content_policy_fallbacks, "content_policy_fallbacks");
        copy_chains_to_group_aliases(*catalog);
        check_named_aliases(*catalog);
        if (checked()) {
            Scope rules = document_.folder ? Scope::all : Scope::serving;
            findings_.add(check_chains(*catalog, document_.chain_file, rules));
        }
        prune(*catalog);
        return catalog;
    }

private:
    /// A folder in service knows the enabled fragments only: its table can't be judged.
    bool checked() const { return !document_.folder || scope_ == Scope::all; }

    void add_targets(Catalog& catalog) {
        Surroundings around{variables_, list_of(document_.root, "credential_list", findings_),
                            reading_.default_params.is_map() ? &reading_.default_params : nullptr,
                            reading_.max_parallel_requests, reading_.rates_enforced};
        TargetReader reader(around, findings_);
        DeviceChecks devices(reading_.settings.devices, findings_);
        EngineChecks engines(variables_.environment(), path_, findings_);
        ModelUrlChecks model_urls(findings_);
        AgentChecks agents;
        for (const Entry& entry : document_.entries) {
            if (const Value* name = entry.value.find("model_name")) declared_.insert(name->text);
            for (Target& target : reader.read(entry)) {
                devices.look(entry, target);
                model_urls.look(entry, target);
                if (entry.switched_on) {
                    engines.look(entry, target);
                    agents.look(target);
                }
                add(catalog, std::move(target), entry);
            }
        }
        reader.report_missing();
        if (checked()) devices.report_unused(document_.root);
        engines.report();
        agents.report(variables_, findings_);
        check_agent_bounds(variables_.environment(), findings_);
    }

    void add(Catalog& catalog, Target target, const Entry& entry) {
        auto alias = std::ranges::find(catalog.aliases, target.alias, &Alias::name);
        if (alias == catalog.aliases.end()) {
            Alias added;
            added.name = target.alias;
            added.mode = target.mode;
            added.wildcard = target.alias.contains('*');
            added.made = entry.made;
            catalog.aliases.push_back(std::move(added));
            alias = std::prev(catalog.aliases.end());
        } else if (alias->mode != target.mode) {
            findings_.error(entry.value,
                            fmt::format("`{}` is a group of mode {}; this member of mode {} is "
                                        "left out: give it another "
                                        "model_name",
                                        alias->name, name(alias->mode), name(target.mode)));
            return;
        }
        std::size_t count = alias->targets.size() + 1;
        target.id = count == 1 ? target.alias : fmt::format("{}#{}", target.alias, count);
        alias->targets.push_back(catalog.targets.size());
        catalog.targets.push_back(std::move(target));
    }

    /// A listed second name: the targets of the first under another alias.
    void add_group_aliases(Catalog& catalog) {
        std::vector<Alias> added;
        for (const Member& member : reading_.group_aliases.members) {
            auto named = reading_.settings.model_group_alias.find(member.name);
            if (named == reading_.settings.model_group_alias.end()) continue;
            auto alias = std::ranges::find(catalog.aliases, named->second, &Alias::name);
            declared_.insert(member.name);
            if (alias == catalog.aliases.end()) {
                bool known = declared_.contains(named->second) || catalog.find(named->second);
                if (!known && checked()) {
                    findings_.error(member.value,
                                    fmt::format("model_group_alias `{}` names `{}`, which "
                                                "is no alias",
                                                member.name, named->second));
                }
                continue;
            }
            if (std::ranges::find(catalog.aliases, member.name, &Alias::name) !=
                catalog.aliases.end()) {
                continue;
            }
            Alias copy = *alias;
            copy.name = member.name;
            copy.hidden = reading_.hidden.contains(member.name);
            copy.wildcard = false;
            added.push_back(std::move(copy));
        }
        catalog.aliases.insert(catalog.aliases.end(), added.begin(), added.end());
    }

    /// A name that may stand in a chain although nothing serves it now: an alias
    /// of this file without its key, or, in a folder in service, one that is off.
    bool excused(std::string_view name) const {
        return declared_.contains(name) || (document_.folder && scope_ == Scope::serving);
    }

    std::vector<Chain> chain_table() {
        std::vector<Chain> chains;
        if (!document_.chains.is_null())
            chains = read_chains(document_.chains, "fallbacks.json", findings_);
        chains.insert(chains.end(), reading_.fallbacks.begin(), reading_.fallbacks.end());
        return chains;
    }

    void add_chains(Catalog& catalog) {
        std::vector<Chain> chains = chain_table();
        for (Alias& alias : catalog.aliases) {
            const Chain* chain = chain_of(chains, alias.name);
            if (!chain) {
                has_no_chain_.insert(alias.name);
                continue;
            }
            alias.chain_file = chain->at.file ? *chain->at.file : "";
            alias.chain_line = chain->at.line;
            for (const ChainMember& member : chain->members) {
                bool drop = !catalog.find(member.name) && excused(member.name);
                if (drop) continue;
                alias.chain.push_back(member.name);
                alias.member_lines.push_back(member.line);
            }
        }
        for (const Chain& chain : chains) {
            if (catalog.find(chain.primary) || excused(chain.primary)) continue;
            bool prefixed = std::ranges::any_of(catalog.aliases, [&](const Alias& alias) {
                return alias.name.ends_with("/" + chain.primary);
            });
            if (prefixed) continue;
            findings_.warning(chain.at,
                              fmt::format("there is no alias `{}`, so this chain serves nobody: "
                                          "correct the name or remove the line",
                                          chain.primary));
        }
    }

    /// An agent runs commands and writes files: only a chain that names it leads from a plain
    /// model to it.
    static bool acts(const Catalog& catalog, std::string_view name) {
        const Alias* alias = catalog.find(name);
        return alias && std::ranges::any_of(alias->targets, [&](std::size_t target) {
                   return catalog.targets[target].capabilities.agent;
               });
    }

    /// What LiteLLM calls default_fallbacks: the chain of every alias without one.
    void add_default_chain(Catalog& catalog) {
        for (const ChainMember& member : reading_.default_fallbacks) {
            if (catalog.find(member.name)) {
                catalog.settings.default_fallbacks.push_back(member.name);
                if (acts(catalog, member.name))
                    findings_.add({Severity::warning, document_.chain_file, member.line,
                                   fmt::format("default_fallbacks names `{}`, an agent with side "
                                               "effects: only agents fall back to it; name it in "
                                               "the chains that shall lead to it",
                                               member.name)});
            } else if (!excused(member.name)) {
                findings_.add(
                    {Severity::error, document_.chain_file, member.line,
                     fmt::format("default_fallbacks names `{}`, which is no alias", member.name)});
            }
        }
        for (Alias& alias : catalog.aliases) {
            if (!has_no_chain_.contains(alias.name)) continue;
            for (const std::string& name : catalog.settings.default_fallbacks) {
                bool brings_in = acts(catalog, name) && !acts(catalog, alias.name);
                if (name != alias.name && !brings_in) alias.chain.push_back(name);
            }
        }
    }

    std::map<std::string, std::vector<std::string>, std::less<>> special(
        const Catalog& catalog, const std::vector<Chain>& chains, std::string_view what) {
        std::map<std::string, std::vector<std::string>, std::less<>> table;
        for (const Chain& chain : chains) {
            std::vector<std::string>& list = table[chain.primary];
            const Alias* primary = catalog.find(chain.primary);
            for (const ChainMember& member : chain.members) {
                bool brings_in =
                    primary && acts(catalog, member.name) && !acts(catalog, chain.primary) &&
                    std::ranges::find(primary->chain, member.name) == primary->chain.end();
                if (brings_in) {
                    Value at = chain.at;
                    at.line = member.line;
                    findings_.warning(
                        at, fmt::format("{} of `{}` names `{}`, an agent with side effects; it is "
                                        "left out: only the alias's own chain may lead to it",
                                        what, chain.primary, member.name));
                } else if (catalog.find(member.name)) {
                    list.push_back(member.name);
                } else if (!excused(member.name)) {
                    Value at = chain.at;
                    at.line = member.line;
                    findings_.error(
                        at, fmt::format("{} of `{}` names `{}`, which is no alias; it is left "
                                        "out",
                                        what, chain.primary, member.name));
                }
            }
        }
        return table;
    }

    /// Settings other than chains that name aliases.
    void check_named_aliases(const Catalog& catalog) {
        const Value& forced = reading_.completion_model;
        if (!forced.is_null() && !catalog.find(forced.text) && !excused(forced.text)) {
            findings_.error(
                forced, fmt::format("completion_model names `{}`, which is no alias", forced.text));
        }
        for (const Member& member : reading_.group_policies.members) {
            if (catalog.find(member.name) || excused(member.name)) continue;
            Value at = member.value;
            at.line = member.line;
            findings_.warning(at, fmt::format("model_group_retry_policy names `{}`, which is no "
                                              "alias",
                                              member.name));
        }
    }

    void copy_chains_to_group_aliases(Catalog& catalog) {
        for (Alias& alias : catalog.aliases) {
            auto named = catalog.settings.model_group_alias.find(alias.name);
            if (named == catalog.settings.model_group_alias.end() ||
                !has_no_chain_.contains(alias.name)) {
                continue;
            }
            const Alias* original = catalog.find(named->second);
            if (original) alias.chain = original->chain;
        }
    }

    /// Reported members that can't be asked leave the chains.
    static void prune(Catalog& catalog) {
        for (Alias& alias : catalog.aliases) {
            bool lines = alias.member_lines.size() == alias.chain.size();
            for (std::size_t i = alias.chain.size(); i-- > 0;) {
                if (alias.chain[i] != alias.name && catalog.find(alias.chain[i])) continue;
                auto at = static_cast<std::ptrdiff_t>(i);
                alias.chain.erase(alias.chain.begin() + at);
                if (lines) alias.member_lines.erase(alias.member_lines.begin() + at);
            }
        }
    }

    const std::string& path_;
    const Document& document_;
    Scope scope_;
    Findings& findings_;
    Variables variables_;
    SettingsReading reading_;
    std::set<std::string, std::less<>> declared_;
    std::set<std::string, std::less<>> has_no_chain_;
};

Loaded load_document(const std::string& path, const Environment& env, Scope scope) {
    Findings findings;
    findings.add(env.problems);
    std::error_code error;
    bool folder = std::filesystem::is_directory(path, error);
    Document document =
        folder ? read_folder(path, env, scope, findings) : read_litellm_file(path, findings);
    Loaded loaded;
    if (!document.broken) loaded.catalog = Loader(path, document, env, scope, findings).load();
    loaded.diagnostics = findings.sorted();
    return loaded;
}

}  // namespace

Loaded load(const std::string& path, const Environment& env, Scope scope) {
    try {
        return load_document(path, env, scope);
    } catch (const std::exception& error) {
        Loaded failed;
        failed.diagnostics.push_back(
            {Severity::error, path, 1,
             fmt::format("the configuration can't be read: {}", error.what())});
        return failed;
    }
}

}  // namespace config
