#pragma once

#include "base/result.h"
#include "config/catalog.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace config {

enum class Severity { error, warning };

/// One finding, printed as `FILE:LINE: error|warning: text`. The text says what,
/// and what to do or where the item belongs.
struct Diagnostic {
    Severity severity = Severity::error;
    std::string file;
    int line = 0;
    std::string text;
    std::string str() const;
    bool operator==(const Diagnostic&) const = default;
};

/// Variables of the process over those of the `.env` file.
class Environment {
public:
    /// Reads `path` by the rules of docs/configuration.md (a missing file is empty)
    /// and overlays the process environment.
    static Environment read(const std::string& path);
    /// For tests.
    static Environment of(std::map<std::string, std::string> values);

    /// Empty when unset or empty.
    std::string_view get(std::string_view name) const;
    bool on(std::string_view flag) const { return get(flag) == "1"; }
    const std::string& file() const { return file_; }
    int line(std::string_view name) const;  ///< 0: from the process
    std::vector<Diagnostic> problems;       ///< unreadable lines

private:
    std::map<std::string, std::string, std::less<>> values_;
    std::map<std::string, int, std::less<>> lines_;
    std::string file_;
};

struct Loaded {
    Snapshot catalog;                     ///< null if an error makes serving impossible
    std::vector<Diagnostic> diagnostics;  ///< every one found, in file order
    bool ok() const;                      ///< no diagnostic of Severity::error
};

/// How much of a folder is read.
enum class Scope {
    serving,  ///< fragments whose flag is on
    all,      ///< every fragment and every rule: `freeway check`
};

/// `path` is a folder (fragments, fallbacks.json, base.yaml), an assembled
/// config.yaml or any LiteLLM proxy config.yaml. Never throws; a bad deployment
/// is left out with a diagnostic, an unreadable file is an error.
Loaded load(const std::string& path, const Environment& env, Scope scope);

/// Rules over chains, docs/configuration.md lists them: unknown members, self
/// references, capability drops, paid before free, one account only, Cohere
/// early. Scope::serving leaves out the last word on accounts, which needs every
/// alias. `file` is named where a chain stands in no file.
std::vector<Diagnostic> check_chains(const Catalog& catalog, const std::string& file,
                                     Scope scope = Scope::all);

/// The folder's enabled part as one legal LiteLLM config.yaml: keys stay
/// `os.environ/X`, a header says that the file is generated.
base::Result<std::string> assemble(const std::string& folder, const Environment& env);

}  // namespace config
