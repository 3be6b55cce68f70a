#include "sync/targeting_check.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sync/condition_check.hpp"
#include "sync/flag_text.hpp"
#include "sync/json_object.hpp"

namespace burgee::sync {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::size_t kLayerNameSizeMax = 256;  // bytes, as a flag's

constexpr std::array<std::string_view, 3> kRuleKeys = {"name", "constraints", "serve"};
constexpr std::array<std::string_view, 3> kServeKeys = {"enabled", "rollout_percentage", "variant"};
constexpr std::array<std::string_view, 3> kRequirementKeys = {"flag", "enabled", "variant"};
constexpr std::array<std::string_view, 1> kLayerKeys = {"name"};

struct ValueTypeName {
    std::string_view name;
    ValueType type;
};
constexpr std::array<ValueTypeName, 4> kValueTypes = {{{"boolean", ValueType::kBoolean},
                                                       {"string", ValueType::kString},
                                                       {"number", ValueType::kNumber},
                                                       {"object", ValueType::kObject}}};

/// True with `fields`, or a refusal.
bool read_object(const element& json, const std::string& place, const char* advice, object& fields,
                 FlagProblems& problems) {
    if (json.get(fields) == simdjson::SUCCESS) {
        return true;
    }
    problems.refuse(place, std::string("is not a JSON object: write ") + advice);
    return false;
}

/// The array under `key` when it has at most `count_max` entries; `what` names them in the plural.
bool read_array(const object& segments, std::string_view key, std::size_t count_max,
                const char* what, array& items, FlagProblems& problems) {
    const std::string place = place_of("segments", key);
    element value;
    if (!is_present(segments, key, value)) {
        return false;
    }
    if (value.get(items) != simdjson::SUCCESS) {
        problems.refuse(place, "is not a JSON array: write [{...}, ...]");
        return false;
    }
    const std::size_t count = items.size();
    if (count > count_max) {
        problems.refuse(place, std::to_string(count) + " " + what + ": at most " +
                                   std::to_string(count_max) + " are possible");
        return false;
    }
    return true;
}

/// How many of `keys` are there.
std::size_t count_present(const object& fields, std::span<const std::string_view> keys) {
    element ignored;
    return static_cast<std::size_t>(std::ranges::count_if(
        keys, [&](std::string_view key) { return is_present(fields, key, ignored); }));
}

/// A name under `key` that must be there.
std::string read_name(const object& fields, std::string_view key, std::size_t size_max,
                      const std::string& place, FlagProblems& problems) {
    element value;
    std::string_view name;
    if (!is_present(fields, key, value) || value.get(name) != simdjson::SUCCESS) {
        problems.refuse(place_of(place, key), "is missing or not a text: write a name");
    } else if (const auto complaint = name_complaint(name, size_max)) {
        problems.refuse(place_of(place, key), *complaint);
    }
    return std::string(name);
}

Serve read_serve(const object& rule, const std::string& rule_place, FlagProblems& problems) {
    const std::string place = place_of(rule_place, "serve");
    constexpr const char* kAdvice =
        "{\"enabled\": true}, {\"rollout_percentage\": 25} or {\"variant\": \"name\"}";
    element value;
    object fields;
    if (!is_present(rule, "serve", value)) {
        problems.refuse(place, std::string("is missing: write ") + kAdvice);
        return false;
    }
    if (!read_object(value, place, kAdvice, fields, problems)) {
        return false;
    }
    refuse_unknown_keys(fields, kServeKeys, place, problems);
    if (const std::size_t count = count_present(fields, kServeKeys); count != 1) {
        problems.refuse(place, "serves " + std::to_string(count) +
                                   " things and must serve exactly one: write " + kAdvice);
        return false;
    }
    if (is_present(fields, "variant", value)) {
        return ServeVariant{read_name(fields, "variant", kFlagNameSizeMax, place, problems)};
    }
    if (is_present(fields, "rollout_percentage", value)) {
        double percentage = 0;
        if (value.get(percentage) != simdjson::SUCCESS || !(percentage >= 0 && percentage <= 100)) {
            problems.refuse(place_of(place, "rollout_percentage"),
                            "is not a number from 0 to 100: correct it");
        }
        return ServeRollout{percentage + 0.0};  // -0 is 0
    }
    bool is_on = false;
    if (fields["enabled"].get(is_on) != simdjson::SUCCESS) {
        problems.refuse(place_of(place, "enabled"), "is not a truth: write true or false");
    }
    return is_on;
}

Rule read_rule(const element& json, const std::string& place, FlagProblems& problems) {
    Rule rule;
    object fields;
    element value;
    std::string_view name;
    if (!read_object(json, place, "{\"name\": ..., \"constraints\": [...], \"serve\": {...}}",
                     fields, problems)) {
        return rule;
    }
    refuse_unknown_keys(fields, kRuleKeys, place, problems);
    if (!is_present(fields, "name", value)) {
        // a rule needs no name
    } else if (value.get(name) != simdjson::SUCCESS) {
        problems.refuse(place_of(place, "name"), "is not a text: write a name");
    } else if (const auto complaint = name_complaint(name, kFlagNameSizeMax);
               complaint && !name.empty()) {
        problems.refuse(place_of(place, "name"), *complaint);
    }
    rule.name = name;
    const std::string constraints = place_of(place, "constraints");
    if (is_present(fields, "constraints", value)) {
        rule.constraints = read_conditions(value, constraints, problems);
    } else {
        problems.refuse(constraints, "is missing: write [{...}], or [] for a rule for everybody");
    }
    rule.serve = read_serve(fields, place, problems);
    return rule;
}

void read_rules(const object& segments, FlagDefinition& flag, FlagProblems& problems) {
    array items;
    if (read_array(segments, "rules", kRuleCountMax, "rules", items, problems)) {
        for (const element& item : items) {
            flag.rules.push_back(
                read_rule(item, place_of("segments.rules", flag.rules.size()), problems));
        }
    }
}

Requirement read_requirement(const element& json, const std::string& place,
                             const std::string& flag_name, FlagProblems& problems) {
    constexpr const char* kAdvice =
        "{\"flag\": ..., \"enabled\": true} or {\"flag\": ..., \"variant\": \"name\"}";
    Requirement requirement;
    object fields;
    if (!read_object(json, place, kAdvice, fields, problems)) {
        return requirement;
    }
    refuse_unknown_keys(fields, kRequirementKeys, place, problems);
    requirement.flag = read_name(fields, "flag", kFlagNameSizeMax, place, problems);
    if (requirement.flag == flag_name) {
        problems.refuse(place_of(place, "flag"), "is this flag itself: remove it");
    }
    element value;
    bool is_on = true;
    if (count_present(fields, std::span(kRequirementKeys).subspan(1)) != 1) {
        problems.refuse(place, std::string("must want exactly one thing: write ") + kAdvice);
    } else if (is_present(fields, "variant", value)) {
        requirement.wanted = read_name(fields, "variant", kFlagNameSizeMax, place, problems);
    } else if (fields["enabled"].get(is_on) != simdjson::SUCCESS) {
        problems.refuse(place_of(place, "enabled"), "is not a truth: write true or false");
    } else {
        requirement.wanted = is_on;
    }
    return requirement;
}

void read_requirements(const object& segments, FlagDefinition& flag, FlagProblems& problems) {
    array items;
    if (read_array(segments, "requires", kRequirementCountMax, "requirements", items, problems)) {
        for (const element& item : items) {
            flag.requirements.push_back(
                read_requirement(item, place_of("segments.requires", flag.requirements.size()),
                                 flag.name, problems));
        }
    }
}

void read_layer(const object& segments, FlagDefinition& flag, FlagProblems& problems) {
    element value;
    object fields;
    if (is_present(segments, "layer", value) &&
        read_object(value, "segments.layer", "{\"name\": \"...\"}", fields, problems)) {
        refuse_unknown_keys(fields, kLayerKeys, "segments.layer", problems);
        flag.layer = LayerMembership{
            read_name(fields, "name", kLayerNameSizeMax, "segments.layer", problems), {}};
    }
}

void read_value_type(const object& segments, FlagDefinition& flag, FlagProblems& problems) {
    element value;
    std::string_view name;
    if (!is_present(segments, "value_type", value)) {
        return;
    }
    if (value.get(name) == simdjson::SUCCESS) {
        const auto* const found = std::ranges::find(kValueTypes, name, &ValueTypeName::name);
        if (found != kValueTypes.end()) {
            flag.value_type = found->type;
            return;
        }
    }
    problems.refuse("segments.value_type",
                    (name.empty() ? "" : "\"" + shown_text(name) + "\" ") +
                        std::string("is no type of value: write \"boolean\", \"string\", "
                                    "\"number\" or \"object\""));
}

}  // namespace

