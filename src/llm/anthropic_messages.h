#pragma once

#include "base/result.h"
#include "llm/chat.h"

#include <string>
#include <string_view>
#include <vector>

namespace llm::anthropic {

/// Writes a conversation by Anthropic's rules: the system stands apart, user and assistant take
/// turns and the user begins, no text is empty, the last one of an assistant does not end in
/// white space, results of tools come first in the turn after their calls.
class Conversation {
public:
    explicit Conversation(std::vector<std::string>& changes) : changes_(changes) {}

    /// `unsupported` for audio, and for files that lie in another provider's store.
    base::Result<void> add(const Message& message);
    /// A rule for the answer, after the client's own.
    void instruct(std::string text);
    /// To be called once, when all is added.
    void finish();

    /// JSON: a text, or blocks where some carry more than text; empty if there is none.
    std::string system() const;
    std::string messages() const;
    /// The last assistant's turn lets the model think: where results of tools answer it, it
    /// began with thinking that Anthropic signed.
    bool may_think() const;

private:
    /// One block of content: a text, or anything else as it goes out.
    struct Block {
        Part::Kind kind = Part::Kind::text;
        std::string text{};
        std::string more{};  ///< further members of a text block, each with a comma before it
        std::string json{};
    };
    struct Turn {
        bool user = true;
        std::vector<Block> blocks{};
    };

    base::Result<void> blocks(const Message& message, std::vector<Block>& out);
    base::Result<Block> block(const Part& part);
    base::Result<Block> result(const Part& part);
    base::Result<Block> document(const Part& part);
    std::string extras(const std::vector<Extra>& extras, std::string_view where);
    static std::string str(const Block& block);
    static std::string content(const std::vector<Block>& blocks);

    std::vector<std::string>& changes_;
    std::vector<Block> system_;
    std::vector<Turn> turns_;
};

}  // namespace llm::anthropic
