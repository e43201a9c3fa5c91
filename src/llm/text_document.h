#pragma once

#include "llm/chat.h"

#include <string_view>

namespace llm {

/// Whether what is of this media type is plain text: text/*, JSON, CSV, Markdown, XML and the
/// like.
bool is_text_type(std::string_view media_type);

/// Whether `url`, a JSON string, is a data: URL of plain text. Its data is not looked at.
bool is_text_url(std::string_view url);

/// A document whose data is plain text in UTF-8 becomes that text.
void read_as_text(Part& part);

}  // namespace llm
