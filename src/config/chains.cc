#include "config/embedding_space.h"
#include "config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace config {
namespace {

/// Walks the chains of one catalog and says what is wrong with them.
class ChainChecker {
public:
    ChainChecker(const Catalog& catalog, const std::string& file, Scope scope)
        : catalog_(catalog), file_(file), scope_(scope) {}

    std::vector<Diagnostic> check() {
        for (const Alias& alias : catalog_.aliases) {
            bool second_name = catalog_.settings.model_group_alias.contains(alias.name);
            if (alias.wildcard || second_name || alias.targets.empty()) continue;
            alias_ = &alias;
            check_members();
            check_order();
            if (scope_ == Scope::all) check_accounts();
        }
        return std::move(found_);
    }

private:
    const Target& first_target(const Alias& alias) const {
        return catalog_.targets[alias.targets.front()];
    }

    void say(Severity severity, std::size_t position, const std::string& text) {
        int line = position < alias_->member_lines.size() ? alias_->member_lines[position]
                                                          : alias_->chain_line;
        const std::string& file = alias_->chain_file.empty() ? file_ : alias_->chain_file;
        found_.push_back(
            {severity, file, line, fmt::format("chain of `{}`: {}", alias_->name, text)});
    }

    void check_members() {
        std::set<std::string_view> seen;
        for (std::size_t i = 0; i < alias_->chain.size(); ++i) {
            const std::string& name = alias_->chain[i];
            const Alias* member = catalog_.find(name);
            if (name == alias_->name) {
                say(Severity::error, i, "it names itself; remove it");
            } else if (!member) {
                say(Severity::error, i,
                    fmt::format("`{}` is no alias; correct the name or remove it", name));
            } else if (!seen.insert(name).second) {
                say(Severity::warning, i,
                    fmt::format("`{}` stands twice; the second is never asked", name));
            } else if (!member->targets.empty()) {
                check_member(i, *member);
            }
        }
    }

    void check_member(std::size_t i, const Alias& member) {
        const Target& mine = first_target(*alias_);
        const Target& its = first_target(member);
        if (member.mode != alias_->mode) {
            say(Severity::error, i,
                fmt::format("`{}` is of mode {}, not {}; remove it", member.name, name(member.mode),
                            name(alias_->mode)));
            return;
        }
        if (mine.mode == Mode::embedding && !same_space(mine, mine.model, its, its.model)) {
            bool stated = !mine.embedding_space.empty() && !its.embedding_space.empty();
            say(stated ? Severity::error : Severity::warning, i,
                fmt::format(
                    "the vectors of `{}` ({}) can't be compared with {}; {}", member.name,
                    space_name(its, its.model), space_name(mine, mine.model),
                    stated ? "remove it" : "it is never asked: state the embedding_space of both"));
        }
        check_capabilities(i, member.name, mine, its);
    }

    void check_capabilities(std::size_t i, const std::string& member, const Target& mine,
                            const Target& its) {
        const Capabilities& has = mine.capabilities;
        const Capabilities& offers = its.capabilities;
        if (!has.stated || !offers.stated) return;
        if (has.vision && !offers.vision) {
            say(Severity::warning, i,
                fmt::format("`{}` takes no images; choose a member with vision", member));
        }
        if (!has.agent && offers.agent) {
            say(Severity::warning, i,
                fmt::format("`{}` is an agent with side effects (commands, files); "
                            "a plain model must not fall back to one",
                            member));
        }
        if (mine.mode == Mode::audio_transcription && has.diarization && !offers.diarization) {
            say(Severity::warning, i,
                fmt::format("`{}` does not tell speakers apart (diarization)", member));
        }
    }

    /// The first member behind `i` that `wanted` holds for.
    template <class Predicate>
    const Target* later(std::size_t i, Predicate wanted) const {
        for (std::size_t j = i + 1; j < alias_->chain.size(); ++j) {
            const Alias* member = catalog_.find(alias_->chain[j]);
            if (!member || member->targets.empty()) continue;
            const Target& target = first_target(*member);
            if (target.tier_stated && wanted(target)) return &target;
        }
        return nullptr;
    }

    void check_order() {
        const Target& primary = first_target(*alias_);
        for (std::size_t i = 0; i < alias_->chain.size(); ++i) {
            const Alias* member = catalog_.find(alias_->chain[i]);
            if (!member || member->targets.empty()) continue;
            const Target& target = first_target(*member);
            if (target.tier_stated) check_position(i, primary, target);
        }
    }

