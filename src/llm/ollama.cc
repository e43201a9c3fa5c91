#include "llm/ollama.h"

#include "llm/fields.h"
#include "llm/json.h"
#include "llm/openai_upstream.h"
#include "llm/reasoning_effort.h"
#include "llm/tool_choice.h"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

/// Members of the native body that are no model options.
constexpr auto kTopLevel = std::to_array<string_view>(
    {"keep_alive", "think", "format", "truncate", "shift", "options", "template"});

constexpr auto kLoadOptions = std::to_array<string_view>(
    {"num_ctx", "num_gpu", "num_batch", "main_gpu", "use_mmap", "num_thread"});

constexpr string_view kSystem = "system";

void append(std::string& list, const std::string& element) {
    list += (list.empty() ? "" : ",") + element;
}

/// Writes messages: texts with the data of pictures beside them.
class MessageWriter {
public:
    MessageWriter(bool reasoning, std::vector<std::string>& changes)
        : reasoning_(reasoning), changes_(changes) {}

    base::Result<void> add(const Message& message);
    /// A line of ours, at the end of the system's words.
    void add_system(string_view line);
    std::string str() const;

private:
    struct Written {
        string_view role;
        std::string text{};
        std::string rest{};  ///< further members
    };
    void note_lost(const Part& part);
    base::Result<void> words(string_view role, const std::vector<const Part*>& parts);
    void result(const Part& result, std::vector<const Part*>& words);
    void assistant(const Message& message);

    bool reasoning_;
    std::vector<std::string>& changes_;
    std::vector<Written> written_;
    std::map<std::string, std::string> tools_;  ///< the tool's name by id of its call
};

void MessageWriter::add_system(string_view line) {
    if (!written_.empty() && written_.front().role == kSystem)
        written_.front().text.append("\n\n").append(line);
    else
        written_.insert(written_.begin(), {kSystem, std::string(line)});
}

std::string MessageWriter::str() const {
    std::string out;
    for (const Written& message : written_)
        append(out, fmt::format(R"({{"role":"{}","content":{}{}}})", message.role,
                                json::quote(message.text), message.rest));
    return '[' + out + ']';
}

base::Result<void> MessageWriter::add(const Message& message) {
    if (!message.name.empty()) note(changes_, "removed messages[].name");
    for (const Extra& extra : message.extras)
        note(changes_, fmt::format("removed messages[].{}", extra.key));
    for (const Part& part : message.parts) {
        note_lost(part);
        for (const Part& inner : part.parts) note_lost(inner);
    }
    if (message.role == Message::Role::assistant) {
        assistant(message);
        return {};
    }
    std::vector<const Part*> rest;
    bool results = false;
    for (const Part& part : message.parts) {
        if (part.kind == Part::Kind::tool_result) {
            result(part, rest);
            results = true;
        } else {
            rest.push_back(&part);
        }
    }
    if (results && rest.empty()) return {};
    return words(message.role == Message::Role::system ? kSystem : "user", rest);
}

/// Members of a part that have no place here.
void MessageWriter::note_lost(const Part& part) {
    for (const Extra& extra : part.extras)
        note(changes_, fmt::format("removed messages[].content[].{}", extra.key));
    if (part.kind == Part::Kind::document && !part.name.empty())
        note(changes_, "removed messages[].content[].title");
}

base::Result<void> MessageWriter::words(string_view role, const std::vector<const Part*>& parts) {
    std::string text, images;
    for (const Part* part : parts) {
        const bool plain = part->kind == Part::Kind::text ||
                           (part->kind == Part::Kind::document && !part->text.empty());
        if (plain) {
            text += part->text;
        } else if (part->kind == Part::Kind::image && !part->data.empty()) {
            append(images, json::quote(part->data));
        } else if (part->kind == Part::Kind::image) {
            return base::fail(base::ErrorKind::unsupported,
                              "messages[].content[].image_url: Ollama takes pictures as data "
                              "only; send a data: URL with base64");
        } else {
            return base::fail(base::ErrorKind::unsupported,
                              "messages[].content: Ollama takes texts and pictures only");
        }
    }
    if (!images.empty()) images = ",\"images\":[" + images + ']';
    written_.push_back({role, std::move(text), std::move(images)});
    return {};
}

