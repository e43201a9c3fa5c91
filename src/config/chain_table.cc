#include "config/chain_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace config {
namespace {

std::vector<ChainMember> members_of(const Member& chain, Findings& findings) {
    std::vector<ChainMember> members;
    const Value& list = chain.value;
    if (!list.is_list() && !list.is_null()) {
        findings.error(list,
                       fmt::format("the chain of `{}` must be a list of aliases", chain.name));
    }
    for (const Value& item : list.items) {
        const Value* model = item.is_map() ? item.find("model") : &item;
        if (!model || !model->is_scalar()) {
            findings.error(item,
                           fmt::format("a member of the chain of `{}` is no alias", chain.name));
            continue;
        }
        if (item.is_map() && item.members.size() > 1) {
            findings.warning(item, fmt::format("parameters of the member `{}` are not read: give "
                                               "them to its own litellm_params",
                                               model->text));
        }
        members.push_back({model->text, item.line});
    }
    return members;
}

}  // namespace

std::vector<Chain> read_chains(const Value& table, std::string_view what, Findings& findings) {
    std::vector<Chain> chains;
    auto add = [&](const Value& map) {
        for (const Member& member : map.members) {
            Value at = Value::scalar(member.name, map);
            at.line = member.line;
            auto same = std::ranges::find(chains, member.name, &Chain::primary);
            if (same != chains.end()) {
                findings.warning(at, fmt::format("`{}` has a chain already (line {}); this one "
                                                 "counts: remove the other",
                                                 member.name, same->at.line));
                chains.erase(same);
            }
            chains.push_back({member.name, at, members_of(member, findings)});
        }
    };
    if (table.is_map()) add(table);
    for (const Value& item : table.items) {
        if (item.is_map()) {
            add(item);
        } else {
            findings.error(item, fmt::format("an item of {} must read `alias: [alias, …]`", what));
        }
    }
    if (table.is_scalar()) {
        findings.error(table, fmt::format("{} must map an alias to a list of aliases", what));
    }
    return chains;
}

const Chain* chain_of(const std::vector<Chain>& chains, std::string_view alias) {
    auto at = std::ranges::find(chains, alias, &Chain::primary);
    std::size_t slash = alias.find('/');
    if (at == chains.end() && slash != std::string_view::npos) {
        at = std::ranges::find(chains, alias.substr(slash + 1), &Chain::primary);
    }
    return at == chains.end() ? nullptr : &*at;
}

}  // namespace config
