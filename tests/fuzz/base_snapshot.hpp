#pragma once

// The good snapshot whose bytes fuzz_snapshot spoils, and which every other flag of fuzz_row meets:
// every status, path, operation and kind of record. Frozen: the meaning of an old input depends on
// it. Add flags only together with new kinds of record.

#include "tests/shm/conditions.hpp"
#include "tests/shm/sample_flags.hpp"

namespace burgee::fuzz {

inline std::vector<SegmentDefinition> base_segments() {
    return {{"pro", 1, {test::constraint_on("plan", Operator::kIn, {"pro", "enterprise"})}},
            {"staff",
             1,
             {test::without_case(
                  test::constraint_on("email", Operator::kStrEndsWith, {"@example.com"})),
              test::named_segment("pro")}}};
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
         {test::without_case(test::constraint_on("plan", kIn, {"a", "b", "c"})),
          test::constraint_on("plan", kNotIn, {"x", "y", "z"}),
          test::without_case(test::constraint_on("email", kStrContains, {"EXAMPLE"})),
          test::constraint_on("email", kStrStartsWith, {"anna", "berta"})},
         ServeRollout{12.5}},
        {"", {test::constraint_on("email", kRegex, {"^a+@(x|y)"})}, true},
        {"numbers",
         {test::number_on("age", kNumEq, std::int64_t{-3}),
          test::number_on("age", kNumGt, std::uint64_t{1} << 63U),
          test::number_on("age", kNumGte, 0.5),
          test::inverse_of(test::number_on("age", kNumLt, std::int64_t{9}))},
         false},
        {"more numbers",
         {test::group_of(Condition::Kind::kAny,
                         {test::number_on("age", kNumLte, 1e300),
                          test::number_on("since", kDateAfter, std::int64_t{0}),
                          test::number_on("since", kDateBefore, test::kNow)})},
         ServeRollout{50}},
        {"versions",
         {test::constraint_on("version", kSemverEq, {"1.2.3"}),
          test::constraint_on("version", kSemverGt, {"1.0.0"}),
          test::constraint_on("version", kSemverGte, {"1.0.0-rc.1+b"}),
          test::constraint_on("version", kSemverLt, {"2.0.0"}),
          test::constraint_on("version", kSemverLte, {"2.0.0"})},
         true},
        {"groups",
         {test::group_of(
             Condition::Kind::kNot,
             {test::group_of(Condition::Kind::kAll, {test::named_segment("staff"),
                                                     test::constraint_on("plan", kExists)})})},
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
                        {{"by hand", {test::named_segment("staff")}, ServeVariant{"treatment"}}});
    served.audience = {
        test::named_segment("pro"),
        test::group_of(Condition::Kind::kAny, {test::constraint_on("is_staff", Operator::kExists),
                                               test::named_segment("staff")})};
    changes.changed.push_back(layered);
    changes.changed.push_back(requiring);
    changes.changed.push_back(served);
    changes.changed.push_back(
        flag_with_rules("rules.all", Status::kGradualRollout, rules_of_every_kind()));
    return changes;
}

}  // namespace burgee::fuzz
