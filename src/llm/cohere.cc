#include "llm/cohere.h"

#include "llm/fields.h"
#include "llm/json.h"
#include "llm/openai_client.h"
#include "llm/openai_upstream.h"
#include "llm/parameters.h"
#include "llm/tool_choice.h"
#include "llm/tool_names.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

namespace llm {
namespace {

using cohere::ToolNames;
using std::string_view;

constexpr std::size_t kMostStops = 5;

void append(std::string& list, const std::string& element) {
    list += (list.empty() ? "" : ",") + element;
}

std::string text_block(string_view text) {
    return fmt::format(R"({{"type":"text","text":{}}})", json::quote(text));
}

/// A document as data that its model may cite.
std::string document_data(const Part& part) {
    std::string title;
    if (!part.name.empty()) title = fmt::format(R"("title":{},)", json::quote(part.name));
    return fmt::format(R"({{{}"text":{}}})", title, json::quote(part.text));
}

/// Writes the messages, and the documents that stand beside them.
class MessageWriter {
public:
    MessageWriter(const ToolNames& names, bool reasoning, std::vector<std::string>& changes)
        : names_(names), reasoning_(reasoning), changes_(changes) {}

    base::Result<void> add(const Message& message);
    std::string messages() const { return '[' + messages_ + ']'; }
    const std::string& documents() const { return documents_; }

private:
    base::Result<void> user(const Message& message);
    base::Result<void> result(const Part& part, std::vector<const Part*>& words);
    base::Result<void> words(const std::vector<const Part*>& parts);
    void assistant(const Message& message);
    void note_extras(const std::vector<Extra>& extras, string_view where);

