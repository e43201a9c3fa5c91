#pragma once

#include "llm/complaint.h"
#include "llm/http.h"
#include "llm/outcome.h"

#include <span>
#include <string_view>

namespace llm {

/// One refusal, as every rule sees it.
struct Case {
    const Complaint& complaint;
    const Reply& reply;  ///< no headers where the error came inside a 200
    base::WallTime now;
};

/// A line of a classifying table: a status range, and a word in message, type or
/// code (lower case; empty: whatever it says). The first line that matches wins.
struct Rule {
    int from;
    int to;
    std::string_view says;
    Outcome outcome;
    Scope scope;
    int back_in_seconds = 0;  ///< 0: not known
};

/// True if a line matched; then `failure` has its outcome, scope and return.
bool apply(std::span<const Rule> rules, const Complaint& complaint, Failure& failure);

/// rate_limited for a minute or no window, exhausted for hour, day and month.
void set_window(Failure& failure, Window window);

/// What is true of everybody's "Rate limit reached … on AXIS: Limit L, Used U,
/// Requested R. Please try again in T." (Groq, OpenAI). False: no such text.
bool bucket_refusal(const Case& refusal, Failure& failure);

}  // namespace llm
