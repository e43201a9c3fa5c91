#include "llm/openai_upstream.h"

#include "llm/fields.h"
#include "llm/json.h"
#include "llm/openai_client.h"
#include "llm/redact.h"
#include "llm/splice.h"
#include "llm/tool_names.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

std::string sent_name(string_view name) { return fitting_name(name, kLongestOpenAiName); }

/// A choice that names tools, with the names that are sent for them.
std::string sent_choice(string_view choice) {
    Splice splice(choice);
    auto rename = [&splice](string_view entry) {
        string_view name = json::member(entry, "function", "name");
        if (name.empty()) name = json::member(entry, "name");
        if (auto text = json::text(name)) splice.replace(name, json::quote(sent_name(*text)));
    };
    rename(choice);
    for (string_view list :
         {json::member(choice, "allowed_tools", "tools"), json::member(choice, "tools")})
        for_each_element(list, rename);
    return splice.apply();
}

/// Writes messages in OpenAI's shape.
class MessageWriter {
public:
    MessageWriter(const Upstream& upstream, std::vector<std::string>& changes)
        : keeps_extras_(upstream.provider == base::Provider::openrouter),
          keeps_thinking_(upstream.provider == base::Provider::openrouter ||
                          upstream.provider == base::Provider::openai_compatible),
          fetches_files_(upstream.provider == base::Provider::openrouter),
          changes_(changes) {}

    void add(const Message& message);
    std::string str() const { return '[' + out_ + ']'; }
    /// Why what was added can't be written.
    const std::optional<base::Error>& error() const { return error_; }

private:
    void element(std::string json) { out_ += (out_.empty() ? "" : ",") + std::move(json); }
    void assistant(const Message& message);
    void result(const Part& part, std::vector<const Part*>& images);
    std::string content(const std::vector<const Part*>& parts);
    std::string part(const Part& part);
    std::string file(const Part& part);
    void refuse(string_view what, string_view why);
    std::string extras(const std::vector<Extra>& extras, string_view where);
    void note_lost(const Part& part);

    bool keeps_extras_;
    bool keeps_thinking_;
    bool fetches_files_;
    std::vector<std::string>& changes_;
    std::string out_;
    std::optional<base::Error> error_;
};

std::string MessageWriter::extras(const std::vector<Extra>& extras, string_view where) {
    std::string out;
    for (const Extra& extra : extras) {
        if (keeps_extras_ || extra.key == "detail")
            out += fmt::format(",{}:{}", json::quote(extra.key), extra.json);
        else
            note(changes_, fmt::format("removed {}.{}", where, extra.key));
    }
    return out;
}

/// Members of pictures and documents that have no place here.
void MessageWriter::note_lost(const Part& part) {
    for (const Extra& extra : part.extras)
        if (extra.key != "detail")
            note(changes_, fmt::format("removed messages[].content[].{}", extra.key));
    if (part.kind == Part::Kind::document && !part.text.empty() && !part.name.empty())
        note(changes_, "removed messages[].content[].title");
}

void MessageWriter::refuse(string_view what, string_view why) {
    if (!error_)
        error_ = base::Error{base::ErrorKind::unsupported,
                             fmt::format("messages[].content[].{}: {}", what, why)};
}

/// A document by its id in OpenAI's store, or by its bytes.
std::string MessageWriter::file(const Part& part) {
    constexpr string_view kAnthropics = "file_";
    if (part.id.starts_with(kAnthropics))
        refuse(part.id, "this target can't read files of Anthropic's store; send the file's data");
    else if (!part.url.empty() && !fetches_files_)
        refuse(redact(part.url), "this target fetches no documents; send the document's data");
    if (!part.id.empty()) return "\"file_id\":" + json::quote(part.id);
    return fmt::format(R"("filename":{},"file_data":{})",
                       json::quote(part.name.empty() ? "document.pdf" : part.name),
                       json::quote(source_url(part)));
}

std::string MessageWriter::part(const Part& part) {
    constexpr string_view kWhere = "messages[].content[]";
    if (part.kind != Part::Kind::text) note_lost(part);
    switch (part.kind) {
        case Part::Kind::image: {
            if (part.url.empty() && part.data.empty())
                refuse(part.id, "this target reads no images from a store; send its URL or data");
            std::string detail;
            for (const Extra& extra : part.extras)
                if (extra.key == "detail") detail = ",\"detail\":" + extra.json;
            return fmt::format(R"({{"type":"image_url","image_url":{{"url":{}{}}}}})",
                               json::quote(source_url(part)), detail);
        }
        case Part::Kind::audio:
            return fmt::format(
                R"({{"type":"input_audio","input_audio":{{"data":{},"format":{}}}}})",
                json::quote(part.data),
                json::quote(part.media_type.substr(part.media_type.find('/') + 1)));
        case Part::Kind::document:
            if (!part.text.empty())
                return fmt::format(R"({{"type":"text","text":{}}})", json::quote(part.text));
            return fmt::format(R"({{"type":"file","file":{{{}}}}})", file(part));
        default:
            return fmt::format(R"({{"type":"text","text":{}{}}})", json::quote(part.text),
                               extras(part.extras, kWhere));
    }
}

std::string MessageWriter::content(const std::vector<const Part*>& parts) {
    const bool one_text = parts.size() == 1 && parts.front()->kind == Part::Kind::text &&
                          (!keeps_extras_ || parts.front()->extras.empty());
    if (parts.empty()) return "\"\"";
    if (one_text) {
        (void)extras(parts.front()->extras, "messages[].content[]");
        return json::quote(parts.front()->text);
    }
    std::string out;
    for (const Part* one : parts) out += (out.empty() ? "" : ",") + part(*one);
    return '[' + out + ']';
}

