#pragma once

#include "gateway/errors.h"
#include "gateway/job.h"

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace gateway {

/// What one request wants of the cache of answers.
struct CacheUse {
    std::string key;              ///< of its question, see question_key()
    bool read = true;             ///< an answer that is kept will do
    bool write = true;            ///< its answer may be kept
    std::int64_t not_before = 0;  ///< epoch seconds: an older answer will not do
    std::int64_t ttl = 0;         ///< seconds
};

/// LiteLLM's `cache` member of a request.
struct CacheWishes {
    std::optional<bool> use;           ///< use-cache
    bool no_cache = false;             ///< don't read
    bool no_store = false;             ///< don't write
    std::optional<double> ttl;         ///< seconds
    std::optional<double> newest_age;  ///< s-maxage, seconds
    std::optional<std::string> space;  ///< namespace
};
/// bad_input for an unknown or wrong member.
base::Result<CacheWishes> read_cache_wishes(std::string_view json);

/// SHA-256 of everything that makes an answer: the client's protocol, the alias and how its own
/// targets are reached, the namespace, the headers that go along, and the request without what
/// does not change the answer.
std::string question_key(const config::Catalog& catalog, const config::Alias& alias,
                         std::string_view asked, std::string_view space, const Question& question);

/// Works out whether the request uses the cache (`session.cache`). The error is the client's.
std::expected<void, ClientError> open_cache(Session& session);

/// Answers with what is kept. False: nothing fits, somebody has to be asked.
net::Task<bool> answer_from_cache(Session& session);

/// Keeps an answer that the client got whole from `target`, where the request allows it.
void keep_answer(Session& session, const config::Target& target, std::string body);

}  // namespace gateway