void read_targeting(const object& segments, FlagDefinition& flag, FlagProblems& problems) {
    element value;
    if (is_present(segments, "audience", value)) {
        flag.audience = read_conditions(value, "segments.audience", problems);
    }
    read_rules(segments, flag, problems);
    read_requirements(segments, flag, problems);
    read_layer(segments, flag, problems);
    read_value_type(segments, flag, problems);
}

void check_served_variants(const FlagDefinition& flag, FlagProblems& problems) {
    for (std::size_t index = 0; index < flag.rules.size(); ++index) {
        const auto* const served = std::get_if<ServeVariant>(&flag.rules[index].serve);
        if (served == nullptr) {
            continue;
        }
        const std::string place = place_of("segments.rules", index) + ".serve.variant";
        if (flag.status != Status::kAbTest) {
            problems.refuse(place,
                            "is for ab_test flags alone, and this flag has another status: write "
                            "{\"enabled\": true}");
        } else if (std::ranges::find(flag.variants, served->name, &VariantDefinition::name) ==
                   flag.variants.end()) {
            std::vector<std::string_view> names;
            for (const VariantDefinition& variant : flag.variants) {
                names.push_back(variant.name);
            }
            problems.refuse(place, "\"" + shown_text(served->name) +
                                       "\" is no variant of this flag: correct it" +
                                       meant(served->name, names, problems));
        }
    }
}

void take_layer_slots(const RawFlag& row, FlagDefinition& flag, FlagProblems& problems) {
    const std::string named = flag.layer ? flag.layer->name : "";
    for (const LayerMembership& owned : row.layers) {
        if (flag.layer && owned.name == named) {
            flag.layer->slots = owned.slots;
        } else {
            problems.warn("segments.layer",
                          (flag.layer ? "is \"" + shown_text(named) + "\"" : "names no layer") +
                              ", but the flag owns slots of layer \"" + shown_text(owned.name) +
                              "\", which lie idle: name that layer or release them");
        }
    }
    if (flag.layer && flag.layer->slots.empty()) {
        problems.warn("segments.layer",
                      row.has_named_layer
                          ? "is \"" + shown_text(named) +
                                "\", of which the flag owns no slot, so nobody takes part: assign "
                                "it some"
                          : "is \"" + shown_text(named) +
                                "\", which does not exist, so nobody takes part: create it and "
                                "assign slots");
    }
}

}  // namespace burgee::sync
