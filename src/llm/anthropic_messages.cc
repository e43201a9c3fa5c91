#include "llm/anthropic_messages.h"

#include "base/units.h"
#include "llm/anthropic_rules.h"
#include "llm/fields.h"
#include "llm/json.h"

#include <array>

#include <fmt/format.h>

namespace llm::anthropic {
namespace {

using std::string_view;

/// Further members of a block that Anthropic knows.
constexpr auto kBlockExtras = std::to_array<string_view>({"cache_control", "citations", "context"});

constexpr string_view kContinue = "Continue.";

bool is_thinking(Part::Kind kind) {
    return kind == Part::Kind::thinking || kind == Part::Kind::redacted_thinking;
}

/// Where the bytes of an image or a document are.
base::Result<std::string> source(const Part& part) {
    constexpr string_view kOpenAis = "file-";
    if (part.id.starts_with(kOpenAis))
        return base::fail(
            base::ErrorKind::unsupported,
            fmt::format("messages[].content[].{}: a file of OpenAI's store reaches no "
                        "other provider; send the file's data",
                        part.id));
    if (!part.id.empty())
        return fmt::format(R"({{"type":"file","file_id":{}}})", json::quote(part.id));
    if (!part.url.empty())
        return fmt::format(R"({{"type":"url","url":{}}})", json::quote(part.url));
    // What many call image/jpg is taken under its registered name only.
    const string_view given = part.media_type;
    const string_view type = given == "image/jpg" ? "image/jpeg" : given;
    return fmt::format(R"({{"type":"base64","media_type":{},"data":{}}})", json::quote(type),
                       json::quote(part.data));
}

}  // namespace

std::string Conversation::extras(const std::vector<Extra>& extras, string_view where) {
    std::string out;
    for (const Extra& extra : extras) {
        if (std::ranges::find(kBlockExtras, extra.key) != kBlockExtras.end())
            out += fmt::format(",{}:{}", json::quote(extra.key), extra.json);
        else
            note(changes_, fmt::format("removed {}.{}", where, extra.key));
    }
    return out;
}

base::Result<Conversation::Block> Conversation::document(const Part& part) {
    constexpr string_view kPdf = "application/pdf";
    const bool strange = part.text.empty() && !part.data.empty() && part.media_type != kPdf;
    if (strange)
        return base::fail(base::ErrorKind::unsupported,
                          fmt::format("messages[].content[].file: Anthropic reads PDF and plain "
                                      "text in UTF-8, not {}",
                                      part.media_type));
    base::Result<std::string> from = source(part);
    if (!part.text.empty())
        from = fmt::format(R"({{"type":"text","media_type":"text/plain","data":{}}})",
                           json::quote(part.text));
    if (!from) return std::unexpected(from.error());
    std::string title;
    if (!part.name.empty()) title = ",\"title\":" + json::quote(part.name);
    return Block{.kind = part.kind,
                 .json = fmt::format(R"({{"type":"document","source":{}{}{}}})", *from, title,
                                     extras(part.extras, "messages[].content[]"))};
}

/// A result holds texts, images and documents; an empty one has no content.
base::Result<Conversation::Block> Conversation::result(const Part& part) {
    std::vector<Block> inner;
    for (const Part& one : part.parts) {
        base::Result<Block> made = block(one);
        if (!made) return made;
        if (one.kind != Part::Kind::text || !made->text.empty()) inner.push_back(*std::move(made));
    }
    std::string out = R"({"type":"tool_result","tool_use_id":)" + json::quote(tool_id(part.id));
    if (!inner.empty()) out += ",\"content\":" + content(inner);
    if (part.error) out += ",\"is_error\":true";
    out += extras(part.extras, "messages[].content[]") + '}';
    return Block{.kind = part.kind, .json = std::move(out)};
}

base::Result<Conversation::Block> Conversation::block(const Part& part) {
    constexpr string_view kWhere = "messages[].content[]";
    Block out{.kind = part.kind};
    switch (part.kind) {
        case Part::Kind::audio:
            return base::fail(base::ErrorKind::unsupported,
                              "messages[].content[].input_audio: not carried over the anthropic "
                              "protocol");
        case Part::Kind::image: {
            base::Result<std::string> from = source(part);
            if (!from) return std::unexpected(from.error());
            out.json = fmt::format(R"({{"type":"image","source":{}{}}})", *from,
                                   extras(part.extras, kWhere));
            break;
        }
        case Part::Kind::document: return document(part);
        case Part::Kind::thinking:
            out.json = fmt::format(R"({{"type":"thinking","thinking":{},"signature":{}}})",
                                   json::quote(part.text), json::quote(part.signature));
            break;
        case Part::Kind::redacted_thinking:
            out.json =
                fmt::format(R"({{"type":"redacted_thinking","data":{}}})", json::quote(part.data));
            break;
        case Part::Kind::tool_call:
            out.json = fmt::format(R"({{"type":"tool_use","id":{},"name":{},"input":{}{}}})",
                                   json::quote(tool_id(part.id)), json::quote(tool_name(part.name)),
                                   input_object(part.json), extras(part.extras, kWhere));
            break;
        case Part::Kind::tool_result: return result(part);
        case Part::Kind::text:
        case Part::Kind::refusal:
            out.kind = Part::Kind::text;
            out.text = part.text;
            out.more = extras(part.extras, kWhere);
    }
    return out;
}

base::Result<void> Conversation::blocks(const Message& message, std::vector<Block>& out) {
    const bool assistant = message.role == Message::Role::assistant;
    for (const Part& part : message.parts) {
        if (is_thinking(part.kind) && !(assistant && signed_here(part))) {
            note(changes_, "removed messages[].thinking without a signature of Anthropic's");
            continue;
        }
        base::Result<Block> made = block(part);
        if (!made) return std::unexpected(made.error());
        if (part.kind == Part::Kind::tool_result && !part.name.empty())
            note(changes_, "removed messages[].name");
        if (made->kind == Part::Kind::text && base::trim(made->text).empty()) continue;
        out.push_back(*std::move(made));
    }
    if (!message.name.empty()) note(changes_, "removed messages[].name");
    for (const Extra& extra : message.extras)
        note(changes_, fmt::format("removed messages[].{}", extra.key));
    return {};
}

base::Result<void> Conversation::add(const Message& message) {
    if (message.role == Message::Role::system) return blocks(message, system_);
    Turn turn{.user = message.role == Message::Role::user};
    if (auto made = blocks(message, turn.blocks); !made) return made;
    if (turn.blocks.empty()) return {};
    if (!turns_.empty() && turns_.back().user == turn.user) {
        std::ranges::move(turn.blocks, std::back_inserter(turns_.back().blocks));
        return {};
    }
    if (turns_.empty() && !turn.user)
        turns_.push_back({.blocks = {{.text = std::string(kContinue)}}});
    turns_.push_back(std::move(turn));
    return {};
}

void Conversation::instruct(std::string text) { system_.push_back({.text = std::move(text)}); }

void Conversation::finish() {
    if (turns_.empty()) {  // nothing but a system prompt: it is what is asked
        turns_.push_back({.blocks = std::exchange(system_, {})});
        if (turns_.back().blocks.empty())
            turns_.back().blocks.push_back({.text = std::string(kContinue)});
    }
    for (Turn& turn : turns_)
        to_front(turn.blocks,
                 [](const Block& block) { return block.kind == Part::Kind::tool_result; });
    std::vector<Block>& last = turns_.back().blocks;
    if (turns_.back().user || last.back().kind != Part::Kind::text) return;
    std::string& text = last.back().text;
    text.erase(text.find_last_not_of(" \t\r\n") + 1);
}

bool Conversation::may_think() const {
    if (!turns_.back().user) return false;  // it goes on with words that are put in its mouth
    const bool after_results = turns_.back().blocks.front().kind == Part::Kind::tool_result;
    if (!after_results || turns_.size() < 2) return true;
    return is_thinking(turns_[turns_.size() - 2].blocks.front().kind);
}

std::string Conversation::str(const Block& block) {
    if (block.kind != Part::Kind::text) return block.json;
    return fmt::format(R"({{"type":"text","text":{}{}}})", json::quote(block.text), block.more);
}

std::string Conversation::content(const std::vector<Block>& blocks) {
    const Block& first = blocks.front();
    if (blocks.size() == 1 && first.kind == Part::Kind::text && first.more.empty())
        return json::quote(first.text);
    std::string out = "[";
    for (const Block& block : blocks) out += (out.size() > 1 ? "," : "") + str(block);
    return out + ']';
}

std::string Conversation::system() const {
    if (system_.empty()) return {};
    std::string text;
    for (const Block& block : system_) {
        if (block.kind != Part::Kind::text || !block.more.empty()) return content(system_);
        text += (text.empty() ? "" : "\n\n") + block.text;
    }
    return json::quote(text);
}

std::string Conversation::messages() const {
    std::string out = "[";
    for (const Turn& turn : turns_)
        out += fmt::format(R"({}{{"role":"{}","content":{}}})", out.size() > 1 ? "," : "",
                           turn.user ? "user" : "assistant", content(turn.blocks));
    return out + ']';
}

}  // namespace llm::anthropic
