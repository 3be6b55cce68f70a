#pragma once

// The good snapshot whose bytes fuzz_snapshot spoils, and which every other flag of fuzz_row meets:
// every status, path, operation and kind of record. Frozen: the meaning of an old input depends on
// it. Add flags only together with new kinds of record.

#include "tests/shm/sample_flags.hpp"

namespace burgee::fuzz {

inline Condition constraint(const std::string& attribute, Operator operation,
                            std::vector<std::string> values = {}) {
    Condition condition;
    condition.attribute = attribute;
    condition.operation = operation;
    condition.values = std::move(values);
    return condition;
}

template <typename Number>
Condition numeric(const std::string& attribute, Operator operation, Number number) {
    Condition condition = constraint(attribute, operation);
    condition.number = number;
    return condition;
}

inline Condition segment(const std::string& name) {
    Condition condition;
    condition.kind = Condition::Kind::kSegment;
    condition.segment = name;
    return condition;
}

inline Condition group(Condition::Kind kind, std::vector<Condition> children) {
    Condition condition;
    condition.kind = kind;
    condition.children = std::move(children);
    return condition;
}

inline Condition any_case(Condition condition) {
    condition.is_case_insensitive = true;
    return condition;
}

inline Condition inverted(Condition condition) {
    condition.is_inverted = true;
    return condition;
}

inline std::vector<SegmentDefinition> base_segments() {
    return {{"pro", 1, {constraint("plan", Operator::kIn, {"pro", "enterprise"})}},
            {"staff",
             1,
             {any_case(constraint("email", Operator::kStrEndsWith, {"@example.com"})),
              segment("pro")}}};
}

inline FlagDefinition flag_with_rules(const std::string& name, Status status,
                                      std::vector<Rule> rules) {
    FlagDefinition flag =
        status == Status::kAbTest ? test::ab_test_of(name) : test::flag_of(name, status, 50);
    flag.rules = std::move(rules);
    return flag;
}

/// Rules that together use every operation.
inline std::vector<Rule> rules_of_every_kind() {
    using enum Operator;
    return {
        {"text",
         {any_case(constraint("plan", kIn, {"a", "b", "c"})),
          constraint("plan", kNotIn, {"x", "y", "z"}),
          any_case(constraint("email", kStrContains, {"EXAMPLE"})),
          constraint("email", kStrStartsWith, {"anna", "berta"})},
         ServeRollout{12.5}},
        {"", {constraint("email", kRegex, {"^a+@(x|y)"})}, true},
        {"numbers",
         {numeric("age", kNumEq, std::int64_t{-3}), numeric("age", kNumGt, std::uint64_t{1} << 63U),
          numeric("age", kNumGte, 0.5), inverted(numeric("age", kNumLt, std::int64_t{9}))},
         false},
        {"more numbers",
         {group(Condition::Kind::kAny,
                {numeric("age", kNumLte, 1e300), numeric("since", kDateAfter, std::int64_t{0}),
                 numeric("since", kDateBefore, test::kNow)})},
         ServeRollout{50}},
        {"versions",
         {constraint("version", kSemverEq, {"1.2.3"}), constraint("version", kSemverGt, {"1.0.0"}),
          constraint("version", kSemverGte, {"1.0.0-rc.1+b"}),
          constraint("version", kSemverLt, {"2.0.0"}),
          constraint("version", kSemverLte, {"2.0.0"})},
         true},
        {"groups",
         {group(Condition::Kind::kNot,
                {group(Condition::Kind::kAll, {segment("staff"), constraint("plan", kExists)})})},
         false},
    };
}

inline FlagChanges base_changes() {
    FlagChanges changes = test::one_of_each();
    changes.segments = base_segments();
    FlagDefinition layered = test::flag_of("checkout.new", Status::kGradualRollout, 50);
    layered.layer = LayerMembership{"checkout", {{0, 2'499}, {5'000, 7'499}}};
    FlagDefinition requiring = test::flag_of("needs.others", Status::kEnabled);
    requiring.requirements = {{"everywhere", true},
                              {"dark.mode", false},
                              {"model_comparison", std::string("treatment")},
                              {"rules.all", true},
                              {"not.there", true}};
    FlagDefinition served =
        flag_with_rules("rules.served", Status::kAbTest,
                        {{"by hand", {segment("staff")}, ServeVariant{"treatment"}}});
    served.audience = {segment("pro"),
                       group(Condition::Kind::kAny,
                             {constraint("is_staff", Operator::kExists), segment("staff")})};
    changes.changed.push_back(layered);
    changes.changed.push_back(requiring);
    changes.changed.push_back(served);
    changes.changed.push_back(
        flag_with_rules("rules.all", Status::kGradualRollout, rules_of_every_kind()));
    return changes;
}

}  // namespace burgee::fuzz