/// Pictures in a tool's result follow as a user's words.
void MessageWriter::result(const Part& result, std::vector<const Part*>& words) {
    std::string text;
    for (const Part& part : result.parts) {
        if (part.kind == Part::Kind::text || !part.text.empty())
            text += (text.empty() ? "" : "\n") + part.text;
        else
            words.push_back(&part);
    }
    if (result.error && !text.starts_with("Error")) text = "Error: " + text;
    const auto called = tools_.find(result.id);
    const std::string& name = called == tools_.end() ? result.name : called->second;
    if (!result.name.empty() && result.name != name) note(changes_, "removed messages[].name");
    std::string rest = ",\"tool_call_id\":" + json::quote(result.id);
    if (!name.empty()) rest += ",\"tool_name\":" + json::quote(name);
    written_.push_back({"tool", std::move(text), std::move(rest)});
}

void MessageWriter::assistant(const Message& message) {
    std::string text, thinking, calls;
    std::size_t index = 0;
    for (const Part& part : message.parts) {
        if (part.kind == Part::Kind::text || part.kind == Part::Kind::refusal) {
            text += part.text;
        } else if (part.kind == Part::Kind::tool_call) {
            tools_[part.id] = part.name;
            append(calls,
                   fmt::format(R"({{"id":{},"function":{{"index":{},"name":{},"arguments":{}}}}})",
                               json::quote(part.id), index++, json::quote(part.name),
                               ollama::object_or_empty(part.json)));
        } else if (part.kind == Part::Kind::thinking && reasoning_) {
            thinking += part.text;
        } else {
            note(changes_, "removed messages[].thinking");
        }
    }
    std::string rest;
    if (!thinking.empty()) rest += ",\"thinking\":" + json::quote(thinking);
    if (!calls.empty()) rest += ",\"tool_calls\":[" + calls + ']';
    written_.push_back({"assistant", std::move(text), std::move(rest)});
}

void add_options(Parameters& parameters, ObjectWriter& options) {
    for (string_view key : {"temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty",
                            "frequency_penalty", "repeat_penalty"})
        if (parameters.number(key)) options.set(key, std::string(parameters.get(key)));
    if (std::optional<std::uint64_t> bound = parameters.max_tokens())
        options.set("num_predict", std::to_string(*bound));
    if (std::vector<std::string> stops = parameters.stops(); !stops.empty())
        options.set("stop", quoted_list(stops));
}

/// A budget as the effort that it stands for.
std::string effort_of(string_view thinking) {
    if (json::member(thinking, "type") == "\"disabled\"") return "none";
    const auto budget = json::count(json::member(thinking, "budget_tokens"));
    if (!budget) return "medium";
    string_view effort = effort_of_budget(*budget);
    return std::string(effort == "minimal" ? "low" : effort);  // a budget is no wish not to think
}

/// Left out, `think` means yes on models that can; on the others it has no place. Where nobody
/// says what the model can do, no is harmless.
std::string think(Parameters& parameters, const Upstream& upstream,
                  std::vector<std::string>& changes) {
    if (!upstream.reasoning && upstream.stated) return {};
    std::string effort = parameters.text("reasoning_effort");
    const string_view thinking = parameters.get("thinking");
    const string_view asked_by = thinking.empty() ? "reasoning_effort" : "thinking";
    if (!thinking.empty()) effort = effort_of(thinking);
    if (effort.empty()) return {};
    if (effort == "none" || effort == "minimal") return "false";
    if (!upstream.reasoning) {
        note(changes, fmt::format("removed {}", asked_by));
        return {};
    }
    const bool has_levels = upstream.model.find("gpt-oss") != upstream.model.npos;
    const bool level = effort == "low" || effort == "medium" || effort == "high";
    return has_levels && level ? json::quote(effort) : "true";
}

void add_format(Parameters& parameters, ObjectWriter& body) {
    string_view format = parameters.get("response_format");
    string_view type = json::member(format, "type");
    string_view schema = json::member(format, "json_schema", "schema");
    if (type == "\"json_schema\"" && schema.starts_with('{'))
        body.set("format", std::string(schema));
    else if (type == "\"json_object\"" || type == "\"json_schema\"")
        body.set("format", "\"json\"");
}

