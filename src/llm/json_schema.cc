#include "llm/json_schema.h"

#include "llm/json_schema_outline.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#define VALIJSON_USE_EXCEPTIONS 1
#include <pcre2.h>

#include <fmt/format.h>
#include <valijson/adapters/boost_json_adapter.hpp>
#include <valijson/constraint_builder.hpp>
#include <valijson/constraints/concrete_constraints.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include <cmath>
#include <limits>
#include <new>
#include <vector>

namespace llm {
namespace {

namespace adapters = valijson::adapters;
using std::string_view;

constexpr std::size_t kLargestSchema = 256u << 10;
constexpr std::size_t kDeepestJson = 256;
/// A step is a few hundred nanoseconds.
constexpr std::int64_t kMostSteps = 100'000;
/// What a regular expression may try at one place before it counts as too slow.
constexpr std::uint32_t kMostTries = 50'000;
constexpr std::size_t kLongestPattern = 4096;

struct TooMuchWork {};

/// What the check that goes on in this thread may still cost.
thread_local std::int64_t steps_left = 0;

void charge(std::int64_t steps) {
    steps_left -= steps;
    if (steps_left < 0) throw TooMuchWork();
}

/// One of our own keywords. `Rule` says what it does with a value.
template <class Rule>
class Own : public valijson::constraints::PolyConstraint {
public:
    explicit Own(Rule rule) : rule_(std::move(rule)) {}

    bool validate(const adapters::Adapter& target, const std::vector<std::string>& context,
                  valijson::ValidationResults* results) const override {
        const char* wrong = rule_(target);
        if (wrong && results) results->pushError(context, wrong);
        return !wrong;
    }

private:
    valijson::constraints::Constraint* cloneInto(void* place) const override {
        return new (place) Own(*this);
    }
    std::size_t sizeOf() const override { return sizeof(Own); }

    Rule rule_;
};

template <class Rule>
class Builder : public valijson::ConstraintBuilder {
public:
    valijson::constraints::Constraint* make(const adapters::Adapter& node) const override {
        return new Own<Rule>(Rule(node));
    }
};

struct Steps {
    std::int64_t cost;
    explicit Steps(const adapters::Adapter& node) : cost(node.asInteger()) {}
    const char* operator()(const adapters::Adapter&) const {
        charge(cost);
        return nullptr;
    }
};

/// valijson compares every item with every other.
struct Unique {
    explicit Unique(const adapters::Adapter&) {}
    const char* operator()(const adapters::Adapter& target) const {
        if (!target.isArray()) return nullptr;
        const auto size = static_cast<std::int64_t>(target.getArraySize());
        charge(size * size / 2);
        return nullptr;
    }
};

struct Integer {
    explicit Integer(const adapters::Adapter&) {}
    const char* operator()(const adapters::Adapter& target) const {
        const bool fraction =
            target.isDouble() && std::trunc(target.asDouble()) != target.asDouble();
        return fraction ? "Value type not permitted by 'type' constraint." : nullptr;
    }
};

/// Decimal fractions are no binary ones: a quotient counts as whole where it is as near to it as
/// its arithmetic can tell.
class MultipleOf {
public:
    explicit MultipleOf(const adapters::Adapter& node) {
        if (node.isInteger()) integer_ = node.asInteger();
        if (node.isNumber())
            divisor_ = node.isInteger() ? static_cast<double>(*integer_) : node.asDouble();
        if (!(divisor_ > 0)) throw std::runtime_error("`multipleOf` must be a number above 0");
    }

    const char* operator()(const adapters::Adapter& target) const {
        if (!target.isNumber()) return nullptr;
        const bool whole = target.isInteger() && integer_ ? target.asInteger() % *integer_ == 0
                           : target.isInteger() ? divides(static_cast<double>(target.asInteger()))
                                                : divides(target.asDouble());
        return whole ? nullptr : "it is no multiple of its multipleOf";
    }

private:
    bool divides(double value) const {
        if (std::fmod(value, divisor_) == 0) return true;
        const double quotient = value / divisor_;
        const double off = std::abs(quotient - std::round(quotient));
        return off <= 4 * std::numeric_limits<double>::epsilon() * std::abs(quotient);
    }

    std::optional<std::int64_t> integer_;
    double divisor_ = 0;
};

class Pattern {
public:
    explicit Pattern(const adapters::Adapter& node) {
        const std::string text = node.isString() ? node.asString() : std::string();
        if (!node.isString()) throw std::runtime_error("`pattern` must be a string");
        if (text.size() > kLongestPattern) throw std::runtime_error("a `pattern` is too long");
        int error = 0;
        PCRE2_SIZE offset = 0;
        code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                  PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_NEVER_BACKSLASH_C, &error,
                                  &offset, nullptr),
                    pcre2_code_free);
        if (!code_)
            throw std::runtime_error(fmt::format(
                "a `pattern` is no regular expression: it breaks at character {}", offset));
        limits_.reset(pcre2_match_context_create(nullptr), pcre2_match_context_free);
        pcre2_set_match_limit(limits_.get(), kMostTries);
        pcre2_set_depth_limit(limits_.get(), kMostTries);
    }

