#pragma once

#include "llm/dialect.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llm {

/// The canonical form for protocols that are not OpenAI's: a chat of texts.
struct Turn {
    enum class Role { system, user, assistant };
    Role role = Role::user;
    std::string text;
};

/// Reads the messages. `unsupported`, naming the member, for what a text chat
/// has no word for: tools, images, audio, JSON schemas, several choices.
base::Result<std::vector<Turn>> read_text_chat(const ChatRequest& request,
                                               std::string_view protocol);

enum class EmptyTurns { keep, leave_out };
/// The turns as `[{"role","content"}]`. Without the empty ones a user's turn stays all
/// the same: Cohere refuses empty assistant and system texts.
std::string messages_json(const std::vector<Turn>& turns, EmptyTurns empty);

/// Members of the body to build, in order.
class ObjectWriter {
public:
    /// Sets `key` to this JSON; a later value takes the place of an earlier one.
    void set(std::string_view key, std::string json);
    const std::string* find(std::string_view key) const;
    bool empty() const { return members_.empty(); }
    std::string str() const;

private:
    std::vector<std::pair<std::string, std::string>> members_;
};

/// The parameters of a request in OpenAI's names, as the target's configuration
/// leaves them: dropped ones are gone, defaults stand in where the client is
/// silent. Remembers what was used, so that the rest can be reported.
class Parameters {
public:
    Parameters(const ChatRequest& request, const Upstream& upstream)
        : request_(request), upstream_(upstream) {}

    /// The JSON of one parameter; empty if it is not set (or null).
    std::string_view get(std::string_view key);
    std::optional<double> number(std::string_view key);
    /// max_completion_tokens or max_tokens.
    std::optional<std::uint64_t> max_tokens();
    /// `stop` as a list of texts.
    std::vector<std::string> stops();
    /// Says that a member is looked after elsewhere.
    void used(std::string_view key) { used_.emplace_back(key); }
    /// "removed X" for every member of the client's that nobody asked for.
    std::vector<std::string> changes() const;
    /// Defaults that nobody asked for: members of the upstream's own.
    std::vector<const Extra*> native_defaults() const;

private:
    bool was_used(std::string_view key) const;

    const ChatRequest& request_;
    const Upstream& upstream_;
    std::vector<std::string> used_;
};

/// A number within [low, high] as JSON.
std::string clamped(double value, double low, double high);
std::string quoted_list(const std::vector<std::string>& texts);

}  // namespace llm
