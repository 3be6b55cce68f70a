#include "sync/condition_check.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "sync/constraint_check.hpp"
#include "sync/flag_text.hpp"
#include "sync/json_object.hpp"

namespace burgee::sync {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

struct Form {
    std::string_view key;
    Condition::Kind kind;
};
constexpr std::array<Form, 4> kForms = {{{"segment", Condition::Kind::kSegment},
                                         {"any", Condition::Kind::kAny},
                                         {"all", Condition::Kind::kAll},
                                         {"not", Condition::Kind::kNot}}};
constexpr std::array<std::string_view, 10> kConditionKeys = {
    "attribute",        "operator", "values", "value", "inverted",
    "case_insensitive", "segment",  "any",    "all",   "not"};

std::vector<Condition> read_list(const element& json, const std::string& place, std::uint32_t level,
                                 FlagProblems& problems);
Condition read_condition(const element& json, const std::string& place, std::uint32_t level,
                         FlagProblems& problems);

std::string read_segment_name(const element& value, const std::string& place,
                              FlagProblems& problems) {
    std::string_view name;
    if (value.get(name) != simdjson::SUCCESS) {
        problems.refuse(place, "is not a text: write the name of a segment");
    } else if (const auto complaint = name_complaint(name, kSegmentNameSizeMax)) {
        problems.refuse(place, *complaint);
    }
    return std::string(name);
}

/// A condition has one form; what else stands in its object would be lost.
void refuse_company(const object& json, std::string_view form, const std::string& place,
                    FlagProblems& problems) {
    for (const auto& [key, value] : json) {
        if (key != form && std::ranges::find(kConditionKeys, key) != kConditionKeys.end() &&
            !value.is_null()) {
            problems.refuse(place_of(place, key),
                            "cannot stand beside \"" + std::string(form) +
                                "\": write a constraint of its own, or wrap this one in {\"not\": "
                                "...}, {\"all\": [...]} or {\"any\": [...]}");
        }
    }
}

Condition read_form(const Form& form, const object& json, const std::string& place,
                    std::uint32_t level, FlagProblems& problems) {
    refuse_company(json, form.key, place, problems);
    const element value = json[form.key].value_unsafe();
    const std::string inner = place_of(place, form.key);
    Condition condition;
    condition.kind = form.kind;
    if (form.kind == Condition::Kind::kSegment) {
        condition.segment = read_segment_name(value, inner, problems);
    } else if (form.kind == Condition::Kind::kNot) {
        condition.children.push_back(read_condition(value, inner, level + 1, problems));
    } else {
        condition.children = read_list(value, inner, level + 1, problems);
        if (form.kind == Condition::Kind::kAny && condition.children.empty()) {
            problems.warn(inner, "is empty and never holds: give it constraints");
        }
    }
    return condition;
}

Condition read_condition(const element& json, const std::string& place, std::uint32_t level,
                         FlagProblems& problems) {
    object fields;
    element ignored;
    if (level > kConditionDepthMax) {
        problems.refuse(place, "is nested deeper than " + std::to_string(kConditionDepthMax) +
                                   " levels of any, all and not: flatten it");
        return {};
    }
    if (json.get(fields) != simdjson::SUCCESS) {
        problems.refuse(place,
                        "is not a JSON object: write {\"attribute\": ..., \"operator\": ..., "
                        "\"values\": [...]}");
        return {};
    }
    refuse_unknown_keys(fields, kConditionKeys, place, problems);
    const auto* const form = std::ranges::find_if(
        kForms, [&](const Form& candidate) { return is_present(fields, candidate.key, ignored); });
    return form == kForms.end() ? read_constraint(fields, place, problems)
                                : read_form(*form, fields, place, level, problems);
}

std::vector<Condition> read_list(const element& json, const std::string& place, std::uint32_t level,
                                 FlagProblems& problems) {
    std::vector<Condition> conditions;
    array items;
    if (json.get(items) != simdjson::SUCCESS) {
        problems.refuse(place, "is not a JSON array of constraints: write [{...}, ...]");
        return conditions;
    }
    for (const element& item : items) {
        conditions.push_back(
            read_condition(item, place_of(place, conditions.size()), level, problems));
    }
    return conditions;
}

/// Whether a constraint is true of a unit that does not have the attribute.
bool holds_without(const Condition& constraint) {
    return (constraint.operation == Operator::kNotIn) != constraint.is_inverted;
}

/// Warns of conditions that let in units without the attribute they look at. EXISTS asks for just
/// that, and a neighbour that must hold too and needs the attribute keeps such units out.
class MissingAttributes {
public:
    explicit MissingAttributes(FlagProblems& problems) : problems_(problems) {}

    void look_at_all(const std::vector<Condition>& conditions, const std::string& place,
                     std::set<std::string_view> needed) {
        for (const Condition& condition : conditions) {
            if (condition.kind == Condition::Kind::kConstraint && !holds_without(condition)) {
                needed.insert(condition.attribute);
            }
        }
        for (std::size_t index = 0; index < conditions.size(); ++index) {
            look_at(conditions[index], place_of(place, index), needed);
        }
    }

private:
    void look_at(const Condition& condition, const std::string& place,
                 const std::set<std::string_view>& needed) {
        if (condition.kind == Condition::Kind::kConstraint && holds_without(condition)) {
            warn(condition, place, needed);
        } else if (condition.kind == Condition::Kind::kNot) {
            const Condition& inner = condition.children.front();
            if (inner.kind == Condition::Kind::kConstraint && !holds_without(inner)) {
                warn(inner, place, needed);
            }
        } else if (condition.kind == Condition::Kind::kAll) {
            look_at_all(condition.children, place_of(place, "all"), needed);
        } else if (condition.kind == Condition::Kind::kAny) {
            for (std::size_t index = 0; index < condition.children.size(); ++index) {
                look_at(condition.children[index], place_of(place_of(place, "any"), index), needed);
            }
        }
    }

    void warn(const Condition& constraint, const std::string& place,
              const std::set<std::string_view>& needed) {
        if (constraint.operation != Operator::kExists && !needed.contains(constraint.attribute)) {
            const std::string name = shown_text(constraint.attribute);
            problems_.warn(
                place, "also holds for units without \"" + name + "\": add {\"attribute\": \"" +
                           name + "\", \"operator\": \"EXISTS\"} beside it unless you mean that");
        }
    }

    FlagProblems& problems_;
};

}  // namespace

std::vector<Condition> read_conditions(const element& json, const std::string& place,
                                       FlagProblems& problems) {
    const std::size_t refusals = problems.refusal_count();
    std::vector<Condition> conditions = read_list(json, place, 1, problems);
    if (problems.refusal_count() == refusals) {
        MissingAttributes(problems).look_at_all(conditions, place, {});
    }
    return conditions;
}

}  // namespace burgee::sync
