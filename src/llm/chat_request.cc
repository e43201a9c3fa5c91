#include "llm/chat_request.h"

#include "llm/client_dialect.h"
#include "llm/json.h"
#include "llm/request_body.h"
#include "llm/text_document.h"

#include <simdjson.h>
#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace llm {
namespace {

using base::ErrorKind;
using json::Cursor;

/// What an image counts for in prompt_bytes, whatever its encoding weighs:
/// about a thousand tokens.
constexpr std::uint64_t kImageBytes = 4096;
/// What stands around the words of a message, as OpenAI's protocol has it.
constexpr std::uint64_t kMessageBytes = std::string_view(R"({"role":"user","content":""},)").size();

std::unexpected<base::Error> refuse(std::string text) {
    return base::fail(ErrorKind::bad_input, std::move(text));
}

bool is_openai(Endpoint endpoint) {
    return endpoint == Endpoint::chat || endpoint == Endpoint::completion;
}

/// Whether a part of a message is a file that is plain text.
bool is_text_file(std::string_view part) {
    return is_text_url(json::member(part, "file", "file_data"));
}

/// Whether an object has more members than are read one by one.
bool crowded(std::string_view object) {
    Cursor in(object);
    std::string_view key;
    if (!object.starts_with('{') || !in.enter_object()) return false;
    std::size_t members = 0;
    while (members <= kMaxMembers && in.next_member(key) && in.skip()) ++members;
    return members > kMaxMembers;
}

/// Reads the client's object and fills a ChatRequest in passing.
class Reader {
public:
    explicit Reader(ChatRequest& request) : request_(request), in_(request.body) {}

    base::Result<void> read();

private:
    void member(std::string_view key);
    void messages();
    void message();
    void message_member(std::string_view key, std::string_view value);
    void content_parts();
    void part();
    std::size_t offset(std::string_view view) const {
        return static_cast<std::size_t>(view.data() - request_.body.data());
    }

