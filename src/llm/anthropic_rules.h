#pragma once

#include "llm/chat.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What Anthropic's Messages demand of names and models (provider-wire section 7).
namespace llm::anthropic {

/// A model by its id: "claude-sonnet-4-5-20250929" is 4.5. Others speak the protocol as well
/// (z.ai's GLM): they have no version.
struct Model {
    int version = 0;  ///< major * 100 + minor; 0: not Claude
    bool opus = false;

    /// Thinks as much as it finds right; a budget is out of date.
    bool adaptive() const { return version >= 406; }
    /// Refuses a stated budget, sampling parameters, and thinking switched off.
    bool strict() const { return version > 406; }
    /// Takes output_config.effort.
    bool effort() const { return adaptive() || (opus && version == 405); }
    /// Goes on with an assistant's message that stands last.
    bool prefill() const { return version < 406; }
};
Model model_named(std::string_view id);

/// An id of a call of a tool as Anthropic takes it: letters, digits, `_` and `-`. One id always
/// gives the same, so that call and result stay together.
std::string tool_id(std::string_view id);
/// The same for a tool's name, at most 128 characters.
std::string tool_name(std::string_view name);
/// The client's name of a tool that the upstream calls `name`.
std::string client_name(const Chat& chat, std::string_view name);

/// Thinking is replayed only if Anthropic can have signed it: it refuses what others signed.
bool signed_here(const Part& thinking);

/// Tokens of thinking for one of OpenAI's efforts; nullopt for `none`.
std::optional<std::uint64_t> budget_of(std::string_view effort);

inline constexpr std::uint64_t kLeastBudget = 1024;
inline constexpr std::uint64_t kDefaultMaxTokens = 4096;

/// A call's arguments as the object that Anthropic wants. What a model wrote that is no JSON
/// object becomes the member `arguments`.
std::string input_object(std::string_view arguments);

}  // namespace llm::anthropic
