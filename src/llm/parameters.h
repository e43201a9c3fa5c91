#pragma once

#include "llm/chat.h"
#include "llm/dialect.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llm {

/// Members of the body to build, in order.
class ObjectWriter {
public:
    /// Sets `key` to this JSON; a later value takes the place of an earlier one.
    void set(std::string_view key, std::string json);
    const std::string* find(std::string_view key) const;
    bool empty() const { return members_.empty(); }
    const std::vector<std::pair<std::string, std::string>>& members() const { return members_; }
    std::string str() const;

private:
    std::vector<std::pair<std::string, std::string>> members_;
};

/// The parameters of a request in OpenAI's names, as the target's configuration
/// leaves them: dropped ones are gone, defaults stand in where the client is
/// silent. Remembers what was used, so that the rest can be reported.
///
///     Parameters parameters(chat, upstream);
///     if (auto top_p = parameters.number("top_p")) body.set("p", clamped(*top_p, 0, 1));
///     parameters.finish(body);
///     return Call{path, body.str(), parameters.changes()};
class Parameters {
public:
    Parameters(const Chat& chat, const Upstream& upstream) : chat_(chat), upstream_(upstream) {}

    /// The JSON of one parameter; empty if it is not set (or null).
    std::string_view get(std::string_view key);
    std::optional<double> number(std::string_view key);
    /// A text parameter; empty if it is not set or no text.
    std::string text(std::string_view key);
    /// max_completion_tokens or max_tokens.
    std::optional<std::uint64_t> max_tokens();
    /// `stop` as a list of texts.
    std::vector<std::string> stops();
    /// Says that a member is looked after elsewhere.
    void used(std::string_view key) { used_.emplace_back(key); }
    /// This one comes from the configuration alone: what the client says of it is left out.
    void configured_only(std::string_view key) { configured_.emplace_back(key); }
    /// The configuration has a value for it.
    bool configured(std::string_view key) const;
    /// What goes into the body as it stands, in this order: parameters that the configuration
    /// lets through, defaults that nobody asked for (members of the upstream's own), and what
    /// is sent always.
    std::vector<const Extra*> natives();
    /// The end of `body`: the natives.
    void finish(ObjectWriter& body) {
        for (const Extra* extra : natives()) body.set(extra->key, extra->json);
    }
    /// "removed X" for the parameters that were not used.
    std::vector<std::string> changes() const;

private:
    /// What can't be read as that counts as not used.
    template <class Value>
    std::optional<Value> read(std::string_view key, std::optional<Value> (*as)(std::string_view)) {
        const std::string_view json = get(key);
        const std::optional<Value> value = as(json);
        if (!value && !json.empty()) std::erase(used_, key);
        return value;
    }
    bool was_used(std::string_view key) const;
    bool dropped(std::string_view key) const;

    const Chat& chat_;
    const Upstream& upstream_;
    std::vector<std::string> used_;
    std::vector<std::string> configured_;
};

/// A number within [low, high] as JSON.
std::string clamped(double value, double low, double high);
std::string quoted_list(const std::vector<std::string>& texts);

}  // namespace llm