/// A tool's result is a text here; pictures in it follow as a user's words.
void MessageWriter::result(const Part& result, std::vector<const Part*>& images) {
    std::string text;
    for (const Part& part : result.parts) {
        if (part.kind == Part::Kind::text || !part.text.empty()) note_lost(part);
        if (part.kind == Part::Kind::text || !part.text.empty())
            text += (text.empty() ? "" : "\n") + part.text;
        else
            images.push_back(&part);
    }
    if (result.error && !text.starts_with("Error")) text = "Error: " + text;
    (void)extras(result.extras, "messages[].content[].tool_result");
    element(fmt::format(R"({{"role":"tool","tool_call_id":{},"content":{}}})",
                        json::quote(result.id), json::quote(text)));
}

void MessageWriter::assistant(const Message& message) {
    std::vector<Part> parts;
    for (const Part& part : message.parts) {
        const bool thinking =
            part.kind == Part::Kind::thinking || part.kind == Part::Kind::redacted_thinking;
        if (thinking && (!keeps_thinking_ || part.kind != Part::Kind::thinking)) {
            note(changes_, "removed messages[].thinking");
            continue;
        }
        parts.push_back(part);
        if (part.kind == Part::Kind::tool_call) parts.back().name = sent_name(part.name);
        if (!parts.back().signature.empty()) {
            parts.back().signature.clear();
            note(changes_, "removed messages[].thinking.signature");
        }
        (void)extras(part.extras, "messages[].content[]");
    }
    element('{' + openai_message_members(parts) + extras(message.extras, "messages[]") + '}');
}

void MessageWriter::add(const Message& message) {
    if (message.role == Message::Role::assistant) return assistant(message);
    std::vector<const Part*> words;
    std::vector<const Part*> images;
    bool results = false;
    for (const Part& part : message.parts) {
        if (part.kind == Part::Kind::tool_result) {
            result(part, images);
            results = true;
        } else {
            words.push_back(&part);
        }
    }
    words.insert(words.begin(), images.begin(), images.end());
    if (results && words.empty()) return;
    const bool system = message.role == Message::Role::system;
    std::string name;
    if (!message.name.empty()) name = ",\"name\":" + json::quote(message.name);
    element(fmt::format(R"({{"role":"{}","content":{}{}{}}})", system ? "system" : "user",
                        content(words), name, extras(message.extras, "messages[]")));
}

std::vector<Tool> sent_tools(const Chat& chat, std::vector<std::string>& changes) {
    std::vector<Tool> tools = chat.tools;
    for (Tool& tool : tools) {
        std::string name = sent_name(tool.name);
        if (name == tool.name) continue;
        note(changes, fmt::format("renamed tools[].function.name {} to {}", tool.name, name));
        tool.name = std::move(name);
    }
    return tools;
}

/// Parameters that only Anthropic or Ollama knows.
constexpr auto kOthersOwn = std::to_array<string_view>(
    {"context_management", "container", "inference_geo", "cache_control", "keep_alive", "truncate",
     "shift", "template", "context", "repeat_penalty"});
/// Samplers that OpenAI itself refuses.
constexpr auto kNotOpenAi = std::to_array<string_view>({"top_k", "min_p"});

bool foreign(string_view key, const Upstream& upstream) {
    auto in = [key](const auto& list) { return std::ranges::find(list, key) != list.end(); };
    return in(kOthersOwn) || key.starts_with("options.") ||
           (upstream.provider == base::Provider::openai && in(kNotOpenAi));
}

}  // namespace

std::string openai_tools(const std::vector<Tool>& tools, std::vector<std::string>& changes) {
    std::string out;
    for (const Tool& tool : tools) {
        std::string function = "\"name\":" + json::quote(tool.name);
        if (!tool.description.empty())
            function += ",\"description\":" + json::quote(tool.description);
        function += ",\"parameters\":" +
                    (tool.schema.empty() ? R"({"type":"object","properties":{}})" : tool.schema);
        if (tool.strict) function += fmt::format(",\"strict\":{}", *tool.strict);
        out += fmt::format(R"({}{{"type":"function","function":{{{}}}}})", out.empty() ? "" : ",",
                           function);
        for (const Extra& extra : tool.extras)
            note(changes, fmt::format("removed tools[].{}", extra.key));
    }
    return '[' + out + ']';
}

base::Result<std::string> openai_body(const Chat& chat, const ChatRequest& request,
                                      const Upstream& upstream, std::vector<std::string>& changes) {
    MessageWriter messages(upstream, changes);
    for (const Message& message : chat.messages) messages.add(message);
    if (messages.error()) return std::unexpected(*messages.error());
    std::string out = R"({"model":"x","messages":)" + messages.str();
    if (!chat.tools.empty())
        out += ",\"tools\":" + openai_tools(sent_tools(chat, changes), changes);
    for (const Extra& parameter : chat.parameters) {
        if (foreign(parameter.key, upstream)) {
            note(changes, fmt::format("removed {}", parameter.key));
            continue;
        }
        if (parameter.key == "stop" && json::blank(parameter.json)) continue;  // none is allowed
        const bool choice = parameter.key == "tool_choice" && parameter.json.starts_with('{');
        out += fmt::format(",{}:{}", json::quote(parameter.key),
                           choice ? sent_choice(parameter.json) : parameter.json);
    }
    if (request.stream) out += ",\"stream\":true";
    return out + '}';
}

}  // namespace llm
