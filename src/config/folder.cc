#include "config/document.h"
#include "config/engine_block.h"
#include "config/known_keys.h"
#include "config/named_models.h"
#include "config/native_agent.h"
#include "config/providers.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

namespace config {
namespace {

/// What stands for the key of a service that asks for none.
constexpr std::string_view kNoKey = "unused";

namespace fs = std::filesystem;

/// A provider's file, read.
struct Fragment {
    std::string flag;
    std::string key;          ///< variable name
    std::string models_from;  ///< variable name
    Value root;               ///< the mapping; a bare list stands under `models`
    bool mapping = false;
};

/// `providers/ollama-cuda.yaml` -> OLLAMA_CUDA.
std::string flag_of_file(const std::string& path) {
    std::string flag = fs::path(path).stem().string();
    std::ranges::transform(flag, flag.begin(), [](unsigned char c) {
        return c == '-' ? '_' : static_cast<char>(std::toupper(c));
    });
    return flag;
}

/// `GROQ_API_KEY` and `os.environ/GROQ_API_KEY` mean the same here.
std::string key_name(const std::string& text) {
    std::string_view variable = variable_in(text);
    return variable.empty() ? text : std::string(variable);
}

bool well_formed(const Entry& entry) {
    const Value* params = entry.value.find("litellm_params");
    return params && params->is_map();
}

std::set<std::string> keys_used(const Fragment& fragment) {
    std::set<std::string> names;
    if (!fragment.key.empty()) names.insert(fragment.key);
    const Value* models = fragment.root.find("models");
    for (const Value& model : models ? models->items : std::vector<Value>()) {
        const Value* params = model.find("litellm_params");
        const Value* key = params ? params->find("api_key") : nullptr;
        if (key && !variable_in(key->text).empty()) names.emplace(variable_in(key->text));
    }
    return names;
}

class FolderReader {
public:
    FolderReader(const Environment& env, Scope scope, Findings& findings, Document& document)
        : env_(env), scope_(scope), findings_(findings), document_(document) {}

    void read(const std::string& path) {
        std::string flag = flag_of_file(path);
        Document probe;
        Findings found;
        Fragment fragment = parse(path, flag, probe, found);
        document_.sources.push_back(path);
        bool on = env_.on(fragment.flag);
        note_flag(fragment, on);
        if (!on && scope_ == Scope::serving) return;
        findings_.add(found.sorted());
        document_.broken = document_.broken || probe.broken;
        add_models(fragment, on);
    }

    /// A key without its flag does nothing, which is seldom meant.
    void report_idle_keys() {
        for (const auto& [key, fragment] : idle_) {
            if (used_.contains(key) || env_.get(key).empty()) continue;
            int line = env_.line(key);
            Value at = fragment.root;
            Diagnostic idle{Severity::warning, line ? env_.file() : *at.file, line ? line : at.line,
                            fmt::format("{} is set, but {} is not 1, so its models are off: set "
                                        "{}=1, or remove the key",
                                        key, fragment.flag, fragment.flag)};
            findings_.add(idle);
        }
    }

    bool any_on() const { return any_on_; }

private:
    Fragment parse(const std::string& path, const std::string& flag, Document& probe,
                   Findings& found) {
        Fragment fragment;
        fragment.flag = flag;
        Value value = read_document_file(path, probe, found);
        if (value.is_list()) {
            fragment.root = Value::map(value);
            fragment.root.set("models", std::move(value));
            return fragment;
        }
        fragment.root = std::move(value);
        fragment.mapping = true;
        if (!fragment.root.is_map()) {
            if (!probe.broken) {
                found.error(fragment.root,
                            "a fragment is a mapping with `models`, or a list of "
                            "model_list entries");
            }
            fragment.root = Value::map(fragment.root);
            return fragment;
        }
        check_keys(fragment.root, Section::fragment, found);
        fragment.flag = text_of(fragment.root, "flag", found).value_or(flag);
        fragment.key = key_name(text_of(fragment.root, "key", found).value_or(""));
        fragment.models_from = key_name(text_of(fragment.root, "models_from", found).value_or(""));
        if (!list_of(fragment.root, "models", found) && !fragment.root.find("models")) {
            found.error(fragment.root, "the fragment has no `models`: list its models there");
        }
        return fragment;
    }

