#pragma once

#include "llm/client_dialect.h"
#include "llm/responses_object.h"

#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// Writes an answer as the events of a Response. Thoughts, words and calls are items of their
/// own, numbered in the order in which they begin; calls of tools stay open side by side until
/// the end, everything else until something else begins.
class ResponsesWriter : public AnswerWriter {
public:
    ResponsesWriter(const ChatRequest& request, std::string_view alias, base::WallTime now);

    void start(std::string_view id, std::uint64_t created) override;
    void text(std::string_view piece) override { words("output_text", piece); }
    void refusal(std::string_view piece) override { words("refusal", piece); }
    void thinking(std::string_view piece) override;
    void signature(std::string_view signature) override;
    void redacted_thinking(std::string_view data) override;
    void tool_call(std::string_view id, std::string_view name) override;
    void arguments(std::size_t call, std::string_view fragment) override;
    void extra(std::string_view key, std::string_view json) override;
    void finish(std::string_view reason, std::string_view stop_sequence,
                const Usage& usage) override;
    void ping() override { out_ += ": ping\n\n"; }
    void broken(std::string_view error) override;
    std::string_view whole() const override { return whole_; }

private:
    enum class Kind { reasoning, message, function_call, custom_call };
    struct Content {
        std::string_view type;  ///< output_text or refusal
        std::string text{};
        std::string annotations{};
    };
    struct Item {
        Kind kind;
        std::string id{};
        std::string call_id{};
        std::string name{};
        std::string text{};       ///< thoughts; arguments of a call
        std::string encrypted{};  ///< of reasoning
        std::vector<Content> content{};
        bool open = true;
    };

    void event(std::string_view type, const std::string& members);
    std::string at(std::size_t index) const;
    std::string json(const Item& item, std::string_view status) const;
    static std::string json(const Content& content);
    std::size_t begin(Item item);
    void words(std::string_view type, std::string_view piece);
    void close_content(std::size_t index);
    void close_reasoning(std::size_t index);
    void close_call(std::size_t index);
    void close(std::size_t index, std::string_view status);
    void close_last();
    bool is_open(Kind kind) const;
    std::string output(std::string_view status_of_open) const;

    const ChatRequest& request_;
    ResponseObject object_;
    base::WallTime now_;
    std::string made_of_;  ///< what the ids are made of; empty: not started
    std::uint64_t created_ = 0;
    std::uint64_t sequence_ = 0;
    std::optional<std::uint64_t> end_sequence_;  ///< at which its end begins
    std::vector<Item> items_;
    std::vector<std::size_t> calls_;  ///< where each call stands in the items
    std::string whole_;
};

}  // namespace llm
