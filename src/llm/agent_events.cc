#include "llm/agent_events.h"

#include "base/units.h"
#include "llm/fields.h"
#include "llm/hidden_error.h"
#include "llm/usage_json.h"

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

std::uint64_t count_of(string_view object, string_view key) {
    return json::count(json::member(object, key)).value_or(0);
}

/// What a tool is asked to do, in one short line.
std::string in_short(string_view input) {
    std::string text;
    for (string_view key : {"command", "file_path", "path", "pattern", "url", "query"})
        if (text.empty()) text = text_of(input, key);
    if (text.empty()) text = input;
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    return base::shown(text, AgentEvents::kMostToolText);
}

/// A status in a text such as `401 {"type":"error",…}`.
std::uint64_t leading_status(string_view text) {
    return text.size() > 3 && text[3] == ' ' ? json::count(text.substr(0, 3)).value_or(0) : 0;
}

}  // namespace

AgentEvents::AgentEvents(Shape shape)
    : shape_(std::move(shape)),
      writer_("\"chatcmpl-agent\"", std::to_string(shape_.created), shape_.model) {
    usage_.known = false;
}

void AgentEvents::line(string_view line, std::string& out) {
    line = base::trim(line);
    if (over() || !line.starts_with('{')) return;
    shape_.cli == AgentCli::claude ? claude(line, out) : pi(line, out);
}

void AgentEvents::text(string_view piece, std::string& out) {
    if (piece.empty()) return;
    if (text_.size() + piece.size() > kMostText)
        return fail("the agent's answer is too large", 0, out);
    const bool apart = std::exchange(parted_, false);
    if (apart) text_ += "\n\n";
    text_ += piece;
    if (!shape_.stream) return;
    if (!std::exchange(begun_, true)) writer_.role(out);
    writer_.content(out, apart ? "\n\n" + std::string(piece) : std::string(piece));
}

void AgentEvents::thinking(string_view piece, std::string& out) {
    if (piece.empty() || thinking_.size() + piece.size() > kMostText) return;
    thinking_ += piece;
    if (!shape_.stream) return;
    if (!std::exchange(begun_, true)) writer_.role(out);
    writer_.reasoning(out, piece);
}

void AgentEvents::tool(string_view name, string_view input, std::string& out) {
    if (!shape_.show_tools) return;
    next_message();
    text(fmt::format("[{}] {}", name, in_short(input)), out);
    next_message();
}

void AgentEvents::fail(std::string message, std::uint64_t status, std::string& out) {
    if (std::exchange(failed_, true)) return;
    message_ = std::move(message);
    status_ = status == 0 ? 500 : status;
    if (shape_.stream) write_failure(out);
}

