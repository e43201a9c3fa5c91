#include "config/gateway_variables.h"

#include "base/units.h"
#include "config/base_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace config {
namespace {

constexpr std::size_t kShown = 80;

/// What stands between commas.
std::vector<std::string> words(std::string_view list) {
    std::vector<std::string> out;
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        if (const std::string_view word = base::trim(list.substr(0, comma)); !word.empty())
            out.emplace_back(word);
        list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    }
    return out;
}

void read_files_keep(const Value& keep, Settings& settings, Findings& findings) {
    if (keep.text.empty()) return;
    const auto span = base::parse_duration(keep.text);
    if (span && span->count() > 0) {
        settings.files_keep = *span;
        return;
    }
    findings.error(keep, fmt::format("FREEWAY_FILES_KEEP must be a time above 0, such as 1h or "
                                     "90s, but is `{}`; until it is corrected, 1h holds",
                                     base::shown(keep.text, kShown)));
}

void read_public_url(const Value& url, Settings& settings, Findings& findings) {
    if (url.text.empty()) return;
    if (const auto parsed = parse_base_url(url.text))
        settings.public_url = parsed->text();
    else
        findings.error(url, fmt::format("FREEWAY_PUBLIC_URL can't be used: {}; write it such as "
                                        "https://ai.example.com. Until it is corrected, addresses "
                                        "of pictures name the request's Host",
                                        parsed.error().detail));
}

/// Written as the host of an address is: HOST, HOST:PORT or an IPv6 address.
bool names_a_host(std::string_view word) {
    if (std::ranges::count(word, ':') > 1 && !word.contains('['))
        return std::ranges::all_of(
            word, [](unsigned char c) { return std::isxdigit(c) || c == ':' || c == '.'; });
    const bool bare = !word.contains('[') && !word.contains('/');
    return bare && parse_base_url(fmt::format("http://{}", word)).has_value();
}

void read_image_hosts(const Value& hosts, Settings& settings, Findings& findings) {
    for (std::string& word : words(hosts.text)) {
        if (!names_a_host(word))
            findings.warning(hosts, fmt::format("FREEWAY_IMAGE_HOSTS names `{}`, which is the host "
                                                "of no address: write HOST or HOST:PORT, without "
                                                "http:// and path, and each host of a network",
                                                base::shown(word, kShown)));
        settings.image_hosts.push_back(std::move(word));
    }
}

void read_pull(const Value& pull, Settings& settings, Findings& findings) {
    settings.pull = pull.text != "0";
    if (pull.text.empty() || pull.text == "0" || pull.text == "1") return;
    findings.warning(pull, "PULL is neither 0 nor 1, so models are pulled: write PULL=0 or PULL=1");
}

}  // namespace

void read_gateway_variables(const Variables& variables, Settings& settings, Findings& findings) {
    read_files_keep(variables.place("FREEWAY_FILES_KEEP"), settings, findings);
    read_public_url(variables.place("FREEWAY_PUBLIC_URL"), settings, findings);
    read_image_hosts(variables.place("FREEWAY_IMAGE_HOSTS"), settings, findings);
    read_pull(variables.place("PULL"), settings, findings);
}

}  // namespace config
