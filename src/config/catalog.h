#pragma once

#include "base/clock.h"
#include "base/ip_range.h"
#include "base/provider.h"
#include "base/secret.h"
#include "config/failure_counts.h"
#include "config/prices.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

enum class Tier { free, flat, paid, local };
enum class Mode {
    chat,
    completion,
    embedding,
    rerank,
    image_generation,
    audio_transcription,
    audio_speech,
    other,  ///< a LiteLLM mode that we list but do not serve
};
std::string_view name(Tier tier);
std::string_view name(Mode mode);

/// What a model can do. `stated` is false for a file that says nothing (a bare
/// LiteLLM config): then nothing is refused for lack of a capability.
struct Capabilities {
    bool stated = false;
    bool streaming = true;
    bool tools = false;
    bool vision = false;
    bool audio_input = false;
    bool documents = false;  ///< reads files such as PDF
    bool reasoning = false;
    bool reasoning_stated = false;  ///< the file says whether it reasons, or lists what it can
    bool json_schema = false;
    bool diarization = false;
    bool agent = false;  ///< runs commands, writes files: has side effects
    /// Goes on with an assistant's message that it is given last; absent: as its provider does.
    std::optional<bool> prefill{};
    bool operator==(const Capabilities&) const = default;
};

/// A quota as design section 7 writes it.
struct Limit {
    std::string metric;           ///< requests, tokens, input_tokens, …, usd, concurrency
    std::string window;           ///< minute, hour, day, month, 5h, 7d, 30s
    std::optional<double> limit;  ///< absent (`null`): unknown until the provider says it
    std::string reset;  ///< token_bucket, rolling, fixed, calendar_month, first_use, lifetime
    std::string scope;  ///< target, model, account, pool, provider
    std::string pool;
    std::string time_zone = "UTC";
    std::string failures = "answered";  ///< which failed calls count: answered, all, none
    bool cached = true;                 ///< cached prompt tokens count
    bool advisory = false;
};

/// A base URL, taken apart once at load time.
struct BaseUrl {
    bool tls = false;
    std::string host;
    std::uint16_t port = 80;
    std::string path;  ///< without trailing slash: "" or "/v1"
    std::string text() const;
};

