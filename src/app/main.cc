#include "app/commands.h"
#include "app/quota_command.h"
#include "app/rehearse.h"
#include "app/server.h"
#include "device/child_guard.h"

#include <CLI/CLI.hpp>

#include <csignal>

namespace {

template <class Options>
void configured(CLI::App* command, Options& options) {
    command
        ->add_option("--config", options.config,
                     "folder, assembled config.yaml, or any LiteLLM proxy config.yaml")
        ->capture_default_str();
    command
        ->add_option("--env", options.env, "file of flags and keys; the process environment wins")
        ->capture_default_str();
    command->add_option("--data", options.data, "folder for engines, models and state")
        ->capture_default_str();
}

void with_json(CLI::App* command, app::CommonOptions& common) {
    command->add_flag("--json", common.json, "machine-readable output");
}

/// One of `freeway quota`, `freeway quota reset` and `freeway quota set`.
CLI::Option* quota_asks(CLI::App* command, app::CommonOptions& common, app::QuotaOptions& quota) {
    configured(command, common);
    with_json(command, common);
    command->add_option("--url", quota.url, "the running gateway")->capture_default_str();
    return command->add_option("what", quota.what, "KEY of a limit, NAME of a scope, ALIAS or all");
}

std::string not_an_amount(const std::string& text) {
    double amount = -1;
    const bool read = CLI::detail::lexical_cast(text, amount);
    return read && amount >= 0 && amount <= 1e15 ? "" : "needs a number from 0 to 1e15";
}

/// `freeway quota WHAT` beside its subcommands.
CLI::App* add_quota(CLI::App& cli, app::CommonOptions& common, app::QuotaOptions& quota) {
    CLI::App* show = cli.add_subcommand("quota", "say what is left of each limit, and until when");
    CLI::Option* what = quota_asks(show, common, quota);
    CLI::App* reset = show->add_subcommand("reset", "take limits as never used");
    quota_asks(reset, common, quota)->required();
    CLI::App* set = show->add_subcommand("set", "state what is used of limits, or what is left");
    quota_asks(set, common, quota)->required();
    CLI::Option_group* amount = set->add_option_group("amount", "exactly one of");
    amount->add_option("--used", quota.used, "in the limit's own unit")->check(not_an_amount);
    amount->add_option("--remaining", quota.remaining, "the same")->check(not_an_amount);
    amount->require_option(1);
    show->require_subcommand(0, 1);
    reset->excludes(what);
    set->excludes(what);
    return show;
}

CLI::App* add_rehearse(CLI::App& cli, app::CommonOptions& common, app::RehearseOptions& options) {
    CLI::App* command = cli.add_subcommand(
        "rehearse", "say what would become of a day or a month of traffic, sending nothing");
    configured(command, common);
    with_json(command, common);
    CLI::Option* log = command->add_option(
        "--log", options.log, "CSV of requests: time,alias,prompt_tokens,completion_tokens");
    const auto made_up = [&](const char* name, std::string& value, const char* help) {
        command->add_option(name, value, help)->capture_default_str()->excludes(log);
    };
    made_up("--rate", options.rate, "requests on average, as 2000/day or 100/hour");
    made_up("--span", options.span, "day, week, month, or as 30d");
    made_up("--tokens", options.tokens, "mean tokens of prompt and answer");
    command
        ->add_option("--alias", options.aliases,
                     "who is asked for, as ALIAS or ALIAS:WEIGHT; else all that chat and have a "
                     "chain")
        ->delimiter(',')
        ->excludes(log);
    command->add_option("--seed", options.seed, "the same seed gives the same answer")
        ->capture_default_str();
    command->add_option("--routing", options.routing, "instead of what is configured")
        ->check(CLI::IsMember({"strict", "spend_wisely", "both"}));
    command->add_flag("--all", options.all, "take providers too whose flag is off");
    return command;
}

}  // namespace

