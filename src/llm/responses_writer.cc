#include "llm/responses_writer.h"

#include "llm/json.h"
#include "llm/responses_ids.h"
#include "llm/translate.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {
namespace {

using std::string_view;

/// Whether the client's tool of this name takes free text.
bool takes_text(const ChatRequest& request, string_view name) {
    const Member* member = request.find("tools");
    const string_view tools = member ? request.text(member->value) : string_view();
    json::Cursor in(tools);
    if (!tools.starts_with('[') || !in.enter_array()) return false;
    while (in.next_element()) {
        const string_view tool = in.value();
        if (json::member(tool, "type") == "\"custom\"" &&
            json::text(json::member(tool, "name")) == name)
            return true;
    }
    return false;
}

/// The free text in the arguments of such a tool.
std::string free_text(const std::string& arguments) {
    return json::text(json::member(arguments, "input")).value_or(arguments);
}

constexpr string_view kSummaryPart =
    R"("summary_index":0,"part":{{"type":"summary_text","text":{}}})";

}  // namespace

ResponsesWriter::ResponsesWriter(const ChatRequest& request, string_view alias, base::WallTime now)
    : request_(request), object_(request, alias), now_(now) {}

void ResponsesWriter::event(string_view type, const std::string& members) {
    out_ += response_event(type, sequence_++, members);
}

std::string ResponsesWriter::at(std::size_t index) const {
    return fmt::format(R"("item_id":"{}","output_index":{},)", items_[index].id, index);
}

void ResponsesWriter::start(string_view id, std::uint64_t created) {
    if (!made_of_.empty()) return;
    made_of_ = request_.answer_id;
    if (made_of_.empty())
        made_of_ = made_up_id(fmt::format("{}{}", id, now_.time_since_epoch().count()), "");
    created_ = created ? created : unix_seconds(now_);
    const std::string response = "\"response\":" + object_.json(our_id("resp", made_of_), created_,
                                                                {.status = "in_progress"});
    event("response.created", response);
    event("response.in_progress", response);
}

std::string ResponsesWriter::json(const Content& content) {
    if (content.type == "refusal")
        return fmt::format(R"({{"type":"refusal","refusal":{}}})", json::quote(content.text));
    return fmt::format(R"({{"type":"output_text","annotations":[{}],"logprobs":[],"text":{}}})",
                       content.annotations, json::quote(content.text));
}

std::string ResponsesWriter::json(const Item& item, string_view status) const {
    const std::string id = json::quote(item.id);
    switch (item.kind) {
        case Kind::reasoning: {
            std::string out = fmt::format(R"({{"id":{},"type":"reasoning","summary":[)", id);
            if (!item.text.empty())
                out +=
                    fmt::format(R"({{"type":"summary_text","text":{}}})", json::quote(item.text));
            out += ']';
            if (!item.encrypted.empty())
                out += ",\"encrypted_content\":" + json::quote(item.encrypted);
            return out + fmt::format(R"(,"status":"{}"}})", status);
        }
        case Kind::message: {
            std::string content;
            for (const Content& one : item.content)
                content += (content.empty() ? "" : ",") + json(one);
            return fmt::format(
                R"({{"id":{},"type":"message","role":"assistant","status":"{}","content":[{}]}})",
                id, status, content);
        }
        case Kind::custom_call:
            return fmt::format(
                R"({{"id":{},"type":"custom_tool_call","call_id":{},"name":{},"input":{}}})", id,
                json::quote(item.call_id), json::quote(item.name),
                json::quote(free_text(item.text)));
        case Kind::function_call: break;
    }
    return fmt::format(
        R"({{"id":{},"type":"function_call","status":"{}","call_id":{},"name":{},"arguments":{}}})",
        id, status, json::quote(item.call_id), json::quote(item.name), json::quote(item.text));
}

std::string ResponsesWriter::output(string_view status_of_open) const {
    std::string out;
    for (const Item& item : items_)
        out += (out.empty() ? "" : ",") + json(item, item.open ? status_of_open : "completed");
    return out;
}

bool ResponsesWriter::is_open(Kind kind) const {
    return !items_.empty() && items_.back().open && items_.back().kind == kind;
}

/// Begins an item: what is open before it ends, calls apart.
std::size_t ResponsesWriter::begin(Item item) {
    start({}, 0);
    close_last();
    const std::size_t index = items_.size();
    constexpr string_view kPrefixes[] = {"rs", "msg", "fc", "ctc"};
    item.id = our_id(kPrefixes[static_cast<std::size_t>(item.kind)],
                     fmt::format("{}_{}", made_of_, index));
    items_.push_back(std::move(item));
    event("response.output_item.added",
          fmt::format(R"("output_index":{},"item":{})", index, json(items_.back(), "in_progress")));
    return index;
}

void ResponsesWriter::close_last() {
    if (is_open(Kind::reasoning) || is_open(Kind::message)) close(items_.size() - 1, "completed");
}

void ResponsesWriter::words(string_view type, string_view piece) {
    if (!is_open(Kind::message)) begin({.kind = Kind::message});
    const std::size_t index = items_.size() - 1;
    std::vector<Content>& content = items_[index].content;
    if (content.empty() || content.back().type != type) {
        if (!content.empty()) close_content(index);
        content.push_back({.type = type});
        event("response.content_part.added",
              at(index) + fmt::format(R"("content_index":{},"part":{})", content.size() - 1,
                                      json(content.back())));
    }
    content.back().text += piece;
    event(fmt::format("response.{}.delta", type),
          at(index) + fmt::format(R"("content_index":{},"delta":{}{})", content.size() - 1,
                                  json::quote(piece),
                                  type == "output_text" ? ",\"logprobs\":[]" : ""));
}

