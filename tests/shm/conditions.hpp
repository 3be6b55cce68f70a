#pragma once

// Conditions in few words, for tests of targeting.

#include <string>
#include <utility>
#include <vector>

#include "shm/flag_set.hpp"

namespace burgee::test {

inline Condition constraint_on(const std::string& attribute, Operator operation,
                               std::vector<std::string> values = {}) {
    Condition condition;
    condition.attribute = attribute;
    condition.operation = operation;
    condition.values = std::move(values);
    return condition;
}

inline Condition is_in(const std::string& attribute, std::vector<std::string> values) {
    return constraint_on(attribute, Operator::kIn, std::move(values));
}

inline Condition matches(const std::string& attribute, const std::string& pattern) {
    return constraint_on(attribute, Operator::kRegex, {pattern});
}

template <typename Number>
Condition number_on(const std::string& attribute, Operator operation, Number number) {
    Condition condition = constraint_on(attribute, operation);
    condition.number = number;
    return condition;
}

inline Condition group_of(Condition::Kind kind, std::vector<Condition> children) {
    Condition condition;
    condition.kind = kind;
    condition.children = std::move(children);
    return condition;
}

inline Condition negation_of(Condition condition) {
    return group_of(Condition::Kind::kNot, {std::move(condition)});
}

inline Condition named_segment(const std::string& name) {
    Condition condition;
    condition.kind = Condition::Kind::kSegment;
    condition.segment = name;
    return condition;
}

inline Condition without_case(Condition condition) {
    condition.is_case_insensitive = true;
    return condition;
}

inline Condition inverse_of(Condition condition) {
    condition.is_inverted = true;
    return condition;
}

}  // namespace burgee::test
