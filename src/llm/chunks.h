#pragma once

#include "llm/usage.h"

#include <string>
#include <string_view>

namespace llm {

/// Makes the JSON text that begins at `from` one line, as frames need it: a bare CR or LF can
/// only be white space between tokens there.
void make_one_line(std::string& text, std::size_t from = 0);

/// Writes OpenAI chat chunks of one answer as server-sent events.
class ChunkWriter {
public:
    /// `id` and `created` as JSON values, `alias` as text.
    ChunkWriter(std::string_view id, std::string_view created, std::string_view alias,
                std::string_view object = "chat.completion.chunk");

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

}  // namespace llm