    void note_flag(const Fragment& fragment, bool on) {
        any_on_ = any_on_ || on;
        for (const std::string& key : keys_used(fragment)) {
            if (on) {
                used_.insert(key);
            } else {
                idle_.emplace(key, fragment);
            }
        }
        std::string_view value = env_.get(fragment.flag);
        int line = env_.line(fragment.flag);
        if (on || value.empty() || value == "0" || line == 0) return;
        findings_.add({Severity::warning, env_.file(), line,
                       fmt::format("{} is on only when it is exactly 1: write {}=1 or {}=0",
                                   fragment.flag, fragment.flag, fragment.flag)});
    }

    /// The switch of an agent's command line, where the model is an agent's.
    static std::string_view agent_flag(const Value& model) {
        const Value* info = model.find("model_info");
        const Value* agent = info ? info->find("agent") : nullptr;
        return agent ? native_flag(agent->text) : std::string_view();
    }

    void check_switches(const Fragment& fragment, const Value& models, bool on) {
        std::set<std::string_view> seen;
        for (const Value& model : models.items)
            for (const std::string_view flag : {engine_flag(model), agent_flag(model)})
                if (!flag.empty() && seen.insert(flag).second)
                    check_switch(fragment, model, std::string(flag), on);
    }

    /// A switch of an engine's or an agent's own: 1 or 0, of use only while the fragment is on and
    /// names no server.
    void check_switch(const Fragment& fragment, const Value& at, const std::string& flag, bool on) {
        const std::string_view value = env_.get(flag);
        if (value.empty() || value == "0") return;
        const int line = env_.line(flag);
        const auto warn = [&](std::string text) {
            findings_.add({Severity::warning, line ? env_.file() : *at.file, line ? line : at.line,
                           std::move(text)});
        };
        const std::string base = fragment.flag + "_API_BASE";
        if (value != "1")
            warn(fmt::format("{} is on only when it is exactly 1: write {}=1 or {}=0", flag, flag,
                             flag));
        else if (!on)
            warn(fmt::format("{}=1 has no effect while {} is off: write {}=1", flag, fragment.flag,
                             fragment.flag));
        else if (!env_.get(base).empty() && flag == agent_flag(at))
            warn(fmt::format("{} has no effect: {}=1 runs the agent here; remove one of the two",
                             base, flag));
        else if (!env_.get(base).empty())
            warn(
                fmt::format("{}=1 has no effect: {} names a server that runs already; remove "
                            "one of the two",
                            flag, base));
    }

    void add_models(const Fragment& fragment, bool on) {
        const Value* models = fragment.root.find("models");
        if (!models || !models->is_list()) return;
        check_switches(fragment, *models, on);
        for (NamedModel& model :
             named_models(fragment.root, fragment.models_from, env_, findings_)) {
            if (!model.listed && scope_ == Scope::serving) continue;
            bool wanted = on && model.listed;
            Entry entry{std::move(model.entry), fragment.flag, wanted, fragment.mapping,
                        model.made};
            if (well_formed(entry)) {
                spread(fragment, entry.value);
                const Value* required = entry.value.find("model_info")->find("requires");
                bool missing = required && env_.get(required->text).empty();
                if (missing && scope_ == Scope::serving) continue;
                entry.switched_on = wanted && !missing;
            }
            document_.entries.push_back(std::move(entry));
        }
    }

    /// Writes what holds for the whole fragment into one of its models.
    void spread(const Fragment& fragment, Value& model) {
        Value* info = model.find("model_info");
        if (!info || !info->is_map()) info = &model.set("model_info", Value::map(model));
        Value& params = *model.find("litellm_params");
        spread_base(fragment, params, *info);
        bool native = spread_native(params, *info);
        if (!native) spread_key(fragment, params);
        if (!native && !fragment.key.empty() && !params.find("api_key") &&
            !params.find("litellm_credential_name")) {
            params.set("api_key", Value::scalar("os.environ/" + fragment.key, params));
        }
        if (!info->find("tier")) {
            const Value* tier = fragment.root.find("tier");
            auto known = tier_of_flag(fragment.flag);
            if (tier) {
                info->set("tier", *tier);
            } else if (known) {
                info->set("tier", Value::scalar(std::string(name(*known)), *info));
            }
        }
        const Value* cache = fragment.root.find("cache");
        if (cache && !info->find("cache")) info->set("cache", *cache);
        spread_limits(fragment, *info);
    }

