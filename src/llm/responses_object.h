#pragma once

#include "llm/chat_request.h"
#include "llm/usage.h"

#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// What a Response object says about its end.
struct ResponseEnd {
    std::string_view status;    ///< in_progress, completed, incomplete, failed
    std::string_view reason{};  ///< of incomplete: max_output_tokens, content_filter
    std::string error{};        ///< of failed: {"code","message"}
    std::string output{};       ///< the items, with commas between
    const Usage* usage = nullptr;
    std::uint64_t completed_at = 0;  ///< unix seconds; 0: not completed
};

/// The Response object of one answer. The members that repeat the request are worked out once.
class ResponseObject {
public:
    ResponseObject(const ChatRequest& request, std::string_view alias);
    /// `id` is the whole id, `created` unix seconds.
    std::string json(std::string_view id, std::uint64_t created, const ResponseEnd& end) const;
    /// The service_tier, as JSON, that served; until then the one that was asked for is told.
    void set_tier(std::string_view tier);

private:
    std::string echo_;
};

/// The `error` of a failed Response, out of OpenAI's error body.
std::string response_error(std::string_view error);
/// An event of a stream of Responses; `members` follow its type and number.
std::string response_event(std::string_view type, std::uint64_t sequence, std::string_view members);

/// Usage in Responses' names.
std::string responses_usage_json(const Usage& usage);
/// The same the other way round; anything but an object is unknown usage.
Usage read_responses_usage(std::string_view usage);

}  // namespace llm