    const ToolNames& names_;
    bool reasoning_;
    std::vector<std::string>& changes_;
    std::string messages_;
    std::string documents_;
};

void MessageWriter::note_extras(const std::vector<Extra>& extras, string_view where) {
    for (const Extra& extra : extras)
        if (extra.key != "detail") note(changes_, fmt::format("removed {}.{}", where, extra.key));
}

base::Result<void> MessageWriter::add(const Message& message) {
    if (!message.name.empty()) note(changes_, "removed messages[].name");
    note_extras(message.extras, "messages[]");
    for (const Part& part : message.parts) {
        note_extras(part.extras, "messages[].content[]");
        for (const Part& inner : part.parts) note_extras(inner.extras, "messages[].content[]");
        if (part.kind == Part::Kind::tool_result && !part.name.empty())
            note(changes_, "removed messages[].name");
    }
    if (message.role == Message::Role::user) return user(message);
    if (message.role == Message::Role::assistant) {
        assistant(message);
        return {};
    }
    std::string text;
    for (const Part& part : message.parts) text += part.text;
    if (!text.empty())
        append(messages_, fmt::format(R"({{"role":"system","content":{}}})", json::quote(text)));
    return {};
}

base::Result<void> MessageWriter::user(const Message& message) {
    std::vector<const Part*> rest;
    bool results = false;
    for (const Part& part : message.parts) {
        if (part.kind != Part::Kind::tool_result) {
            rest.push_back(&part);
            continue;
        }
        results = true;
        if (auto written = result(part, rest); !written) return written;
    }
    if (results && rest.empty()) return {};
    return words(rest);
}

/// Pictures in a tool's result follow as a user's words.
base::Result<void> MessageWriter::result(const Part& result, std::vector<const Part*>& words) {
    std::string text, blocks;
    bool documents = false;
    for (const Part& part : result.parts) {
        if (part.kind == Part::Kind::document && !part.text.empty()) {
            append(blocks, fmt::format(R"({{"type":"document","document":{{"data":{}}}}})",
                                       document_data(part)));
            documents = true;
        } else if (part.kind == Part::Kind::text) {
            append(blocks, text_block(part.text));
            text += (text.empty() ? "" : "\n") + part.text;
        } else {
            words.push_back(&part);
        }
    }
    if (result.error && !text.starts_with("Error")) {
        text = "Error: " + text;
        documents = false;
    }
    append(messages_,
           fmt::format(R"({{"role":"tool","tool_call_id":{},"content":{}}})",
                       json::quote(result.id), documents ? '[' + blocks + ']' : json::quote(text)));
    return {};
}

base::Result<void> MessageWriter::words(const std::vector<const Part*>& parts) {
    std::string text, blocks;
    bool images = false;
    for (const Part* part : parts) {
        if (part->kind == Part::Kind::image && part->id.empty()) {
            std::string detail;
            for (const Extra& extra : part->extras)
                if (extra.key == "detail") detail = ",\"detail\":" + extra.json;
            append(blocks, fmt::format(R"({{"type":"image_url","image_url":{{"url":{}{}}}}})",
                                       json::quote(source_url(*part)), detail));
            images = true;
        } else if (part->kind == Part::Kind::document && !part->text.empty()) {
            append(documents_, fmt::format(R"({{"data":{}}})", document_data(*part)));
        } else if (part->kind == Part::Kind::text) {
            append(blocks, text_block(part->text));
            text += part->text;
        } else {
            return base::fail(
                base::ErrorKind::unsupported,
                "messages[].content: Cohere takes text, images by address or as data, and "
                "documents that are plain text");
        }
    }
    append(messages_, fmt::format(R"({{"role":"user","content":{}}})",
                                  images ? '[' + blocks + ']' : json::quote(text)));
    return {};
}

/// Text beside calls is the plan behind them. Empty assistants' messages are refused.
void MessageWriter::assistant(const Message& message) {
    std::string text, thinking, calls;
    for (const Part& part : message.parts) {
        if (part.kind == Part::Kind::text || part.kind == Part::Kind::refusal) {
            text += part.text;
        } else if (part.kind == Part::Kind::tool_call) {
            append(calls,
                   fmt::format(
                       R"({{"id":{},"type":"function","function":{{"name":{},"arguments":{}}}}})",
                       json::quote(part.id), json::quote(names_.sent(part.name)),
                       json::quote(part.json)));
        } else if (part.kind == Part::Kind::thinking && reasoning_) {
            thinking += part.text;
        } else {
            note(changes_, "removed messages[].thinking");
        }
    }
    std::string members;
    std::string blocks;
    if (!thinking.empty())
        blocks = fmt::format(R"({{"type":"thinking","thinking":{}}})", json::quote(thinking));
    if (!calls.empty()) {
        if (!text.empty()) members += ",\"tool_plan\":" + json::quote(text);
        members += ",\"tool_calls\":[" + calls + ']';
    } else if (!blocks.empty() && !text.empty()) {
        append(blocks, text_block(text));
    } else if (!text.empty()) {
        members = ",\"content\":" + json::quote(text);
    }
    if (!blocks.empty()) members += ",\"content\":[" + blocks + ']';
    if (!members.empty()) append(messages_, R"({"role":"assistant")" + members + '}');
}

/// Out of range is a 400 there, and so are both penalties together.
void add_sampling(Parameters& parameters, ObjectWriter& body, std::vector<std::string>& changes) {
    if (auto value = parameters.number("temperature"))
        body.set("temperature", clamped(*value, 0, 1));
    if (auto value = parameters.number("top_p")) body.set("p", clamped(*value, 0.01, 0.99));
    if (auto value = parameters.number("top_k")) body.set("k", clamped(*value, 0, 500));
    for (string_view key : {"frequency_penalty", "presence_penalty"})
        if (auto value = parameters.number(key); value && *value > 0) {
            body.set(key, clamped(*value, 0, 1));
            break;
        }
    if (string_view seed = parameters.get("seed"); json::count(seed))
        body.set("seed", std::string(seed));
    std::vector<std::string> stops = parameters.stops();
    if (stops.size() > kMostStops) {
        stops.resize(kMostStops);
        note(changes, fmt::format("removed stop after the first {} texts", kMostStops));
    }
    if (!stops.empty()) body.set("stop_sequences", quoted_list(stops));
}

/// The budget that stands for an effort; none: as much as it likes.
std::optional<std::uint64_t> budget_of(string_view effort) {
    if (effort == "low") return 2048;
    if (effort == "medium") return 8192;
    return std::nullopt;
}

void add_thinking(Parameters& parameters, ObjectWriter& body) {
    string_view thinking = parameters.get("thinking");
    std::string effort = parameters.text("reasoning_effort");
    if (thinking.empty() && effort.empty()) return;
    bool off = effort == "none" || effort == "minimal";
    std::optional<std::uint64_t> budget = budget_of(effort);
    if (std::optional<std::uint64_t> bound = parameters.max_tokens(); bound && budget)
        budget = std::min(*budget, *bound / 2);
    if (!thinking.empty()) {
        off = json::member(thinking, "type") == "\"disabled\"";
        budget = json::count(json::member(thinking, "budget_tokens"));
    }
    body.set("thinking", off ? R"({"type":"disabled"})"
                         : budget
                             ? fmt::format(R"({{"type":"enabled","token_budget":{}}})", *budget)
                             : R"({"type":"enabled"})");
}

base::Result<void> add_format(Parameters& parameters, ObjectWriter& body) {
    string_view format = parameters.get("response_format");
    string_view type = json::member(format, "type");
    if (type != "\"json_object\"" && type != "\"json_schema\"") return {};
    if (body.find("tools") || body.find("documents"))
        return base::fail(base::ErrorKind::unsupported,
                          "response_format: Cohere takes neither tools nor documents beside it");
    string_view schema = json::member(format, "json_schema", "schema");
    body.set("response_format",
             schema.starts_with('{')
                 ? fmt::format(R"({{"type":"json_object","json_schema":{}}})", schema)
                 : R"({"type":"json_object"})");
    return {};
}

/// All of the tools are to be kept to, and each has a required argument: else it is refused.
bool all_strict(const std::vector<const Tool*>& tools) {
    return std::ranges::all_of(tools, [](const Tool* tool) {
        return tool->strict == true && !json::blank(json::member(tool->schema, "required"));
    });
}

base::Result<void> add_tools(const Chat& chat, const ToolNames& names, Parameters& parameters,
                             ObjectWriter& body, std::vector<std::string>& changes) {
    auto choice = read_tool_choice(chat, parameters.get("tool_choice"));
    if (!choice) return std::unexpected(choice.error());
    if (choice->tools.empty()) return {};
    const bool strict = all_strict(choice->tools);
    std::vector<Tool> tools;
    for (const Tool* tool : choice->tools) {
        tools.push_back(*tool);
        tools.back().name = names.sent(tool->name);
        tools.back().strict.reset();
        if (tools.back().name != tool->name)
            note(changes, fmt::format("renamed tools[].function.name {} to {}", tool->name,
                                      tools.back().name));
        if (tool->strict == true && !strict) note(changes, "removed tools[].function.strict");
    }
    body.set("tools", openai_tools(tools, changes));
    if (strict) body.set("strict_tools", "true");
    if (choice->calls != ToolChoice::Calls::free)
        body.set("tool_choice",
                 choice->calls == ToolChoice::Calls::none ? "\"NONE\"" : "\"REQUIRED\"");
    if (choice->narrowed(chat)) note(changes, "sent only the tools that tool_choice names");
    parameters.used("parallel_tool_calls");
    if (wants_one_call(chat)) note(changes, "kept the first tool call of the answer only");
    return {};
}

}  // namespace

namespace cohere {

namespace {

/// `name` with what Cohere refuses taken out.
std::string fitting(string_view name) {
    std::string out(name);
    auto fits = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    for (char& c : out)
        if (!fits(c)) c = '_';
    if (out.empty() || (out.front() >= '0' && out.front() <= '9')) out.insert(0, 1, '_');
    return fitting_name(out, kLongestOpenAiName);
}

}  // namespace

ToolNames::ToolNames(const Chat& chat) {
    std::unordered_map<std::string, std::size_t> last;  // number behind each fitting name
    for (const Tool& tool : chat.tools) {
        if (sent_.contains(tool.name)) continue;
        const std::string base = fitting(tool.name);
        std::string name = base;
        while (clients_.contains(name))
            name = fmt::format("{}_{}", base, ++last.try_emplace(base, 1).first->second);
        clients_.emplace(name, tool.name);
        sent_.emplace(tool.name, std::move(name));
    }
}

std::string ToolNames::sent(string_view name) const {
    auto known = sent_.find(std::string(name));
    return known == sent_.end() ? fitting(name) : known->second;
}

std::string ToolNames::clients(string_view name) const {
    auto known = clients_.find(std::string(name));
    return known == clients_.end() ? std::string(name) : known->second;
}

}  // namespace cohere

base::Result<Call> CohereUpstream::call(const Chat& chat, const ChatRequest& request,
                                        const Upstream& upstream) const {
    Parameters parameters(chat, upstream);
    if (parameters.get("logprobs") == "true")
        return base::fail(base::ErrorKind::unsupported,
                          "logprobs: Cohere's are not those of a chat completion");
    std::vector<std::string> changes;
    const ToolNames names(chat);
    MessageWriter messages(names, upstream.reasoning, changes);
    for (const Message& message : chat.messages)
        if (auto added = messages.add(message); !added) return std::unexpected(added.error());
    ObjectWriter body;
    body.set("model", json::quote(upstream.model));
    body.set("messages", messages.messages());
    if (!messages.documents().empty()) body.set("documents", '[' + messages.documents() + ']');
    body.set("stream", request.stream ? "true" : "false");
    if (auto added = add_tools(chat, names, parameters, body, changes); !added)
        return std::unexpected(added.error());
    if (std::optional<std::uint64_t> bound = parameters.max_tokens())
        body.set("max_tokens", std::to_string(*bound));
    add_sampling(parameters, body, changes);
    if (upstream.reasoning) add_thinking(parameters, body);
    if (auto added = add_format(parameters, body); !added) return std::unexpected(added.error());
    parameters.finish(body);
    for (std::string& change : parameters.changes()) note(changes, std::move(change));
    return Call{"/v2/chat", body.str(), std::move(changes)};
}

}  // namespace llm
