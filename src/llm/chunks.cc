#include "llm/chunks.h"

#include "llm/json.h"
#include "llm/usage_json.h"

#include <algorithm>

#include <fmt/format.h>

namespace llm {

void make_one_line(std::string& text, std::size_t from) {
    const auto begin = text.begin() + static_cast<std::ptrdiff_t>(from);
    std::replace_if(begin, text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
}

ChunkWriter::ChunkWriter(std::string_view id, std::string_view created, std::string_view alias,
                         std::string_view object)
    : head_(fmt::format(R"(data: {{"id":{},"object":"{}","created":{},"model":{})",
                        id.empty() ? "\"chatcmpl-freeway\"" : id, object,
                        created.empty() ? "0" : created, json::quote(alias))) {}

void ChunkWriter::role(std::string& out) const {
    delta(out, R"({"role":"assistant","content":""})");
}

void ChunkWriter::content(std::string& out, std::string_view text) const {
    delta(out, fmt::format(R"({{"content":{}}})", json::quote(text)));
}

void ChunkWriter::reasoning(std::string& out, std::string_view text) const {
    delta(out, fmt::format(R"({{"reasoning_content":{}}})", json::quote(text)));
}

void ChunkWriter::delta(std::string& out, std::string_view object, std::size_t index) const {
    const std::size_t begin = out.size();
    fmt::format_to(std::back_inserter(out),
                   "{},\"choices\":[{{\"index\":{},\"delta\":{},\"finish_reason\":null}}]}}", head_,
                   index, object);
    make_one_line(out, begin);
    out += "\n\n";
}

void ChunkWriter::finish(std::string& out, std::string_view reason, std::size_t index) const {
    fmt::format_to(std::back_inserter(out),
                   "{},\"choices\":[{{\"index\":{},\"delta\":{{}},\"finish_reason\":{}}}]}}\n\n",
                   head_, index, json::quote(reason));
}

void ChunkWriter::usage(std::string& out, const Usage& usage) const {
    fmt::format_to(std::back_inserter(out), "{},\"choices\":[],\"usage\":{}}}\n\n", head_,
                   usage_json(usage));
}

}  // namespace llm
