#include "gateway/image_job.h"

#include "gateway/auth.h"
#include "gateway/handle.h"
#include "gateway/image_delivery.h"
#include "gateway/relay.h"
#include "gateway/serve.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace gateway {

using llm::Failure;
using llm::Outcome;

namespace {

using namespace std::chrono_literals;

/// Between two looks into a backend's queue.
constexpr base::Duration kLook = 500ms;
/// And a look that was refused is made again after this long at most: what the refusal says of
/// other work does not matter to what is under way.
constexpr base::Duration kLongestLook = 5s;

/// Beside the `/v1` of the target's base.
std::string beside(const config::Target& target, std::string_view path) {
    std::string_view base = target.base.path;
    if (base.ends_with("/v1")) base.remove_suffix(3);
    return std::string(base) + std::string(path);
}

/// Whether a look into a queue that failed says nothing about the work behind it.
bool may_look_again(Outcome outcome) {
    return outcome == Outcome::transient || outcome == Outcome::timeout ||
           outcome == Outcome::busy || outcome == Outcome::rate_limited;
}

/// One look into the queue.
net::Task<std::expected<std::string, Failure>> look(Session& session, const config::Target& target,
                                                    Trial& trial, const std::string& path,
                                                    base::Time by) {
    auto open = co_await open_call(session, target, trial,
                                   {.path = beside(target, path),
                                    .body = {},
                                    .content_type = {},
                                    .method = "GET",
                                    .at_root = true});
    if (!open) co_return std::unexpected(open.error());
    open->limits.attempt_by = std::min(open->limits.attempt_by, by);
    co_return co_await read_whole(*open);
}

/// Looks until there is word of the images, which are made and paid even where a look fails.
/// `wait`: not at once.
net::Task<std::expected<std::string, Failure>> word_of_queue(Session& session,
                                                             const config::Target& target,
                                                             Trial& trial, std::string path,
                                                             bool wait, base::Time by) {
    for (base::Duration pause = kLook;; wait = true) {
        if (base::Clock::now() + pause >= by)
            co_return std::unexpected(
                Failure{.outcome = Outcome::timeout,
                        .scope = llm::Scope::target,
                        .detail = "the images were not ready within the time limit"});
        if (wait && !co_await session.pause(base::Clock::now() + pause))
            co_return std::unexpected(client_left());
        auto body = co_await look(session, target, trial, path, by);
        if (body || !may_look_again(body.error().outcome)) co_return body;
        pause = std::clamp(body.error().back_in.value_or(kLook), kLook, kLongestLook);
    }
}

/// Asks on while the images are not ready, within the limits of the first call.
net::Task<std::expected<llm::ImageAnswer, Failure>> collect(
    Session& session, const config::Target& target, Trial& trial, const llm::ImageDialect& dialect,
    const llm::Upstream& upstream, std::string path, OpenCall call) {
    const base::Time by = call.limits.attempt_by;
    auto body = co_await read_whole(call);
    call = OpenCall{};
    for (;;) {
        if (!body) co_return std::unexpected(body.error());
        auto reply = dialect.read(upstream, path, *body, base::WallClock::now());
        if (!reply) co_return std::unexpected(reply.error());
        if (reply->next.empty()) co_return std::move(reply->answer);
        path = std::move(reply->next);
        body = co_await word_of_queue(session, target, trial, path, reply->wait, by);
    }
}

/// What the configuration's prices make of the usage.
/// `pictures`: input tokens of images.
void price(const config::Target& target, std::uint64_t pictures, llm::Usage& usage) {
    if (!usage.known || target.prices.output_cost_per_image_token <= 0) return;
    pictures = std::min(pictures, usage.prompt);
    usage.cost_usd =
        static_cast<double>(usage.prompt - pictures) * target.prices.input_cost_per_token +
        static_cast<double>(pictures) * target.prices.input_cost_per_image_token +
        static_cast<double>(usage.completion) * target.prices.output_cost_per_image_token;
}

}  // namespace

net::Task<std::optional<Failure>> ImageJob::call(Session& session,
                                                 const route::Candidate& candidate, Trial& trial) {
    const config::Target& target = *candidate.target;
    attempted_ = std::make_unique<Attempted>();
    llm::Upstream& upstream = attempted_->upstream;
    upstream = upstream_of(session, candidate, attempted_->drop);
    const llm::ImageDialect* dialect = llm::image_dialect(target.provider);
    base::Result<llm::ImageCall> prepared =
        base::fail(base::ErrorKind::unsupported, "this provider makes no images");
    if (dialect) prepared = dialect->call(request_, upstream, wanted_);
    if (!prepared) co_return no_word(session, prepared.error());
    session.step().changes = std::move(prepared->changes);
    const std::string& path = prepared->path;
    auto open = co_await open_call(
        session, target, trial,
        {.path = prepared->at_root ? beside(target, path) : path,
         .body = prepared->body,
         .content_type = prepared->content_type,
         .accept = prepared->stream ? "text/event-stream, application/json" : "*/*",
         .headers = prepared->headers,
         .at_root = prepared->at_root});
    if (!open) co_return open.error();
    const std::string_view type = open->reply->head().headers.get("content-type");
    if (prepared->stream && base::icontains(type, "text/event-stream"))
        co_return co_await pass_on(session, target, *open, trial);
    const base::Time by = open->limits.attempt_by;
    auto images = co_await collect(session, target, trial, *dialect, upstream, prepared->path,
                                   std::move(*open));
    if (!images) co_return images.error();
    co_return co_await answer(session, target, std::move(*images), by, trial);
}

