#pragma once

#include "base/result.h"
#include "config/catalog.h"

#include <string_view>

namespace config {

/// Takes `http(s)://host[:port][/path]` apart. Credentials, a query and a
/// fragment are refused. The detail of an error never repeats the text.
base::Result<BaseUrl> parse_base_url(std::string_view text);

/// A base as LiteLLM files write it: a trailing slash, or the path of the
/// endpoint itself (`…/v1/chat/completions`), is taken off.
base::Result<BaseUrl> parse_api_base(std::string_view text, base::Provider provider);

}  // namespace config
