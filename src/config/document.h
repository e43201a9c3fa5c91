#pragma once

#include "config/findings.h"
#include "config/load.h"
#include "config/value.h"
#include "config/variables.h"

#include <string>
#include <vector>

namespace config {

/// A model_list entry before it means anything: LiteLLM's three keys, with what
/// its fragment says for all its models written into it.
struct Entry {
    Value value;
    std::string flag;         ///< of its fragment; empty in a LiteLLM file
    bool switched_on = true;  ///< false only in Scope::all: its key may be absent
    bool fragment = false;    ///< from a fragment in mapping form: model_info is checked closely
    bool made = false;        ///< for a name in a variable that no entry has
};

/// What a configuration says, read but not understood. A folder and the file
/// assembled from it give equal documents, and so equal catalogs.
struct Document {
    Value root;  ///< every top-level section but model_list and include
    std::vector<Entry> entries;
    Value chains;            ///< fallbacks.json; null without one
    std::string chain_file;  ///< where chains are written, for messages
    bool folder = false;
    bool broken = false;  ///< a file that matters could not be read
    std::vector<std::string> sources;
};

/// A LiteLLM proxy config.yaml with its includes.
Document read_litellm_file(const std::string& path, Findings& findings);

/// providers/*.yaml, fallbacks.json and base.yaml of a folder.
Document read_folder(const std::string& folder, const Environment& env, Scope scope,
                     Findings& findings);

/// One YAML file; `document.broken` and an error if it can't be read.
Value read_document_file(const std::string& path, Document& document, Findings& findings);

}  // namespace config
