#include "app/commands.h"
#include "app/server.h"

#include <CLI/CLI.hpp>

#include <csignal>

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    CLI::App cli{
        "freeway: a free-first AI gateway. One OpenAI-compatible endpoint, free tiers first, local "
        "models last."};
    cli.set_version_flag("--version", "freeway " FREEWAY_VERSION);
    cli.require_subcommand(1);

    app::ServeOptions serve;
    app::CommonOptions common;
    std::string url = "http://127.0.0.1:4000";
    const auto configured = [&](CLI::App* command, auto& options) {
        command
            ->add_option("--config", options.config,
                         "folder, assembled config.yaml, or any LiteLLM proxy config.yaml")
            ->capture_default_str();
        command
            ->add_option("--env", options.env,
                         "file of flags and keys; the process environment wins")
            ->capture_default_str();
        command->add_option("--data", options.data, "folder for engines, models and state")
            ->capture_default_str();
    };
    const auto with_json = [&](CLI::App* command) {
        command->add_flag("--json", common.json, "machine-readable output");
    };

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
    with_json(check_command);

    std::string out = "config.yaml";
    CLI::App* build_command =
        cli.add_subcommand("build", "assemble the enabled part of a folder into one config.yaml");
    configured(build_command, common);
    build_command->add_option("--out", out, "file to write; - for standard output")
        ->capture_default_str();

    CLI::App* models_command =
        cli.add_subcommand("models", "list aliases with provider, tier, mode, chain and state");
    configured(models_command, common);
    with_json(models_command);
    models_command->add_option("--url", url, "a running gateway, asked for the state")
        ->capture_default_str();

    std::string what;
    CLI::App* explain_command = cli.add_subcommand(
        "explain", "say who would serve an alias, or who served a request and why");
    configured(explain_command, common);
    with_json(explain_command);
    explain_command->add_option("what", what, "ALIAS or REQUEST_ID")->required();
    explain_command->add_option("--url", url, "a running gateway")->capture_default_str();

    std::string source;
    std::string sha256;
    CLI::App* pull_command =
        cli.add_subcommand("pull", "fetch local models, with progress, resume and checksum");
    configured(pull_command, common);
    pull_command->add_option("url", source,
                             "one file; without it: all that enabled engines name by URL");
    pull_command->add_option("--sha256", sha256, "expected checksum, hexadecimal");

    try {
        cli.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return cli.exit(error) == 0 ? 0 : 2;
    }
    if (*serve_command) return app::serve(serve);
    if (*check_command) return app::check(common);
    if (*build_command) return app::build(common, out);
    if (*models_command) return app::models(common, url);
    if (*explain_command) return app::explain(common, what, url);
    return app::pull(common, source, sha256);
}
