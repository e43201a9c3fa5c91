#include "llm/text_document.h"

#include "base/base64.h"
#include "llm/json.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <string>

namespace llm {
namespace {

using std::string_view;

constexpr auto kTextTypes = std::to_array<string_view>(
    {"application/json", "application/jsonl", "application/x-ndjson", "application/csv",
     "application/markdown", "application/xml", "application/yaml", "application/x-yaml",
     "application/toml", "application/javascript", "application/sql"});

constexpr string_view kScheme = "data:";
/// A data: URL's type stands within this.
constexpr std::size_t kLongestHead = 256;

}  // namespace

bool is_text_type(string_view media_type) {
    std::string type(media_type.substr(0, media_type.find(';')));
    for (char& c : type)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return type.starts_with("text/") || type.ends_with("+json") || type.ends_with("+xml") ||
           std::ranges::find(kTextTypes, type) != kTextTypes.end();
}

bool is_text_url(string_view url) {
    const string_view head = url.substr(0, kLongestHead);
    const std::size_t comma = head.find(',');
    if (!head.starts_with('"') || comma == head.npos) return false;
    const std::string plain = json::unescape(head.substr(1, comma - 1));
    return plain.starts_with(kScheme) && is_text_type(string_view(plain).substr(kScheme.size()));
}

void read_as_text(Part& part) {
    if (part.kind != Part::Kind::document || !is_text_type(part.media_type)) return;
    auto text = base::unbase64(part.data);
    if (!text || text->empty() || !simdjson::validate_utf8(*text)) return;
    part.text = *std::move(text);
    part.data.clear();
    part.media_type = "text/plain";
}

}  // namespace llm