    /// Its command line takes the box's place: no address, no token.
    bool spread_native(Value& params, Value& info) {
        const Value* agent = info.find("agent");
        std::string_view flag = agent ? native_flag(agent->text) : "";
        if (flag.empty() || !env_.on(flag)) return false;
        info.set("native", Value::scalar("true", info));
        for (std::string_view key : {"api_base", "base_url", "api_key"}) params.erase(key);
        return true;
    }

    void spread_base(const Fragment& fragment, Value& params, Value& info) {
        Value other = place_of(env_, fragment.flag + "_API_BASE");
        const Value* own = params.find("api_base");
        if (!own) own = params.find("base_url");
        if (other.text.empty()) {
            const Value* base = fragment.root.find("api_base");
            const Value* engine = info.find("engine");
            const bool runs = engine && !engine->find("flag");
            if (base && !own && !runs) params.set("api_base", *base);
            return;
        }
        const Value* model = params.find("model");
        bool openai = model && model->text.starts_with("openai/") && !info.find("engine") &&
                      (!own || own->text.contains("//api.openai.com"));
        if (openai) info.set("provider", Value::scalar("openai", info));
        info.erase("engine");
        params.erase("base_url");
        params.set("api_base", std::move(other));
    }

    /// A service that asks for no key may ask for one where it runs for others.
    void spread_key(const Fragment& fragment, Value& params) {
        const std::string name = fragment.flag + "_API_KEY";
        const Value* own = params.find("api_key");
        if (!own || own->text != kNoKey || env_.get(name).empty()) return;
        params.set("api_key", Value::scalar("os.environ/" + name, *own));
    }

    static void spread_limits(const Fragment& fragment, Value& info) {
        const Value* shared = fragment.root.find("limits");
        if (!shared || !shared->is_list() || shared->items.empty()) return;
        const Value* own = info.find("limits");
        Value all = own && own->is_list() ? *own : Value::list(info);
        for (Value limit : shared->items) {
            if (limit.is_map() && !limit.find("scope")) {
                limit.set("scope", Value::scalar("account", limit));
            }
            all.items.push_back(std::move(limit));
        }
        info.set("limits", std::move(all));
    }

    const Environment& env_;
    Scope scope_;
    Findings& findings_;
    Document& document_;
    std::set<std::string> used_;
    std::map<std::string, Fragment> idle_;
    bool any_on_ = false;
};

std::vector<std::string> fragment_files(const std::string& folder) {
    std::vector<std::string> files;
    std::error_code error;
    for (fs::directory_iterator at(fs::path(folder) / "providers", error), end; !error && at != end;
         at.increment(error)) {
        std::string extension = at->path().extension().string();
        if (extension == ".yaml" || extension == ".yml") files.push_back(at->path().string());
    }
    std::ranges::sort(files);
    return files;
}

/// devices.yaml stands for general_settings.devices.
void add_devices(const std::string& file, Document& document, Findings& findings) {
    std::error_code error;
    if (!fs::exists(file, error)) return;
    Value devices = read_document_file(file, document, findings);
    if (devices.is_null()) return;
    if (!document.root.is_map()) document.root = Value::map(devices);
    if (!document.root.find("general_settings"))
        document.root.set("general_settings", Value::map(devices));
    document.root.find("general_settings")->set("devices", std::move(devices));
}

}  // namespace

Document read_folder(const std::string& folder, const Environment& env, Scope scope,
                     Findings& findings) {
    Document document;
    std::error_code error;
    std::string base = (fs::path(folder) / "base.yaml").string();
    if (fs::exists(base, error)) document = read_litellm_file(base, findings);
    document.folder = true;
    add_devices((fs::path(folder) / "devices.yaml").string(), document, findings);
    document.chain_file = (fs::path(folder) / "fallbacks.json").string();

    FolderReader reader(env, scope, findings, document);
    std::vector<std::string> files = fragment_files(folder);
    for (const std::string& file : files) reader.read(file);
    reader.report_idle_keys();
    if (files.empty()) {
        findings.add({Severity::error, (fs::path(folder) / "providers").string(), 1,
                      "no *.yaml fragment here: name a folder that has providers/, or a LiteLLM "
                      "config.yaml"});
    } else if (!reader.any_on() && document.entries.empty()) {
        findings.add({Severity::warning, env.file(), 1,
                      "no provider is on, so no model is served: set a flag, such as LLAMACPP=1"});
    }
    if (fs::exists(document.chain_file, error)) {
        document.chains = read_document_file(document.chain_file, document, findings);
    }
    return document;
}

}  // namespace config