net::Task<std::optional<Failure>> ImageJob::pass_on(Session& session, const config::Target& target,
                                                    OpenCall& call, Trial& trial) {
    attempted_->stream = std::make_unique<llm::ImageStream>(attempted_->upstream, request_.n,
                                                            base::WallClock::now());
    llm::ImageStream& stream = *attempted_->stream;
    auto failure = co_await relay(session, call, stream, target, trial.committed);
    llm::Usage usage = stream.usage();
    if (trial.committed && usage.images == 0) usage.images = static_cast<double>(request_.n);
    price(target, stream.image_input_tokens(), usage);
    session.record->usage = usage;
    co_return failure;
}

net::Task<std::optional<Failure>> ImageJob::answer(Session& session, const config::Target& target,
                                                   llm::ImageAnswer answer, base::Time by,
                                                   Trial& trial) {
    if (auto failure = co_await fit_delivery(session, target, wanted_, by, answer))
        co_return failure;
    price(target, answer.image_input_tokens, answer.usage);
    session.record->served_by = target.alias;
    session.record->usage = answer.usage;
    session.step().outcome = Outcome::served;
    const base::WallTime now = base::WallClock::now();
    if (!request_.stream) {
        const std::string body = llm::images_json(answer, now);
        if (!co_await session.answer(200, "application/json", body)) co_return client_left();
        co_return std::nullopt;
    }
    const std::string events = llm::image_events(answer, request_.edit, now);
    trial.committed = true;
    if (!co_await session.begin_stream() || !co_await session.exchange.write(events) ||
        !co_await session.exchange.end_stream())
        co_return client_left();
    co_return std::nullopt;
}

std::optional<std::string> ImageJob::broken(std::string_view error) {
    if (!attempted_ || !attempted_->stream) return std::nullopt;
    std::string frames;
    attempted_->stream->broken(error, frames);
    return frames;
}

namespace {

using Parse = base::Result<llm::ImageRequest> (*)(const net::Exchange&, std::string body);

base::Result<llm::ImageRequest> parse_drawing(const net::Exchange&, std::string body) {
    return llm::parse_images(std::move(body));
}

/// Makes `session` one for a model of `set` alone. False: it has no such model.
bool narrow(Session& session, ImageSet set, llm::ImageRequest& request) {
    auto models = image_models(*session.catalog, set);
    if (models.empty()) models = wrapped_models(*session.catalog, set);
    const config::Target* target = image_model(models, set, request.model);
    if (!target) return false;
    request.model = target->alias;
    request.wanted = llm::Delivery::base64;
    session.ask.chain = false;
    session.when_busy = device::WhenBusy::refuse;
    return true;
}

net::Task<> handle(Lane& lane, net::Exchange& exchange, Parse parse,
                   std::optional<ImageSet> only = {}) {
    Session session(lane, exchange);
    const config::Settings& settings = session.catalog->settings;
    if (auto refused = refused_unread(settings, exchange))
        co_return co_await session.refuse(*refused);
    auto body = co_await exchange.read_body(settings.max_body_bytes);
    if (!body) co_return co_await session.refuse(unreadable(body.error()));
    auto parsed = parse(exchange, std::move(*body));
    if (!parsed) co_return co_await session.refuse(unreadable(parsed.error()));

    if (only && !narrow(session, *only, *parsed)) {
        ClientError unknown = unknown_model(*session.catalog, parsed->model);
        unknown.status = 400;
        co_return co_await session.refuse(std::move(unknown));
    }

    const config::Alias* alias = session.catalog->find(parsed->model);
    std::string_view model;
    if (alias && !alias->targets.empty())
        model = session.catalog->targets[alias->targets.front()].model;
    ImageJob job(std::move(*parsed), llm::usual_delivery(model));
    session.job = &job;
    session.record->asked = job.request().model;
    session.ask.model = job.request().model;
    session.ask.mode = config::Mode::image_generation;
    session.ask.prompt_bytes = job.request().prompt.size();
    session.ask.images = static_cast<double>(job.request().n);
    co_await serve(session);
}

}  // namespace

net::Task<> handle_image_generation(Lane& lane, net::Exchange& exchange, std::string) {
    return handle(lane, exchange, parse_drawing);
}

net::Task<> handle_image_edit(Lane& lane, net::Exchange& exchange, std::string) {
    return handle(lane, exchange, [](const net::Exchange& from, std::string body) {
        return llm::parse_image_form(body, from.head.headers.get("content-type"));
    });
}

net::Task<> handle_service_image(Lane& lane, net::Exchange& exchange, ImageSet set) {
    return handle(lane, exchange, parse_drawing, set);
}

}  // namespace gateway
