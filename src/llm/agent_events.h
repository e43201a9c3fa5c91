#pragma once

#include "llm/chunks.h"
#include "llm/usage.h"

#include <string>
#include <string_view>

namespace llm {

/// Whose events are read.
enum class AgentCli { claude, pi };

/// Makes OpenAI's chat answer of what an agent's command line prints, one JSON object a line
/// (`claude -p --output-format stream-json`, `pi -p --mode json`): chunks as they come, or one
/// body at the end. Bounded by kMostText.
class AgentEvents {
public:
    static constexpr std::size_t kMostText = 16u << 20;
    /// What is told of one tool's input.
    static constexpr std::size_t kMostToolText = 200;

    struct Shape {
        AgentCli cli = AgentCli::claude;
        bool stream = false;
        bool show_tools = false;
        std::string model{};
        std::uint64_t created = 0;  ///< unix seconds
    };
    explicit AgentEvents(Shape shape);

    /// One line. Lines that are no event are passed over.
    void line(std::string_view line, std::string& out);
    /// It has said that it is done, or what went wrong: nothing of what follows counts.
    bool over() const { return finished_ || failed_; }
    /// It is over, or the command line has ended, as `how` says ("exited with status 1");
    /// `last_words`: of its standard error. Appends the end, or why there is no answer.
    void end(std::string_view how, std::string_view last_words, std::string& out);

private:
    void claude(std::string_view event, std::string& out);
    void claude_stream(std::string_view event, std::string& out);
    void claude_message(std::string_view message, std::string& out);
    void claude_result(std::string_view result, std::string& out);
    void pi(std::string_view event, std::string& out);
    void pi_message(std::string_view message);
    void text(std::string_view piece, std::string& out);
    void thinking(std::string_view piece, std::string& out);
    void tool(std::string_view name, std::string_view input, std::string& out);
    void next_message() { parted_ = !text_.empty(); }
    void fail(std::string message, std::uint64_t status, std::string& out);
    void write_failure(std::string& out);
    std::string whole() const;

    Shape shape_;
    ChunkWriter writer_;
    std::string text_;      ///< all that was said
    std::string thinking_;  ///< of a whole answer
    std::string stop_ = "stop";
    Usage usage_;
    bool begun_ = false;     ///< the role was written
    bool parted_ = false;    ///< a new message begins: its text stands apart
    bool deltas_ = false;    ///< this message came in pieces
    bool finished_ = false;  ///< it says that it is done
    bool failed_ = false;
    std::string message_;  ///< why
    std::uint64_t status_ = 500;
    std::string pi_failure_;  ///< of its last turn
};

}  // namespace llm