    ChatRequest& request_;
    Cursor in_;
    std::size_t messages_ = 0;
    std::uint64_t image_bytes_ = 0;  ///< bytes of image parts in the body
    std::uint64_t images_ = 0;
    std::string wrong_;  ///< what is wrong with the messages
};

base::Result<void> Reader::read() {
    if (in_.peek() != '{' && in_.peek() != '\0') {
        std::string_view first = std::string_view(request_.body).substr(in_.position());
        return refuse(fmt::format("the body must be a JSON object, not {}", type_name(first)));
    }
    std::string_view key;
    in_.enter_object();
    while (in_.next_member(key)) {
        if (request_.members.size() == kMaxMembers) return too_many_members("the body");
        member(key);
    }
    if (!wrong_.empty()) return refuse(wrong_);
    if (!in_.complete()) return not_json(request_.body, in_.position(), "`model` and `messages`");
    if (!simdjson::validate_utf8(request_.body)) return refuse("the body is not valid UTF-8");
    if (images_ > 0) {
        request_.wants_vision = true;
        request_.prompt_bytes -= std::min(request_.prompt_bytes, image_bytes_);
        request_.prompt_bytes += images_ * kImageBytes;
    }
    return {};
}

void Reader::member(std::string_view key) {
    std::size_t begin = offset(key) - 1;
    std::string name = key.find('\\') == key.npos ? std::string(key) : json::unescape(key);
    in_.peek();
    std::size_t value_begin = in_.position();
    bool is_prompt = name == (request_.endpoint == Endpoint::chat ? "messages" : "prompt");
    if (is_prompt && request_.endpoint == Endpoint::chat && in_.peek() == '[')
        messages();
    else
        in_.skip();
    if (in_.failed() || !wrong_.empty()) return;
    Span value{value_begin, in_.position()};
    if (name == "options" && crowded(request_.text(value))) {
        wrong_ = too_many_members("`options`").error().detail;
        return;
    }
    if (is_prompt) request_.prompt_bytes = value.end - value.begin;
    request_.members.push_back({std::move(name), {begin, value.end}, value});
}

void Reader::messages() {
    in_.enter_array();
    while (in_.next_element()) {
        if (in_.peek() != '{') {
            std::string_view element = in_.value();
            if (in_.failed()) return;
            wrong_ =
                fmt::format("`messages[{}]` must be an object with `role` and `content`, not {}",
                            messages_, type_name(element));
            return;
        }
        message();
        ++messages_;
    }
    if (!in_.failed() && messages_ == 0)
        wrong_ = "`messages` is empty; it needs at least one message";
}

void Reader::message() {
    std::string_view key;
    in_.enter_object();
    while (in_.next_member(key)) {
        if (key == "content" && in_.peek() == '[')
            content_parts();
        else
            message_member(key, in_.value());
    }
}

void Reader::message_member(std::string_view key, std::string_view value) {
    if ((key == "function_call" && !json::blank(value)) ||
        (key == "role" && value == "\"function\""))
        request_.uses_functions = true;
}

void Reader::content_parts() {
    in_.enter_array();
    while (in_.next_element()) {
        if (in_.peek() == '{')
            part();
        else
            in_.skip();
    }
}

void Reader::part() {
    std::size_t begin = in_.position();
    bool image = false;
    bool file = false;
    std::string_view key;
    in_.enter_object();
    while (in_.next_member(key)) {
        std::string_view value = in_.value();
        if (key != "type") continue;
        image = value == "\"image_url\"" || value == "\"input_image\"";
        request_.wants_audio = request_.wants_audio || value == "\"input_audio\"";
        file = value == "\"file\"";
    }
    if (file &&
        !is_text_file(std::string_view(request_.body).substr(begin, in_.position() - begin)))
        request_.wants_documents = true;
    if (!image) return;
    ++images_;
    image_bytes_ += in_.position() - begin;
}

base::Result<void> no_duplicates(const ChatRequest& request) {
    for (std::string_view key : {"model", "stream", "messages", "prompt", "input"}) {
        auto same = [key](const Member& member) { return member.key == key; };
        if (std::ranges::count_if(request.members, same) > 1)
            return refuse(fmt::format("`{}` is given twice; send it once", key));
    }
    return {};
}

base::Result<void> read_model(ChatRequest& request) {
    const Member* member = request.find("model");
    base::Result<std::string> model =
        read_model_name(member ? request.text(member->value) : std::string_view());
    if (!model) return std::unexpected(model.error());
    request.model = std::move(*model);
    return {};
}

base::Result<void> read_stream(ChatRequest& request) {
    request.stream =
        request.endpoint == Endpoint::ollama_chat || request.endpoint == Endpoint::ollama_generate;
    const Member* member = request.find("stream");
    if (!member) return {};
    std::string_view value = request.text(member->value);
    if (value == "null") return {};
    std::optional<bool> stream = json::boolean(value);
    if (!stream)
        return refuse(fmt::format("`stream` must be true or false, not {}", type_name(value)));
    request.stream = *stream;
    return {};
}

base::Result<void> check_prompt(const ChatRequest& request) {
    if (!is_openai(request.endpoint)) return {};
    std::string_view key = request.endpoint == Endpoint::chat ? "messages" : "prompt";
    const Member* member = request.find(key);
    if (!member) return refuse(fmt::format("`{}` is missing", key));
    std::string_view value = request.text(member->value);
    if (request.endpoint == Endpoint::chat && value.front() != '[')
        return refuse(
            fmt::format("`messages` must be an array of messages, not {}", type_name(value)));
    if (request.endpoint == Endpoint::completion && value.front() != '[' && value.front() != '"')
        return refuse(
            fmt::format("`prompt` must be a string or an array, not {}", type_name(value)));
    return {};
}

void read_wishes(ChatRequest& request) {
    auto value = [&request](std::string_view key) {
        const Member* member = request.find(key);
        return member ? request.text(member->value) : std::string_view();
    };
    auto filled_array = [](std::string_view text) {
        return text.starts_with('[') && !json::blank(text);
    };
    request.include_usage = json::member(value("stream_options"), "include_usage") == "true";
    if (filled_array(value("functions"))) request.uses_functions = true;
    request.wants_tools = filled_array(value("tools")) || filled_array(value("functions"));
    request.wants_json_schema = json::member(value("response_format"), "type") == "\"json_schema\"";
    request.max_tokens = json::count(value("max_completion_tokens"));
    if (!request.max_tokens) request.max_tokens = json::count(value("max_tokens"));
    request.choices = json::count(value("n")).value_or(1);
}

/// Counts what the parts of a conversation weigh and need.
void weigh(ChatRequest& request, const std::vector<Part>& parts) {
    for (const Part& part : parts) {
        request.prompt_bytes += part.text.size() + part.json.size();
        request.wants_audio = request.wants_audio || part.kind == Part::Kind::audio;
        const bool image = part.kind == Part::Kind::image;
        const bool file = part.kind == Part::Kind::document && part.text.empty();
        request.wants_vision = request.wants_vision || image;
        request.wants_documents = request.wants_documents || file;
        if (image) request.prompt_bytes += kImageBytes;
        if (file) request.prompt_bytes += part.data.size() / 2;
        weigh(request, part.parts);
    }
}

/// The same wishes, of a request in another protocol than OpenAI's.
base::Result<void> read_canonical(ChatRequest& request) {
    const base::Result<Chat>& chat = canonical(request);
    if (!chat && chat.error().kind == ErrorKind::unsupported) {  // but for its own protocol
        request.prompt_bytes = request.body.size();
        return {};
    }
    if (!chat) return std::unexpected(chat.error());
    auto value = [&chat](std::string_view key) {
        const Extra* extra = chat->find(key);
        return extra ? std::string_view(extra->json) : std::string_view();
    };
    for (const Message& message : chat->messages) {
        request.prompt_bytes += kMessageBytes;
        weigh(request, message.parts);
    }
    for (const Tool& tool : chat->tools)
        request.prompt_bytes += tool.schema.size() + tool.description.size();
    request.wants_tools = !chat->tools.empty();
    request.wants_json_schema = json::member(value("response_format"), "type") == "\"json_schema\"";
    request.max_tokens = json::count(value("max_completion_tokens"));
    if (!request.max_tokens) request.max_tokens = json::count(value("max_tokens"));
    return {};
}

}  // namespace

base::Result<ChatRequest> parse_chat(std::string body, Endpoint endpoint) {
    ChatRequest request;
    request.endpoint = endpoint;
    request.body = std::move(body);
    request.members.reserve(16);
    if (base::Result<void> read = Reader(request).read(); !read)
        return std::unexpected(read.error());
    for (auto check :
         {no_duplicates(request), read_model(request), read_stream(request), check_prompt(request)})
        if (!check) return std::unexpected(check.error());
    if (is_openai(endpoint))
        read_wishes(request);
    else if (auto read = read_canonical(request); !read)
        return std::unexpected(read.error());
    return request;
}

const base::Result<Chat>& canonical(const ChatRequest& request) {
    if (!request.chat)
        request.chat = std::make_shared<const base::Result<Chat>>(
            client_dialect(request.endpoint).read(request));
    return *request.chat;
}

}  // namespace llm