/// Nobody there can be told which tool to call: it gets only those, and is asked in words.
base::Result<void> add_tools(const Chat& chat, Parameters& parameters, ObjectWriter& body,
                             MessageWriter& messages, std::vector<std::string>& changes) {
    auto choice = read_tool_choice(chat, parameters.get("tool_choice"));
    if (!choice) return std::unexpected(choice.error());
    if (choice->tools.empty()) return {};
    if (choice->calls == ToolChoice::Calls::none) {
        note(changes, "removed tools, as tool_choice is none");
        return {};
    }
    std::vector<Tool> tools;
    for (const Tool* tool : choice->tools) {
        tools.push_back(*tool);
        tools.back().strict.reset();
        if (tool->strict) note(changes, "removed tools[].function.strict");
    }
    body.set("tools", openai_tools(tools, changes));
    if (choice->narrowed(chat)) note(changes, "sent only the tools that tool_choice names");
    if (choice->calls == ToolChoice::Calls::required) {
        messages.add_system(tools.size() == 1
                                ? fmt::format("Answer with a call of the tool {}, not with text.",
                                              tools.front().name)
                                : "Answer with a call of one of the tools, not with text.");
        note(changes, "added a system line for tool_choice");
    }
    parameters.used("parallel_tool_calls");
    if (wants_one_call(chat)) note(changes, "kept the first tool call of the answer only");
    return {};
}

}  // namespace

namespace ollama {

void add_native(const Extra& extra, ObjectWriter& body, ObjectWriter& options) {
    if (extra.key == "options" && extra.json.starts_with('{')) {
        json::Cursor in(extra.json);
        string_view key;
        in.enter_object();
        while (in.next_member(key)) options.set(json::unescape(key), std::string(in.value()));
    } else if (std::ranges::find(kTopLevel, extra.key) != kTopLevel.end()) {
        body.set(extra.key, extra.json);
    } else {
        options.set(extra.key, extra.json);
    }
}

bool is_load_option(string_view key) {
    return std::ranges::find(kLoadOptions, key) != kLoadOptions.end();
}

std::string client_options(string_view options, std::vector<std::string>& changes) {
    ObjectWriter kept;
    json::Cursor in(options);
    string_view key;
    if (!options.starts_with('{') || !in.enter_object()) return "{}";
    while (in.next_member(key)) {
        std::string name = json::unescape(key);
        string_view value = in.value();
        if (is_load_option(name))
            note(changes, fmt::format("removed options.{}", name));
        else
            kept.set(name, std::string(value));
    }
    return kept.str();
}

void keep_own_word(Parameters& parameters) {
    for (string_view key : kLoadOptions) parameters.configured_only(key);
    if (parameters.configured("keep_alive")) parameters.configured_only("keep_alive");
}

std::string object_or_empty(string_view text) {
    json::Cursor whole(text);
    const bool object = whole.peek() == '{' && whole.skip() && whole.complete();
    return object ? std::string(text) : "{}";
}

}  // namespace ollama

base::Result<Call> OllamaUpstream::call(const Chat& chat, const ChatRequest& request,
                                        const Upstream& upstream) const {
    Parameters parameters(chat, upstream);
    if (parameters.get("logprobs") == "true")
        return base::fail(base::ErrorKind::unsupported,
                          "logprobs: not carried over Ollama's protocol");
    std::vector<std::string> changes;
    MessageWriter messages(upstream.reasoning, changes);
    for (const Message& message : chat.messages)
        if (auto added = messages.add(message); !added) return std::unexpected(added.error());
    ObjectWriter body, options;
    body.set("model", json::quote(upstream.model));
    body.set("messages", "[]");
    body.set("stream", request.stream ? "true" : "false");
    if (auto added = add_tools(chat, parameters, body, messages, changes); !added)
        return std::unexpected(added.error());
    body.set("messages", messages.str());
    if (std::string wanted = think(parameters, upstream, changes); !wanted.empty())
        body.set("think", std::move(wanted));
    add_format(parameters, body);
    ollama::keep_own_word(parameters);
    if (!parameters.configured("keep_alive"))
        if (string_view keep = parameters.get("keep_alive"); !keep.empty())
            body.set("keep_alive", std::string(keep));
    add_options(parameters, options);
    for (const Extra* extra : parameters.natives()) {
        if (extra == chat.find("options"))
            ollama::add_native({"options", ollama::client_options(extra->json, changes)}, body,
                               options);
        else
            ollama::add_native(*extra, body, options);
    }
    if (!options.empty()) body.set("options", options.str());
    std::ranges::move(parameters.changes(), std::back_inserter(changes));
    return Call{"/api/chat", body.str(), std::move(changes)};
}

}  // namespace llm