/// A message that says what is wrong in known words is given as a text: whoever reads answers of
/// agents knows them, and more of them than a status tells. Anything else is an error.
void AgentEvents::write_failure(std::string& out) {
    const bool known = agent_complaint(base::Provider::openai_compatible, message_, {}).has_value();
    const std::string error =
        fmt::format(R"({{"error":{{"message":{},"type":"agent_error","code":{}}}}})",
                    json::quote(base::shown(message_, 2'000)), status_);
    if (!shape_.stream) {
        text_ = message_;
        out += known ? whole() : error;
    } else if (known && !begun_) {
        writer_.content(out, message_);
    } else {
        out += "data: " + error + "\n\n";
    }
}

std::string AgentEvents::whole() const {
    std::string more;
    if (!thinking_.empty()) more = ",\"reasoning_content\":" + json::quote(thinking_);
    std::string used;
    if (usage_.known) used = ",\"usage\":" + usage_json(usage_);
    return fmt::format(
        R"({{"id":"chatcmpl-agent","object":"chat.completion","created":{},"model":{},"choices":[{{"index":0,"message":{{"role":"assistant","content":{}{}}},"finish_reason":"{}"}}]{}}})",
        shape_.created, json::quote(shape_.model), json::quote(text_), more, stop_, used);
}

void AgentEvents::claude(string_view event, std::string& out) {
    const std::string type = text_of(event, "type");
    if (!json::blank(json::member(event, "parent_tool_use_id"))) return;  // a helper of its own
    if (type == "stream_event") return claude_stream(json::member(event, "event"), out);
    if (type == "result") return claude_result(event, out);
    if (type == "assistant" && json::blank(json::member(event, "error")))
        return claude_message(json::member(event, "message"), out);
    // It would try for minutes with a key that is refused.
    const bool refused = type == "system" && text_of(event, "subtype") == "api_retry" &&
                         count_of(event, "error_status") == 401;
    if (refused) fail("Failed to authenticate", 401, out);
}

void AgentEvents::claude_stream(string_view event, std::string& out) {
    const std::string type = text_of(event, "type");
    if (type == "message_start") {
        next_message();
        deltas_ = false;
    }
    if (type != "content_block_delta") return;
    string_view delta = json::member(event, "delta");
    deltas_ = true;
    text(text_of(delta, "text"), out);
    thinking(text_of(delta, "thinking"), out);
}

/// A whole message: its text where no pieces of it came, and the tools that it calls.
void AgentEvents::claude_message(string_view message, std::string& out) {
    if (!deltas_) next_message();
    for_each_element(json::member(message, "content"), [&](string_view part) {
        const std::string type = text_of(part, "type");
        if (type == "text" && !deltas_) text(text_of(part, "text"), out);
        if (type == "tool_use") tool(text_of(part, "name"), json::member(part, "input"), out);
    });
}

void AgentEvents::claude_result(string_view result, std::string& out) {
    string_view used = json::member(result, "usage");
    usage_.cached = count_of(used, "cache_read_input_tokens");
    usage_.prompt = count_of(used, "input_tokens") + usage_.cached +
                    count_of(used, "cache_creation_input_tokens");
    usage_.completion = count_of(used, "output_tokens");
    usage_.known = usage_.prompt + usage_.completion > 0;
    const std::string words = text_of(result, "result");
    if (json::member(result, "is_error") == "true")
        return fail(words.empty() ? "Claude Code ended with " + text_of(result, "subtype") : words,
                    count_of(result, "api_error_status"), out);
    if (text_of(result, "subtype") == "error_max_turns") stop_ = "length";
    if (text_.empty()) text(words, out);
    finished_ = true;
}

void AgentEvents::pi(string_view event, std::string& out) {
    const std::string type = text_of(event, "type");
    if (type == "message_update") {
        string_view update = json::member(event, "assistantMessageEvent");
        const std::string kind = text_of(update, "type");
        if (kind == "text_delta") text(text_of(update, "delta"), out);
        if (kind == "thinking_delta") thinking(text_of(update, "delta"), out);
    } else if (type == "message_start") {
        next_message();
    } else if (type == "message_end") {
        pi_message(json::member(event, "message"));
    } else if (type == "tool_execution_start") {
        tool(text_of(event, "toolName"), json::member(event, "args"), out);
    } else if (type == "agent_end") {
        finished_ = pi_failure_.empty();
        if (!finished_) fail(pi_failure_, leading_status(pi_failure_), out);
    }
}

void AgentEvents::pi_message(string_view message) {
    if (text_of(message, "role") != "assistant") return;
    string_view used = json::member(message, "usage");
    usage_.cached += count_of(used, "cacheRead");
    usage_.prompt +=
        count_of(used, "input") + count_of(used, "cacheRead") + count_of(used, "cacheWrite");
    usage_.completion += count_of(used, "output");
    usage_.known = usage_.prompt + usage_.completion > 0;
    const std::string reason = text_of(message, "stopReason");
    stop_ = reason == "length" ? "length" : "stop";
    pi_failure_.clear();  // it tries again after some
    if (reason != "error" && reason != "aborted") return;
    pi_failure_ = text_of(message, "errorMessage");
    if (pi_failure_.empty()) pi_failure_ = "pi ended with " + reason;
}

void AgentEvents::end(string_view how, string_view last_words, std::string& out) {
    if (!finished_ && !failed_) {
        std::string why = fmt::format("the agent {} without an answer", how);
        if (!last_words.empty()) why += fmt::format(": {}", base::trim(last_words));
        fail(std::move(why), 0, out);
    }
    if (!shape_.stream) {
        failed_ ? write_failure(out) : void(out += whole());
        return;
    }
    if (failed_) return;
    if (!begun_) writer_.role(out);
    writer_.finish(out, stop_);
    if (usage_.known) writer_.usage(out, usage_);
    ChunkWriter::done(out);
}

}  // namespace llm
