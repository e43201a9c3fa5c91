#pragma once

#include "llm/usage.h"

#include <string>
#include <string_view>

namespace llm {

/// Writes OpenAI chat chunks of one answer as server-sent events.
class ChunkWriter {
public:
    /// `id` and `created` as JSON values, `alias` as text.
    ChunkWriter(std::string_view id, std::string_view created, std::string_view alias);

    void role(std::string& out) const;
    void content(std::string& out, std::string_view text) const;
    void reasoning(std::string& out, std::string_view text) const;
    /// A delta object as it stands.
    void delta(std::string& out, std::string_view object, std::size_t index = 0) const;
    void finish(std::string& out, std::string_view reason, std::size_t index = 0) const;
    void usage(std::string& out, const Usage& usage) const;
    static void done(std::string& out) { out += "data: [DONE]\n\n"; }

private:
    std::string head_;
};

/// A whole chat answer. Empty `reasoning` is left out.
struct WholeAnswer {
    std::string id;  ///< text
    std::uint64_t created = 0;
    std::string content;
    std::string reasoning;
    std::string finish_reason;
    Usage usage;
};
std::string answer_json(const WholeAnswer& answer, std::string_view alias);

}  // namespace llm