    void check_position(std::size_t i, const Target& primary, const Target& target) {
        auto free = [](const Target& other) { return other.tier == Tier::free; };
        auto unpaid = [](const Target& other) {
            return other.tier == Tier::free || other.tier == Tier::flat;
        };
        auto local = [](const Target& other) { return other.tier == Tier::local; };
        auto remote = [](const Target& other) { return other.tier != Tier::local; };
        auto move_behind = [&](const Target* other, std::string_view why) {
            if (!other) return;
            say(Severity::warning, i,
                fmt::format("`{}` stands before `{}`: {}; move it behind", target.alias,
                            other->alias, why));
        };
        bool media = alias_->mode == Mode::image_generation || alias_->mode == Mode::audio_speech ||
                     alias_->mode == Mode::audio_transcription;
        bool chat = alias_->mode == Mode::chat;
        bool cohere = target.provider == base::Provider::cohere;
        if (target.tier == Tier::paid) {
            move_behind(later(i, unpaid), "paid before what costs nothing more");
            if (media) move_behind(later(i, local), "paid before local");
        }
        if (chat && cohere && target.tier == Tier::free) {
            auto other_free = [&](const Target& other) {
                return free(other) && other.provider != base::Provider::cohere;
            };
            move_behind(later(i, other_free), "Cohere's trial has 1,000 calls a month");
        }
        bool local_primary = primary.tier_stated && primary.tier == Tier::local;
        if (chat && target.tier == Tier::local && !local_primary) {
            move_behind(later(i, remote), "local models are the last resort for chat");
        }
    }

    std::set<std::string_view> accounts(const Alias& alias) const {
        std::set<std::string_view> names;
        for (std::size_t target : alias.targets) names.insert(catalog_.targets[target].account);
        return names;
    }

    bool elsewhere(const Alias& other, const std::set<std::string_view>& mine) const {
        return std::ranges::any_of(
            accounts(other), [&](std::string_view account) { return !mine.contains(account); });
    }

    /// An alias that could stand in for this one on another account.
    const Alias* stand_in(const std::set<std::string_view>& mine) const {
        const std::string& space = first_target(*alias_).embedding_space;
        for (const Alias& other : catalog_.aliases) {
            bool same_kind = other.name != alias_->name && other.mode == alias_->mode &&
                             !other.wildcard && !other.targets.empty() &&
                             !catalog_.settings.model_group_alias.contains(other.name);
            if (!same_kind || !elsewhere(other, mine)) continue;
            bool same_space = alias_->mode != Mode::embedding ||
                              (!space.empty() && first_target(other).embedding_space == space);
            if (same_space) return &other;
        }
        return nullptr;
    }

    /// One account that is blocked or spent must not end the chain.
    void check_accounts() {
        if (!first_target(*alias_).tier_stated || alias_->mode == Mode::other) return;
        std::set<std::string_view> mine = accounts(*alias_);
        bool covered = std::ranges::any_of(alias_->chain, [&](const std::string& name) {
            const Alias* member = catalog_.find(name);
            return member && name != alias_->name && elsewhere(*member, mine);
        });
        bool none_expected = alias_->made && alias_->chain_file.empty();
        if (covered || none_expected) return;
        const Alias* other = stand_in(mine);
        if (!other) return;
        if (alias_->chain_file.empty()) {
            found_.push_back(
                at_alias(fmt::format("`{}` has no chain, although `{}` on another account "
                                     "could stand in; add one to the fallbacks",
                                     alias_->name, other->name)));
        } else if (alias_->chain.empty()) {
            say(Severity::warning, 0,
                fmt::format("it is empty, although `{}` on another account could "
                            "stand in; add it",
                            other->name));
        } else {
            say(Severity::warning, 0,
                fmt::format("no member is on another account; add one, such as `{}`", other->name));
        }
    }

    /// At the alias's own entry: there is no chain to point at.
    Diagnostic at_alias(std::string text) const {
        const std::string& origin = first_target(*alias_).origin;
        std::size_t colon = origin.rfind(':');
        int line = 1;
        if (colon != std::string::npos) {
            std::from_chars(origin.data() + colon + 1, origin.data() + origin.size(), line);
        }
        return {Severity::warning, origin.substr(0, colon), line, std::move(text)};
    }

    const Catalog& catalog_;
    const std::string& file_;
    Scope scope_;
    const Alias* alias_ = nullptr;
    std::vector<Diagnostic> found_;
};

}  // namespace

std::vector<Diagnostic> check_chains(const Catalog& catalog, const std::string& file, Scope scope) {
    return ChainChecker(catalog, file, scope).check();
}

}  // namespace config
