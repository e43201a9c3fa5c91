#include "llm/complaint.h"

#include "base/units.h"
#include "llm/json.h"

#include <algorithm>
#include <cctype>

namespace llm {
namespace {

using std::string_view;

/// More of an error body is not looked at.
constexpr std::size_t kLongestBody = 64u << 10;

/// A string's text, a number's digits; nothing for the rest.
std::string scalar(string_view value) {
    if (std::optional<std::string> text = json::text(value)) return *text;
    bool is_number = !value.empty() && (value[0] == '-' || (value[0] >= '0' && value[0] <= '9'));
    return std::string(is_number ? value : string_view());
}

void set(std::string& field, string_view value) {
    if (field.empty()) field = scalar(value);
}

/// FastAPI and Mistral: `[{"type","loc":[…],"msg"}]`. The last of `loc` names the member.
void read_details(Complaint& c, string_view array) {
    json::Cursor in(array);
    if (!in.enter_array() || !in.next_element()) return;
    string_view first = in.value();
    if (!first.starts_with('{')) {
        set(c.message, first);
        return;
    }
    set(c.code, json::member(first, "type"));
    set(c.message, json::member(first, "msg"));
    string_view place = json::member(first, "loc");
    json::Cursor path(place);
    if (!place.starts_with('[') || !path.enter_array()) return;
    while (path.next_element()) c.param = scalar(path.value());
}

void read_message(Complaint& c, string_view value) {
    if (value.starts_with('[')) return read_details(c, value);
    if (!value.starts_with('{')) return set(c.message, value);
    if (string_view detail = json::member(value, "detail"); detail.starts_with('['))
        return read_details(c, detail);
    set(c.message, json::member(value, "message"));
    if (c.message.empty()) c.message = std::string(value);
}

void read_metadata(Complaint& c, string_view metadata) {
    set(c.raw, json::member(metadata, "raw"));
    if (c.raw.empty() && json::member(metadata, "raw").starts_with('{'))
        c.raw = std::string(json::member(metadata, "raw"));
    set(c.provider_name, json::member(metadata, "provider_name"));
    set(c.limit_source, json::member(metadata, "limit_source"));
    set(c.type, json::member(metadata, "error_type"));
    set(c.limit, json::member(metadata, "headers", "X-RateLimit-Limit"));
    set(c.reset, json::member(metadata, "headers", "X-RateLimit-Reset"));
    set(c.retry_after, json::member(metadata, "retry_after_seconds"));
    c.moderated = !json::blank(json::member(metadata, "reasons")) ||
                  !json::blank(json::member(metadata, "flagged_input"));
}

void read_status(Complaint& c, string_view value) {
    std::optional<std::uint64_t> status = json::count(value);
    if (c.status < 300 && status && *status >= 300 && *status < 600)
        c.status = static_cast<int>(*status);
}

void read_fields(Complaint& c, string_view object) {
    json::Cursor in(object);
    string_view key;
    if (!in.enter_object()) return;
    while (in.next_member(key)) {
        string_view value = in.value();
        if (key == "message")
            read_message(c, value);
        else if (key == "type")
            set(c.type, value);
        else if (key == "code") {
            set(c.code, value);
            read_status(c, value);
            if (std::optional<std::string> digits = json::text(value)) read_status(c, *digits);
        } else if (key == "param")
            set(c.param, value);
        else if (key == "status_code" || key == "raw_status_code" || key == "status")
            read_status(c, value);
        else if (key == "metadata")
            read_metadata(c, value);
        else if (key == "error_type")
            set(c.type, value);
        else if (key == "availability")
            set(c.retry_after, json::member(value, "retry_after"));
        else if (key == "estimated_time")
            set(c.retry_after, value);
        else if (key == "detail")
            read_message(c, value);
    }
}

void read_object(Complaint& c, string_view body) {
    string_view error = json::member(body, "error");
    if (error.starts_with('{'))
        read_fields(c, error);
    else if (error.starts_with('"'))
        set(c.message, error);
    else if (error.starts_with('['))
        read_details(c, error);
    bool wrapped = error.starts_with('{');
    std::string type = c.type;
    read_fields(c, body);
    // Anthropic's wrapper is `{"type":"error",…}`: its type says nothing.
    if (wrapped && (c.type == "error" || !type.empty())) c.type = type;
    if (c.type == "error") c.type.clear();
}

/// A page's title or first heading, else its text without tags.
std::string page_text(string_view page) {
    for (string_view tag : {"<title>", "<h1>"}) {
        std::size_t begin = page.find(tag);
        if (begin == page.npos) continue;
        begin += tag.size();
        std::size_t end = page.find('<', begin);
        if (end != page.npos && end > begin)
            return std::string(base::trim(page.substr(begin, end - begin)));
    }
    return "an HTML page";
}

std::string lower(string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

}  // namespace

Complaint read_complaint(int status, string_view body) {
    Complaint c;
    c.status = status;
    string_view text = base::trim(body.substr(0, kLongestBody));
    if (text.starts_with('[')) {
        json::Cursor in(text);
        if (in.enter_array() && in.next_element()) text = in.value();
    }
    if (text.starts_with('{')) read_object(c, text);
    c.html = base::icontains(text.substr(0, 256), "<html") ||
             base::icontains(text.substr(0, 64), "<!doctype");
    if (c.html)
        c.message = page_text(text);
    else if (c.message.empty() && !text.starts_with('{'))
        c.message = std::string(text.substr(0, 2048));
    if (c.message.empty() && !c.raw.empty()) c.message = c.raw;
    c.text = lower(c.message + '\n' + c.raw + '\n' + c.type + '\n' + c.code);
    return c;
}

}  // namespace llm