void ResponsesWriter::close_content(std::size_t index) {
    const std::vector<Content>& content = items_[index].content;
    const Content& last = content.back();
    const bool refused = last.type == "refusal";
    const std::string where = at(index) + fmt::format(R"("content_index":{},)", content.size() - 1);
    event(fmt::format("response.{}.done", last.type),
          where + (refused ? "\"refusal\":" : R"("logprobs":[],"text":)") + json::quote(last.text));
    event("response.content_part.done", where + "\"part\":" + json(last));
}

void ResponsesWriter::thinking(string_view piece) {
    if (!is_open(Kind::reasoning)) begin({.kind = Kind::reasoning});
    const std::size_t index = items_.size() - 1;
    if (items_[index].text.empty())
        event("response.reasoning_summary_part.added",
              at(index) + fmt::format(kSummaryPart, "\"\""));
    items_[index].text += piece;
    event("response.reasoning_summary_text.delta",
          at(index) + R"("summary_index":0,"delta":)" + json::quote(piece));
}

void ResponsesWriter::close_reasoning(std::size_t index) {
    if (items_[index].text.empty()) return;
    const std::string text = json::quote(items_[index].text);
    event("response.reasoning_summary_text.done",
          at(index) + R"("summary_index":0,"text":)" + text);
    event("response.reasoning_summary_part.done", at(index) + fmt::format(kSummaryPart, text));
}

void ResponsesWriter::signature(string_view signature) {
    if (!is_open(Kind::reasoning)) begin({.kind = Kind::reasoning});
    items_.back().encrypted = std::string(kSigned) += signature;
    close_last();
}

void ResponsesWriter::redacted_thinking(string_view data) {
    begin({.kind = Kind::reasoning});
    items_.back().encrypted = std::string(kRedacted) += data;
    close_last();
}

void ResponsesWriter::tool_call(string_view id, string_view name) {
    const Kind kind = takes_text(request_, name) ? Kind::custom_call : Kind::function_call;
    calls_.push_back(begin({.kind = kind, .call_id = std::string(id), .name = std::string(name)}));
}

void ResponsesWriter::arguments(std::size_t call, string_view fragment) {
    if (call >= calls_.size()) return;
    const std::size_t index = calls_[call];
    items_[index].text += fragment;
    if (items_[index].kind == Kind::function_call)
        event("response.function_call_arguments.delta",
              at(index) + "\"delta\":" + json::quote(fragment));
}

/// The text of a call of a custom tool is known once its arguments are whole.
void ResponsesWriter::close_call(std::size_t index) {
    const Item& item = items_[index];
    if (item.kind == Kind::custom_call) {
        const std::string input = json::quote(free_text(item.text));
        event("response.custom_tool_call_input.delta", at(index) + "\"delta\":" + input);
        event("response.custom_tool_call_input.done", at(index) + "\"input\":" + input);
        return;
    }
    event("response.function_call_arguments.done",
          at(index) + fmt::format(R"("name":{},"arguments":{})", json::quote(item.name),
                                  json::quote(item.text)));
}

void ResponsesWriter::close(std::size_t index, string_view status) {
    switch (items_[index].kind) {
        case Kind::reasoning: close_reasoning(index); break;
        case Kind::message: close_content(index); break;
        default: close_call(index);
    }
    items_[index].open = status != "completed";
    event("response.output_item.done",
          fmt::format(R"("output_index":{},"item":{})", index, json(items_[index], status)));
}

/// Citations of pages go to the text that is being written.
void ResponsesWriter::extra(string_view key, string_view list) {
    if (key == "service_tier") object_.set_tier(list);
    if (key != "annotations" || !is_open(Kind::message) ||
        items_.back().content.back().type != "output_text")
        return;
    const std::size_t index = items_.size() - 1;
    Content& content = items_[index].content.back();
    std::size_t number = 0;
    json::Cursor in(list);
    if (!list.starts_with('[') || !in.enter_array()) return;
    while (in.next_element()) {
        const string_view citation = json::member(in.value(), "url_citation");
        if (!citation.starts_with('{') || json::blank(citation)) continue;
        std::string annotation = R"({"type":"url_citation",)" + std::string(citation.substr(1));
        std::ranges::replace(annotation, '\n', ' ');
        content.annotations += (content.annotations.empty() ? "" : ",") + annotation;
        event("response.output_text.annotation.added",
              at(index) + fmt::format(R"("content_index":{},"annotation_index":{},"annotation":{})",
                                      items_[index].content.size() - 1, number++, annotation));
    }
}

void ResponsesWriter::finish(string_view reason, string_view, const Usage& usage) {
    start({}, 0);
    end_sequence_ = sequence_;
    const bool cut = reason == "length";
    const bool whole = !cut && reason != "content_filter";
    for (std::size_t index = 0; index < items_.size(); ++index)
        if (items_[index].open)
            close(index, cut && index + 1 == items_.size() ? "incomplete" : "completed");
    ResponseEnd end{.status = whole ? "completed" : "incomplete",
                    .reason = whole ? "" : (cut ? "max_output_tokens" : "content_filter"),
                    .output = output("incomplete"),
                    .usage = &usage};
    if (whole) end.completed_at = std::max(created_, unix_seconds(now_));
    whole_ = object_.json(our_id("resp", made_of_), created_, end);
    event(fmt::format("response.{}", end.status), "\"response\":" + whole_);
}

/// What is broken after its end was found wanting: nobody has seen that end.
void ResponsesWriter::broken(string_view error) {
    start({}, 0);
    sequence_ = end_sequence_.value_or(sequence_);
    const ResponseEnd end{
        .status = "failed", .error = response_error(error), .output = output("incomplete")};
    event("response.failed",
          "\"response\":" + object_.json(our_id("resp", made_of_), created_, end));
}

}  // namespace llm
