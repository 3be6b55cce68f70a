#pragma once

// Flags with everything that targeting can store, small enough to spoil byte by byte. Frozen: the
// golden file snapshot_v1_targeting.bin holds these very flags.

#include <string>
#include <utility>
#include <vector>

#include "tests/shm/conditions.hpp"
#include "tests/shm/sample_flags.hpp"

namespace burgee::test {

/// One rule for each operator and each type of a constant.
inline FlagDefinition flag_of_every_operator() {
    FlagDefinition flag = flag_of("operators", Status::kGradualRollout, 10);
    const auto serve_half = [&](Condition condition) {
        flag.rules.push_back({"rule " + std::to_string(flag.rules.size()),
                              {std::move(condition)},
                              ServeRollout{50}});
    };
    serve_half(constraint_on("plan", Operator::kIn, {"pro", "enterprise", "42"}));
    serve_half(without_case(constraint_on("plan", Operator::kNotIn, {"free"})));
    serve_half(without_case(constraint_on("email", Operator::kStrEndsWith, {".org", ".net"})));
    serve_half(inverse_of(constraint_on("email", Operator::kStrContains, {"@", "+"})));
    serve_half(constraint_on("email", Operator::kStrStartsWith, {"root@"}));
    serve_half(number_on("age", Operator::kNumEq, std::int64_t{-1}));
    serve_half(number_on("age", Operator::kNumGt, UINT64_MAX));
    serve_half(number_on("age", Operator::kNumGte, 17.5));
    serve_half(number_on("age", Operator::kNumLt, std::int64_t{3}));
    serve_half(number_on("age", Operator::kNumLte, 4.25));
    serve_half(number_on("seen", Operator::kDateAfter, kNow));
    serve_half(number_on("seen", Operator::kDateBefore, kNow - kDay));
    serve_half(constraint_on("app", Operator::kSemverEq, {"1.2.3"}));
    serve_half(constraint_on("app", Operator::kSemverGt, {"9.0.0"}));
    serve_half(constraint_on("app", Operator::kSemverGte, {"8.0.0-rc.1"}));
    serve_half(constraint_on("app", Operator::kSemverLt, {"0.1.0"}));
    serve_half(constraint_on("app", Operator::kSemverLte, {"0.2.0"}));
    serve_half(constraint_on("beta", Operator::kExists));
    serve_half(constraint_on("email", Operator::kRegex, {"^a+[bc]@"}));
    return flag;
}

inline std::vector<FlagDefinition> flags_with_targeting() {
    using Kind = Condition::Kind;
    FlagDefinition grown_up = flag_of("grown.up", Status::kEnabled);
    grown_up.audience = {named_segment("paying adults"),
                         group_of(Kind::kNot, {constraint_on("banned", Operator::kExists)})};
    grown_up.include = {"anna"};
    grown_up.exclude = {"berta", "carl"};
    FlagDefinition nested = flag_of("nested", Status::kCanary, 5);
    nested.audience = {group_of(
        Kind::kAny,
        {group_of(Kind::kAll, {constraint_on("country", Operator::kIn, {"DE"}),
                               without_case(constraint_on("email", Operator::kRegex, {"\\.de$"}))}),
         named_segment("paying")})};
    FlagDefinition models = ab_test_of("models", 60);
    models.rules = {
        {"staff", {constraint_on("staff", Operator::kIn, {"engineering"})}, ServeVariant{"treatment"}},
        {"everybody from before", {named_segment("paying")}, true},
        {"", {constraint_on("beta", Operator::kExists)}, false}};
    models.layer = LayerMembership{"checkout", {{0, 2'499}, {5'000, 5'000}, {7'500, 9'999}}};
    models.value_type = ValueType::kString;
    FlagDefinition after = flag_of("after", Status::kGradualRollout, 50);
    after.requirements = {{"grown.up", true}, {"nested", false}, {"models", "treatment"}};
    after.bucket_by = {"account", "user_id"};
    FlagDefinition chained = flag_of("chained", Status::kEnabled);
    chained.requirements = {{"after", true}, {"not published", true}};
    FlagDefinition shared = flag_of("shared", Status::kGradualRollout, 100);
    shared.layer = LayerMembership{"checkout", {{2'500, 4'999}}};
    FlagDefinition former = flag_of("former", Status::kAbTest, 33.3);
    former.variants = ab_test_of("former").variants;
    former.bucketing = Bucketing::kLegacyMd5;
    former.salt = "rag-cms-features";
    former.rules = {{"half", {constraint_on("plan", Operator::kExists)}, ServeRollout{50}}};
    FlagDefinition sampled = flag_of("sampled", Status::kGradualRollout, 10);
    sampled.strategy = Strategy::kRandom;
    sampled.audience = {inverse_of(constraint_on("plan", Operator::kIn, {"free"}))};
    return {grown_up,
            nested,
            models,
            after,
            chained,
            shared,
            former,
            sampled,
            flag_of("plain", Status::kGradualRollout, 25),
            flag_of_every_operator()};
}

inline FlagChanges everything_of_targeting() {
    FlagChanges changes;
    changes.revision = 77;
    changes.source_id = 7;
    changes.database_unix_ms = kNow;
    changes.is_full = true;
    changes.changed = flags_with_targeting();
    changes.segments = {
        {"paying adults",
         5,
         {named_segment("paying"), number_on("age", Operator::kNumGte, std::int64_t{18})}},
        {"paying", 4, {constraint_on("plan", Operator::kIn, {"pro", "team"})}}};
    changes.experiments = {experiment_of("model test", "models", kNow - kDay)};
    return changes;
}

}  // namespace burgee::test
