#pragma once

#include "config/catalog.h"
#include "config/findings.h"
#include "config/variables.h"

namespace config {

/// `model_info.engine`: the program that serves a target. nullopt: there is no such block.
std::optional<Engine> read_engine(const Value& info, Findings& findings);

/// An engine with a `flag` stands beside an api_base: it takes its place when the variable is
/// exactly 1, and is left out otherwise. One without a flag counts, and the api_base does not.
/// Removes what does not count from the two maps.
void choose_engine(Value& params, Value& info, const Variables& variables, Findings& findings);

/// The variable that names the program to run in place of this first word of a command: SD_SERVER
/// for sd-server; empty: there is none.
std::string_view engine_variable(std::string_view program);

/// Whether a word of an engine's command is the address of a file that is fetched.
bool is_url(std::string_view word);

/// What a file's SHA-256 is written as: 64 hexadecimal digits.
bool is_checksum(std::string_view text);

/// The variable that switches an entry's engine on; empty: it has none.
std::string_view engine_flag(const Value& model);

}  // namespace config