    const char* operator()(const adapters::Adapter& target) const {
        if (!target.isString()) return nullptr;
        const std::string text = target.asString();
        charge(1 + static_cast<std::int64_t>(text.size() / 64));
        std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
            pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
        const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                      text.size(), 0, 0, match.get(), limits_.get());
        if (found == PCRE2_ERROR_MATCHLIMIT || found == PCRE2_ERROR_DEPTHLIMIT) throw TooMuchWork();
        return found < 0 ? "it does not match its pattern" : nullptr;
    }

private:
    std::shared_ptr<pcre2_code> code_;
    std::shared_ptr<pcre2_match_context> limits_;
};

/// One number, one kind: `1.0` and `1e2` are integers, what is larger than those can be is a
/// double. valijson takes values of different kinds for different, and knows no unsigned ones.
void unify_numbers(boost::json::value& value) {
    constexpr double kExact = 9007199254740992;  // 2^53: below it no whole double is rounded
    if (value.is_object())
        for (auto& member : value.get_object()) unify_numbers(member.value());
    else if (value.is_array())
        for (boost::json::value& element : value.get_array()) unify_numbers(element);
    else if (value.is_uint64())
        value = static_cast<double>(value.get_uint64());
    else if (value.is_double() && std::abs(value.get_double()) < kExact &&
             std::trunc(value.get_double()) == value.get_double())
        value = static_cast<std::int64_t>(value.get_double());
}

boost::json::value parse(string_view text, boost::json::error_code& error) {
    boost::json::parse_options options;
    options.max_depth = kDeepestJson;
    boost::json::value value = boost::json::parse({text.data(), text.size()}, error, {}, options);
    unify_numbers(value);
    return value;
}

/// "[items]" and "[0]" as a pointer; a key that the schema does not name may be content.
std::string pointer_of(const std::vector<std::string>& context,
                       const std::set<std::string>& names) {
    std::string out;
    for (std::size_t i = 1; i < context.size(); ++i) {
        const std::string& step = context[i];
        const std::string key = step.size() > 2 ? step.substr(1, step.size() - 2) : std::string();
        const bool index = !key.empty() && key.find_first_not_of("0123456789") == key.npos;
        out += '/' + (index || names.contains(key) ? key : "*");
    }
    return out.empty() ? "/" : out;
}

/// Names that come from the answer stand behind a colon.
std::string rule_of(const std::string& description) {
    return description.substr(0, description.find(": '"));
}

}  // namespace

struct JsonSchema::Compiled {
    valijson::Schema schema;
    std::set<std::string> names;
};

base::Result<JsonSchema> JsonSchema::compile(string_view text) {
    auto refuse = [](std::string what) {
        return base::fail(base::ErrorKind::bad_input, std::move(what));
    };
    if (text.size() > kLargestSchema)
        return refuse(fmt::format("it is larger than {} KiB", kLargestSchema >> 10));
    boost::json::error_code error;
    boost::json::value document = parse(text, error);
    if (error) return refuse("it nests too deep, or is no JSON");
    auto compiled = std::make_shared<Compiled>();
    if (auto good = prepare_schema(document, compiled->names); !good)
        return std::unexpected(good.error());
    try {
        valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
        parser.addConstraintBuilder(kStepsKeyword, new Builder<Steps>);
        parser.addConstraintBuilder(kUniqueKeyword, new Builder<Unique>);
        parser.addConstraintBuilder(kPatternKeyword, new Builder<Pattern>);
        parser.addConstraintBuilder(kIntegerKeyword, new Builder<Integer>);
        parser.addConstraintBuilder(kMultipleKeyword, new Builder<MultipleOf>);
        parser.populateSchema(adapters::BoostJsonAdapter(document), compiled->schema);
    } catch (const std::exception& wrong) {
        return refuse(wrong.what());
    }
    return JsonSchema(std::move(compiled));
}

std::optional<std::string> JsonSchema::violation(string_view answer) const {
    boost::json::error_code error;
    const boost::json::value value = parse(answer, error);
    if (error) return "the answer is not one JSON value";
    valijson::ValidationResults results;
    steps_left = kMostSteps;
    try {
        valijson::Validator validator(valijson::Validator::kStrongTypes);
        adapters::BoostJsonAdapter target(value);
        if (validator.validate(compiled_->schema, target, &results)) return std::nullopt;
    } catch (const TooMuchWork&) {
        return "checking the answer takes too long";
    }
    valijson::ValidationResults::Error first;
    if (!results.popError(first)) return "at `/`: it is not valid";
    return fmt::format("at `{}`: {}", pointer_of(first.context, compiled_->names),
                       rule_of(first.description));
}

}  // namespace llm