int main(int argc, char** argv) {
    if (const auto status = device::run_guard(argc, argv)) return *status;
    CLI::App cli{
        "freeway: a free-first AI gateway. One OpenAI-compatible endpoint, free tiers first, local "
        "models last."};
    cli.set_version_flag("--version", "freeway " FREEWAY_VERSION);
    cli.require_subcommand(1);

    app::ServeOptions serve;
    app::CommonOptions common;
    std::string url = "http://127.0.0.1:4000";

    CLI::App* serve_command = cli.add_subcommand("serve", "answer requests until SIGTERM");
    configured(serve_command, serve);
    serve_command->add_option("--listen", serve.listen, "HOST:PORT; port 0 takes a free one")
        ->capture_default_str();
    serve_command->add_option("--tls-cert", serve.tls_certificate,
                              "PEM certificate chain for the listener (FREEWAY_TLS_CERT)");
    serve_command->add_option("--tls-key", serve.tls_key,
                              "PEM key for the listener (FREEWAY_TLS_KEY)");
    serve_command
        ->add_option("--drain", serve.drain_seconds,
                     "seconds that requests under way get after SIGTERM")
        ->capture_default_str()
        ->check(CLI::Range(0, 86'400));
    serve_command->add_option("--workers", serve.workers, "threads; 0: one per core")
        ->capture_default_str()
        ->check(CLI::Range(0, 256));
    serve_command->add_flag("--verbose", serve.verbose, "log more");

    CLI::App* check_command =
        cli.add_subcommand("check", "say everything that is wrong with the configuration");
    configured(check_command, common);
    with_json(check_command, common);

    std::string out = "config.yaml";
    CLI::App* build_command =
        cli.add_subcommand("build", "assemble the enabled part of a folder into one config.yaml");
    configured(build_command, common);
    build_command->add_option("--out", out, "file to write; - for standard output")
        ->capture_default_str();

    CLI::App* models_command =
        cli.add_subcommand("models", "list aliases with provider, tier, mode, chain and state");
    configured(models_command, common);
    with_json(models_command, common);
    models_command->add_option("--url", url, "a running gateway, asked for the state")
        ->capture_default_str();

    std::string what;
    CLI::App* explain_command = cli.add_subcommand(
        "explain", "say who would serve an alias, or who served a request and why");
    configured(explain_command, common);
    with_json(explain_command, common);
    explain_command->add_option("what", what, "ALIAS or REQUEST_ID")->required();
    explain_command->add_option("--url", url, "a running gateway")->capture_default_str();

    app::QuotaOptions quota;
    CLI::App* quota_command = add_quota(cli, common, quota);

    app::RehearseOptions rehearse;
    CLI::App* rehearse_command = add_rehearse(cli, common, rehearse);

    std::string source;
    std::string sha256;
    CLI::App* pull_command =
        cli.add_subcommand("pull", "fetch local models, with progress, resume and checksum");
    configured(pull_command, common);
    pull_command->add_option(
        "what", source, "ALIAS, or URL of one file; without it: all that enabled aliases need");
    pull_command->add_option("--sha256", sha256, "expected checksum, hexadecimal");

    try {
        cli.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return cli.exit(error) == 0 ? 0 : 2;
    }
    // A reader of our output that leaves (`| head`) ends a command; a peer that leaves ends
    // neither.
    if (*serve_command || *pull_command) std::signal(SIGPIPE, SIG_IGN);
    if (*serve_command) return app::serve(serve);
    if (*check_command) return app::check(common);
    if (*build_command) return app::build(common, out);
    if (*models_command) return app::models(common, url);
    if (*explain_command) return app::explain(common, what, url);
    if (quota_command->got_subcommand("reset")) return app::reset_quota(common, quota);
    if (quota_command->got_subcommand("set")) return app::set_quota(common, quota);
    if (*quota_command) return app::quota(common, quota);
    if (*rehearse_command) return app::rehearse(common, rehearse);
    return app::pull(common, source, sha256);
}
