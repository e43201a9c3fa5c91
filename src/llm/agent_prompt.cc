#include "llm/agent_prompt.h"

#include "llm/chat_request.h"

#include <fmt/format.h>

namespace llm {
namespace {

using Role = Message::Role;

base::Result<std::string> told(const std::vector<Part>& parts) {
    std::string out;
    for (const Part& part : parts) {
        std::string piece;
        switch (part.kind) {
            case Part::Kind::text:
            case Part::Kind::refusal: piece = part.text; break;
            case Part::Kind::tool_call:
                piece = fmt::format("[called {} with {}]", part.name, part.json);
                break;
            case Part::Kind::tool_result: {
                auto inner = told(part.parts);
                if (!inner) return inner;
                piece = fmt::format("[it gave: {}]", part.text.empty() ? *inner : part.text);
                break;
            }
            case Part::Kind::document: piece = part.text; break;
            case Part::Kind::thinking:
            case Part::Kind::redacted_thinking: continue;
            case Part::Kind::image:
            case Part::Kind::audio: break;
        }
        if (piece.empty() && part.kind != Part::Kind::text)
            return base::fail(base::ErrorKind::unsupported,
                              "an agent's command line takes texts, no pictures and no sound");
        if (!out.empty() && !piece.empty()) out += '\n';
        out += piece;
    }
    return out;
}

std::string conversation(const std::vector<std::pair<Role, std::string>>& turns) {
    std::string out = "This is a conversation so far:\n\n";
    for (std::size_t i = 0; i + 1 < turns.size(); ++i) {
        const std::string_view who = turns[i].first == Role::assistant ? "assistant" : "user";
        out += fmt::format("<{0}>\n{1}\n</{0}>\n\n", who, turns[i].second);
    }
    return out + "Go on with it. The last message, to which you reply, is:\n\n" +
           turns.back().second;
}

}  // namespace

base::Result<AgentPrompt> agent_prompt(std::string_view body) {
    auto request = parse_chat(std::string(body), Endpoint::chat);
    if (!request) return std::unexpected(request.error());
    const base::Result<Chat>& chat = canonical(*request);
    if (!chat) return std::unexpected(chat.error());
    AgentPrompt prompt;
    std::vector<std::pair<Role, std::string>> turns;
    for (const Message& message : chat->messages) {
        auto text = told(message.parts);
        if (!text) return std::unexpected(text.error());
        if (message.role == Role::system)
            prompt.system += (prompt.system.empty() ? "" : "\n\n") + *text;
        else
            turns.emplace_back(message.role, std::move(*text));
    }
    if (turns.empty())
        return base::fail(base::ErrorKind::unsupported, "there is no user's message to act on");
    prompt.text = turns.size() == 1 ? std::move(turns.front().second) : conversation(turns);
    return prompt;
}

}  // namespace llm