/// A child process of ours that serves a target (llama-server, sd-server, …).
struct Engine {
    std::vector<std::string> command;
    std::string ready = "/health";
    base::Duration ttl{600'000};  ///< idle time before it is stopped; 0: never
    base::Duration start_timeout{120'000};
    std::uint16_t port = 0;         ///< 0: a free one at each start
    std::string models = "models";  ///< folder below the data folder for what it names by URL
    std::string exclusive{};        ///< one of those with the same word at a time; empty: none
    bool kill_on_hangup = false;    ///< closing the connection does not end its work
};

/// Which agent answers: as a box over HTTP, or as its command line, which we run.
enum class AgentKind { none, claudebox, pibox };
std::string_view name(AgentKind kind);

/// An agent's command line on this machine, in place of a box.
struct NativeAgent {
    std::string command;  ///< program: a name on the PATH or a path
    std::vector<std::pair<std::string, base::Secret>> environment;  ///< its own credentials
    int most_processes = 256;                                       ///< of one run, at one time
    std::size_t most_output = 256u << 20;  ///< bytes that one run may print
};

/// Whether an alias's answers are kept and given again to who asks the same.
struct CacheChoice {
    bool on = true;
    std::optional<base::Duration> ttl;  ///< absent: that of CacheSettings
};

/// The cache of whole answers, for all aliases.
struct CacheSettings {
    bool on = false;          ///< for every alias that does not say otherwise
    bool by_request = false;  ///< mode: default_off: only for a request that asks for it
    base::Duration ttl{3'600'000};
    std::string space;                    ///< namespace: parts what is kept
    std::vector<std::string> call_types;  ///< LiteLLM's names of what is kept; empty: all
    std::size_t max_bytes = 64u << 20;
    bool on_disk = true;  ///< also in the store, so that it outlives the process
};

/// How a device is shared by the models that run on it.
struct DeviceSettings {
    std::optional<std::uint64_t> memory;  ///< bytes; absent: as the machine says
    int gpu = 0;                          ///< which one, as the driver counts them
    int jobs = 0;                         ///< requests at a time; 0: as many as fit
    std::size_t queue = 64;               ///< requests that may wait
    base::Duration wait{10'000};          ///< how long one waits that could be served elsewhere
    base::Duration patience{20'000};      ///< after so long nobody overtakes a waiting request
    /// Where no driver says when memory is back: so long after a model has left.
    base::Duration settle{1'000};
};

/// One upstream model under one account behind one base URL (LiteLLM: deployment).
struct Target {
    std::string id;  ///< unique: the alias, or alias#2, alias#3 … within a group
    std::string alias;
    base::Provider provider = base::Provider::openai_compatible;
    std::string model;  ///< upstream id, without the provider prefix
    BaseUrl base;
    base::Secret key;
    std::string key_name;  ///< the variable it came from, for messages; empty for none
    std::string account;   ///< one key at one provider: "groq:GROQ_API_KEY", or "ollama:host:port"
    Tier tier = Tier::free;
    bool tier_stated = false;  ///< the configuration says it: rules over money apply
    Mode mode = Mode::chat;
    Capabilities capabilities;
    std::optional<std::uint64_t> max_input_tokens;
    std::optional<std::uint64_t> max_output_tokens;
    Prices prices;
    std::vector<Limit> limits;  ///< its own and the fragment's
    std::string device;         ///< cpu, cuda or empty
    double memory_gb = 0;
    std::string service;  ///< what loads its model: ollama, talkies, sdcpp; empty: not known
    int slots = 0;        ///< requests at a time that its loaded model takes; 0: any number
    std::string embedding_space;
    std::string note;
    std::string left_out;  ///< why it can't be asked ("X is not set"); empty: it can
    std::string origin;    ///< "config/providers/groq.yaml:12"

    // litellm_params that act
    std::optional<base::Duration> timeout;         ///< bounds an attempt
    std::optional<base::Duration> stream_timeout;  ///< bounds first content and each gap
    std::optional<base::Duration> cooldown;        ///< 0: never benched on a guess
    std::optional<int> num_retries;
    std::optional<int> allowed_fails;  ///< failures in a row before a guess benches it
    std::optional<FailureCounts> allowed_fails_policy;
    int weight = 1;
    int order = 0;
    std::optional<int> max_parallel_requests;
    std::vector<std::pair<std::string, std::string>>
        defaults;  ///< member -> JSON text; the client wins
    std::vector<std::pair<std::string, std::string>> overrides;  ///< extra_body
    std::vector<std::pair<std::string, std::string>> headers;    ///< extra_headers
    std::vector<std::string> drop;                               ///< additional_drop_params
    std::vector<std::string> allow;                              ///< allowed_openai_params
    std::optional<Engine> engine;
    AgentKind agent = AgentKind::none;
    std::optional<NativeAgent> native;  ///< of `agent`; absent: a box
    bool show_tools = false;            ///< what an agent does is told in its answer
    bool continue_streams = false;      ///< of its alias: another target may carry on a cut stream
    std::optional<CacheChoice> cache;
};

/// A name that clients ask for.
struct Alias {
    std::string name;
    Mode mode = Mode::chat;
    std::vector<std::size_t>
        targets;  ///< indices into Catalog::targets; several = a load-balanced group
    std::vector<std::string> chain;  ///< ordered fallbacks, enabled ones only
    bool hidden = false;             ///< model_group_alias with hidden: true
    bool wildcard = false;   ///< `openai/*`: the star's match replaces the star of the model
    bool made = false;       ///< for a name in a variable (models_from): it needs no chain
    std::string chain_file;  ///< where the chain stands, for messages; empty: it has none
    int chain_line = 0;
    std::vector<int> member_lines;  ///< one for each member of `chain`; empty: as chain_line
};

/// In which order a chain's free members are asked.
enum class Routing {
    strict,        ///< as the chain says
    spend_wisely,  ///< what would expire unused first, what is scarce last
};

/// Settings that are not about one target. Defaults here and nowhere else.
struct Settings {
    base::Secret master_key;
    base::Duration connect{5'000};
    base::Duration first_content{30'000};
    base::Duration between_chunks{30'000};
    base::Duration total{600'000};
    std::optional<base::Duration>
        attempt;  ///< litellm_settings.request_timeout / router stream_timeout etc.
    std::optional<base::Duration> cooldown;  ///< router_settings.cooldown_time
    bool cooldowns = true;                   ///< disable_cooldowns
    Routing routing = Routing::strict;
    int num_retries = 0;                   ///< same-target retries of the last candidate
    FailureCounts retry_policy;            ///< the same by kind of failure
    GroupCounts model_group_retry_policy;  ///< takes retry_policy's place for an alias
    int allowed_fails = 0;                 ///< failures in a row before a guess benches
    FailureCounts allowed_fails_policy;
    std::string completion_model;  ///< serves every chat and completion request
    std::optional<std::vector<base::IpRange>> allowed_ips;  ///< absent: everybody
    std::optional<int> max_parallel_requests;     ///< inference requests under way in the gateway
    std::size_t max_body_bytes = 50u << 20;       ///< max_request_size_mb
    std::uint64_t max_upload_bytes = 512u << 20;  ///< max_upload_size_mb: bodies with files
    /// HOST or HOST:PORT of a private network that images may be fetched from
    /// (FREEWAY_IMAGE_HOSTS).
    std::vector<std::string> image_hosts;
    base::Duration files_keep{3'600'000};  ///< how long pictures are kept (FREEWAY_FILES_KEEP)
    std::string public_url;  ///< where clients reach us (FREEWAY_PUBLIC_URL); empty: not known
    bool pull = true;        ///< local models that are not there are fetched (PULL)
    bool validate_json_schema = true;  ///< answers are held against the format asked for
    CacheSettings cache;
    std::map<std::string, DeviceSettings, std::less<>> devices;
    std::vector<std::string> default_fallbacks;
    std::map<std::string, std::vector<std::string>, std::less<>> context_window_fallbacks;
    std::map<std::string, std::vector<std::string>, std::less<>> content_policy_fallbacks;
    std::map<std::string, std::string, std::less<>> model_group_alias;
};

/// Everything that configuration says, immutable; swapped whole on reload.
class Catalog {
public:
    std::vector<Target> targets;
    std::vector<Alias> aliases;  ///< in the order of the files
    Settings settings;
    std::vector<std::string> sources;  ///< files it was read from; watched for changes

    /// Exact name, then model_group_alias, then wildcard. nullptr: unknown.
    /// `captured` receives what the star matched.
    const Alias* find(std::string_view name, std::string* captured = nullptr) const;

    /// Builds the lookup; called once by the loader.
    void index();

private:
    std::map<std::string, std::size_t, std::less<>> by_name_;
};

using Snapshot = std::shared_ptr<const Catalog>;

}  // namespace config
