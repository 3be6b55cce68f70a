#include "shm/flag_limits.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "shm/json_text.hpp"
#include "shm/rule_program.hpp"

namespace burgee {
namespace {

constexpr double kWeightSumTolerance = 0.01 + 1e-9;  // percent; the second part is rounding noise

FlagProblem problem_of(const FlagDefinition& flag, std::string field, std::string message) {
    return {.flag = flag.name.substr(0, kFlagNameSizeMax),
            .field = std::move(field),
            .message = std::move(message),
            .is_refused = true};
}

std::optional<FlagProblem> over_limit(const FlagDefinition& flag, std::string field,
                                      std::size_t count, std::size_t limit, std::string_view what) {
    if (count <= limit) {
        return std::nullopt;
    }
    return problem_of(flag, std::move(field),
                      std::to_string(count) + " " + std::string(what) + ", at most " +
                          std::to_string(limit) + " are possible: shorten it");
}

struct Limit {
    const char* field;
    std::size_t count;
    std::size_t limit;
    const char* what;
};

std::optional<FlagProblem> check_all(const FlagDefinition& flag, std::span<const Limit> limits) {
    for (const Limit& limit : limits) {
        if (auto problem = over_limit(flag, limit.field, limit.count, limit.limit, limit.what)) {
            return problem;
        }
    }
    return std::nullopt;
}

std::optional<FlagProblem> check_variant(const FlagDefinition& flag, std::size_t number) {
    const VariantDefinition& variant = flag.variants[number];
    const std::string field = "variants[" + std::to_string(number) + "]";
    if (!std::isfinite(variant.weight) || variant.weight < 0 || variant.weight > 100) {
        return problem_of(flag, field + ".weight", "the weight must be a number from 0 to 100");
    }
    if (variant.name.empty()) {
        return problem_of(flag, field + ".name", "a variant needs a name");
    }
    if (auto problem =
            over_limit(flag, field + ".name", variant.name.size(), UINT16_MAX, "bytes")) {
        return problem;
    }
    if (auto problem = over_limit(flag, field + ".config_overrides", variant.config.size(),
                                  kConfigFieldCountMax, "fields")) {
        return problem;
    }
    std::set<std::string_view> paths;
    for (const ConfigScalar& scalar : variant.config) {
        if (scalar.path.size() > UINT16_MAX) {
            return over_limit(flag, field + ".config_overrides", scalar.path.size(), UINT16_MAX,
                              "bytes in one key");
        }
        if (!paths.insert(scalar.path).second) {
            return problem_of(flag, field + ".config_overrides",
                              "the key " + json_quoted(scalar.path) + " appears twice");
        }
    }
    return std::nullopt;
}

std::optional<FlagProblem> check_variants(const FlagDefinition& flag) {
    if (auto problem =
            over_limit(flag, "variants", flag.variants.size(), kVariantCountMax, "variants")) {
        return problem;
    }
    double sum = 0;
    int weighted_count = 0;
    for (std::size_t number = 0; number < flag.variants.size(); ++number) {
        if (auto problem = check_variant(flag, number)) {
            return problem;
        }
        sum += flag.variants[number].weight;
        weighted_count += flag.variants[number].weight > 0 ? 1 : 0;
    }
    if (weighted_count < 2) {
        return problem_of(flag, "variants", "an ab_test needs two variants of weight > 0");
    }
    if (flag.bucketing == Bucketing::kXxh3 && std::abs(sum - 100.0) > kWeightSumTolerance) {
        return problem_of(flag, "variants",
                          "the weights sum to " + std::to_string(sum) + ", they must sum to 100");
    }
    return std::nullopt;
}

/// All bytes that the flag's texts may take, before any is shared.
std::size_t strings_size_of(const FlagDefinition& flag) {
    std::size_t size = flag.name.size() + flag.salt.size();
    for (const std::string& attribute : flag.bucket_by) {
        size += attribute.size();
    }
    for (const VariantDefinition& variant : flag.variants) {
        size += variant.name.size() + variant.config_json.size();
        for (const ConfigScalar& scalar : variant.config) {
            const auto* text = std::get_if<std::string>(&scalar.value);
            size += scalar.path.size() + (text != nullptr ? text->size() : 0);
        }
    }
    return size;
}

/// What conditions measure together.
struct ConditionSizes {
    std::size_t depth = 0;         ///< levels of the deepest
    std::size_t set_entries = 0;   ///< values of IN and NOT_IN
    std::size_t strings_size = 0;  ///< bytes of names and of other values
    std::size_t name_size = 0;     ///< bytes of the longest attribute's name
    std::size_t value_size = 0;    ///< bytes of the longest value
};

void measure(const std::vector<Condition>& conditions, std::size_t depth, ConditionSizes& sizes) {
    if (!conditions.empty()) {
        sizes.depth = std::max(sizes.depth, depth);
    }
    if (depth > kConditionDepthMax) {
        return;  // deep enough to be refused
    }
    for (const Condition& condition : conditions) {
        const bool is_set =
            condition.operation == Operator::kIn || condition.operation == Operator::kNotIn;
        sizes.set_entries += is_set ? condition.values.size() : 0;
        sizes.name_size = std::max(sizes.name_size, condition.attribute.size());
        sizes.strings_size += condition.attribute.size();
        for (const std::string& value : condition.values) {
            sizes.strings_size += is_set && condition.values.size() > 1 ? 0 : value.size();
            sizes.value_size = std::max(sizes.value_size, value.size());
        }
        measure(condition.children, depth + 1, sizes);
    }
}

ConditionSizes sizes_of(const FlagDefinition& flag) {
    ConditionSizes sizes;
    measure(flag.audience, 1, sizes);
    for (const Rule& rule : flag.rules) {
        measure(rule.constraints, 1, sizes);
        sizes.strings_size += rule.name.size();
    }
    return sizes;
}

std::array<Limit, 5> limits_of(const ConditionSizes& sizes, const char* field) {
    return {Limit{field, sizes.depth, kConditionDepthMax, "levels of any, all and not"},
            Limit{field, sizes.name_size, kAttributeNameSizeMax, "bytes in an attribute's name"},
            Limit{field, sizes.value_size, kListedTextSizeMax, "bytes in one value"},
            Limit{field, sizes.set_entries, kSetEntryCountMax, "values in all lists"},
            Limit{field, sizes.strings_size, kFlagStringsSizeMax, "bytes of text"}};
}

/// Whether slots are in order, apart and of the layer: readers halve the ranges.
bool are_slots_sound(const std::vector<SlotRange>& slots) {
    for (std::size_t number = 0; number < slots.size(); ++number) {
        if (slots[number].first > slots[number].last || slots[number].last >= kLayerSlotCount ||
            (number > 0 && slots[number - 1].last >= slots[number].first)) {
            return false;
        }
    }
    return true;
}

/// Audience, rules, requires and layer; a disabled flag is stored without them.
std::optional<FlagProblem> check_targeting(const FlagDefinition& flag) {
    const ConditionSizes sizes = sizes_of(flag);
    const std::size_t slot_ranges = flag.layer ? flag.layer->slots.size() : 0;
    const std::array limits{
        Limit{"segments.rules", flag.rules.size(), kRuleCountMax, "rules"},
        Limit{"segments.requires", flag.requirements.size(), kRequirementCountMax, "flags"},
        Limit{"segments.layer", slot_ranges, kSlotRangeCountMax, "ranges of slots"}};
    if (auto problem = check_all(flag, limits)) {
        return problem;
    }
    if (auto problem = check_all(flag, limits_of(sizes, "segments"))) {
        return problem;
    }
    if (flag.layer && !are_slots_sound(flag.layer->slots)) {
        return problem_of(flag, "segments.layer",
                          "its slots are out of order or beyond the layer: assign them anew");
    }
    for (std::size_t number = 0; number < flag.rules.size(); ++number) {
        const Rule& rule = flag.rules[number];
        const std::string field = "segments.rules[" + std::to_string(number) + "]";
        const auto* rollout = std::get_if<ServeRollout>(&rule.serve);
        const auto* variant = std::get_if<ServeVariant>(&rule.serve);
        if (rule.name.size() > UINT16_MAX) {
            return over_limit(flag, field + ".name", rule.name.size(), UINT16_MAX, "bytes");
        }
        if (rollout != nullptr && !(rollout->percentage >= 0 && rollout->percentage <= 100)) {
            return problem_of(flag, field + ".serve.rollout_percentage",
                              "it must be a number from 0 to 100");
        }
        const bool is_known = variant == nullptr ||
                              (flag.status == Status::kAbTest &&
                               std::ranges::find(flag.variants, variant->name,
                                                 &VariantDefinition::name) != flag.variants.end());
        if (!is_known) {
            return problem_of(flag, field + ".serve.variant",
                              json_quoted(variant->name) +
                                  " is no variant of this flag, which "
                                  "must be an ab_test: name one of its variants");
        }
    }
    for (const Requirement& requirement : flag.requirements) {
        if (requirement.flag.empty() || requirement.flag.size() > kFlagNameSizeMax) {
            return problem_of(flag, "segments.requires", "a flag's name has 1 to 256 bytes");
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<FlagProblem> check_limits(const SegmentDefinition& segment) {
    FlagDefinition named;  // what limits are reported of
    named.name = segment_label(segment.name);
    ConditionSizes sizes;
    measure(segment.constraints, 1, sizes);
    if (segment.name.empty() || segment.name.size() > kSegmentNameSizeMax) {
        return problem_of(named, "name",
                          "has " + std::to_string(segment.name.size()) + " bytes: 1 to " +
                              std::to_string(kSegmentNameSizeMax) + " are possible");
    }
    return check_all(named, limits_of(sizes, "constraints"));
}

std::optional<FlagProblem> check_limits(const FlagDefinition& flag) {
    if (flag.name.empty()) {
        return problem_of(flag, "name", "a flag needs a name");
    }
    if (!(flag.rollout_percentage >= 0 && flag.rollout_percentage <= 100)) {
        return problem_of(flag, "rollout_percentage", "it must be a number from 0 to 100");
    }
    const std::array limits{
        Limit{"name", flag.name.size(), kFlagNameSizeMax, "bytes"},
        Limit{"segments.salt", flag.salt.size(), kSaltSizeMax, "bytes"},
        Limit{"segments.bucket_by", flag.bucket_by.size(), kBucketByCountMax, "attributes"},
        Limit{"segments.include", flag.include.size(), kUnitListCountMax, "units"},
        Limit{"segments.exclude", flag.exclude.size(), kUnitListCountMax, "units"},
        Limit{"variants", strings_size_of(flag), kFlagStringsSizeMax, "bytes of text"}};
    auto problem = check_all(flag, limits);
    if (!problem && flag.status == Status::kAbTest) {
        problem = check_variants(flag);
    }
    if (!problem && flag.status != Status::kDisabled) {
        problem = check_targeting(flag);
    }
    return problem;
}

}  // namespace burgee
