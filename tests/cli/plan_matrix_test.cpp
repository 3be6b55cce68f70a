// Promise: the shares of a plan are exactly those of the buckets that hosts compare. Method: cases
// worked out by hand; the split that rebucketing shows; and pairs of flags drawn at random, whose
// shares must be those that the client's evaluator gives to 40 000 units.

#include "cli/plan_matrix.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "cli/exit_code.hpp"
#include "cli/plan_evaluation.hpp"
#include "sync/flag_split.hpp"
#include "tests/shm/conditions.hpp"

namespace burgee::cli {
namespace {

using testing::ElementsAre;

constexpr std::int64_t kNow = 1'000;

FlagDefinition rollout(double percentage) {
    FlagDefinition flag;
    flag.name = "f";
    flag.salt = "f";
    flag.status = Status::kGradualRollout;
    flag.rollout_percentage = percentage;
    return flag;
}

FlagDefinition ab_test(double percentage, const std::vector<double>& weights) {
    FlagDefinition flag = rollout(percentage);
    flag.status = Status::kAbTest;
    for (const double weight : weights) {
        flag.variants.push_back(
            {std::string(1, static_cast<char>('a' + flag.variants.size())), weight, "{}", {}});
    }
    return flag;
}

FlagDefinition with_status(FlagDefinition flag, Status status) {
    flag.status = status;
    return flag;
}

FlagDefinition legacy(FlagDefinition flag) {
    flag.bucketing = Bucketing::kLegacyMd5;
    flag.salt = "rag-cms-features";
    return flag;
}

FlagDefinition salted(FlagDefinition flag, const char* salt) {
    flag.salt = salt;
    return flag;
}

FlagDefinition layered(FlagDefinition flag, const char* layer, std::vector<SlotRange> slots) {
    flag.layer = LayerMembership{layer, std::move(slots)};
    return flag;
}

FlagDefinition bucketed_by(FlagDefinition flag, const char* attribute) {
    flag.bucket_by = {attribute};
    return flag;
}

SideMatrix plan(const FlagDefinition& before, const FlagDefinition& after) {
    return plan_matrix(before, after, kNow);
}

TEST(PlanMatrixTest, RaisingARolloutOnlyAddsUnits) {
    const SideMatrix shares = plan(rollout(25), rollout(50));
    EXPECT_THAT(shares.sides(), ElementsAre("off", "on"));
    EXPECT_DOUBLE_EQ(shares.off_to_on(), 0.25);
    EXPECT_EQ(shares.on_to_off(), 0);
    EXPECT_EQ(shares.between(), 0);
    EXPECT_DOUBLE_EQ(plan(rollout(0.0001), rollout(0)).on_to_off(), 1e-6);
    EXPECT_EQ(plan(rollout(25), rollout(25)).moved(), 0);
}

TEST(PlanMatrixTest, AStatusWithoutADrawIsEverybodyOrNobody) {
    const FlagDefinition flag = rollout(30);
    EXPECT_DOUBLE_EQ(plan(flag, with_status(flag, Status::kEnabled)).off_to_on(), 0.7);
    EXPECT_DOUBLE_EQ(plan(flag, with_status(flag, Status::kDisabled)).on_to_off(), 0.3);
    FlagDefinition expired = flag;
    expired.expires_unix_ms = kNow;
    EXPECT_DOUBLE_EQ(plan(flag, expired).on_to_off(), 0.3);
    expired.expires_unix_ms = kNow + 1;
    EXPECT_EQ(plan(flag, expired).moved(), 0);
}

TEST(PlanMatrixTest, WeightsMoveWhatTheirRangesMove) {
    const SideMatrix shares = plan(ab_test(50, {50, 50}), ab_test(50, {20, 80}));
    EXPECT_THAT(shares.sides(), ElementsAre("off", "a", "b"));
    EXPECT_DOUBLE_EQ(shares.at(1, 2), 0.15);
    EXPECT_DOUBLE_EQ(shares.moved(), 0.15);
    EXPECT_DOUBLE_EQ(shares.at(2, 2), 0.25);
}

TEST(PlanMatrixTest, GateAndVariantAreIndependentWithXxh3AndOneBucketWithLegacy) {
    const SideMatrix ours = plan(ab_test(50, {50, 50}), ab_test(100, {50, 50}));
    EXPECT_DOUBLE_EQ(ours.at(0, 1), 0.25);
    EXPECT_DOUBLE_EQ(ours.at(0, 2), 0.25);
    // Below 50 % only "a" was given to anybody: what the gate adds is all "b".
    const SideMatrix theirs = plan(legacy(ab_test(50, {50, 50})), legacy(ab_test(100, {50, 50})));
    EXPECT_DOUBLE_EQ(theirs.at(0, 2), 0.5);
    EXPECT_DOUBLE_EQ(theirs.at(1, 1), 0.5);
    EXPECT_EQ(theirs.at(0, 1), 0);
}

TEST(PlanMatrixTest, AnotherSaltOrBucketingIsTheProductOfBothShares) {
    const FlagDefinition flag = ab_test(40, {30, 70});
    for (const FlagDefinition& other : {salted(flag, "new"), legacy(flag)}) {
        const SideMatrix shares = plan(flag, other);
        EXPECT_NEAR(shares.moved(),
                    sync::share_that_changes(sync::split_of(flag), sync::split_of(other)), 1e-9);
        EXPECT_NEAR(shares.before(2), 0.28, 1e-12);
        EXPECT_NEAR(shares.at(1, 2), 0.12 * shares.after(2), 1e-12);
    }
}

TEST(PlanMatrixTest, ALayerLetsItsSlotsPass) {
    const FlagDefinition flag = with_status(rollout(100), Status::kGradualRollout);
    const FlagDefinition half = layered(flag, "l", {{0, 4999}});
    EXPECT_DOUBLE_EQ(plan(flag, half).on_to_off(), 0.5);
    EXPECT_DOUBLE_EQ(plan(half, layered(flag, "l", {{2500, 7499}})).on_to_off(), 0.25);
    EXPECT_DOUBLE_EQ(plan(half, layered(flag, "l", {{2500, 7499}})).off_to_on(), 0.25);
    EXPECT_DOUBLE_EQ(plan(half, layered(flag, "m", {{0, 4999}})).moved(), 0.5);
    EXPECT_EQ(
        plan(with_status(flag, Status::kEnabled), with_status(half, Status::kEnabled)).moved(), 0)
        << "an enabled flag is on before its layer is asked";
}

TEST(PlanMatrixTest, AnotherUnitHasAnotherSlotOfTheSameLayer) {
    const FlagDefinition by_user = layered(rollout(100), "l", {{0, 2499}});
    const FlagDefinition by_account = bucketed_by(by_user, "account");
    const SideMatrix shares = plan(by_user, by_account);
    EXPECT_DOUBLE_EQ(shares.at(1, 1), 0.0625);
    EXPECT_DOUBLE_EQ(shares.off_to_on(), 0.1875);
    EXPECT_DOUBLE_EQ(shares.on_to_off(), 0.1875);
    EXPECT_EQ(plan(by_account, salted(by_account, "new")).moved(), 0)
        << "the salt is not that of the slots";
}

TEST(PlanMatrixTest, ANewVariantAndAStatusWithVariantsAreSidesOfTheirOwn) {
    const SideMatrix shares = plan(rollout(50), ab_test(50, {50, 25, 25}));
    EXPECT_THAT(shares.sides(), ElementsAre("off", "on", "a", "b", "c"));
    EXPECT_DOUBLE_EQ(shares.at(1, 2), 0.25);
    EXPECT_DOUBLE_EQ(shares.between(), 0.5);
}

/// One flag drawn at random: any status, rollout, weights, bucketing, unit and perhaps a layer.
FlagDefinition random_flag(std::mt19937& random) {
    const auto up_to = [&](int most) { return std::uniform_int_distribution(0, most)(random); };
    const double percentage = up_to(10'000) / 100.0;
    const int first = up_to(99);  // at least two variants have weight
    FlagDefinition flag =
        up_to(1) == 0
            ? rollout(percentage)
            : ab_test(percentage, {double(first), (100.0 - first) / 4, (100.0 - first) * 3 / 4});
    flag = up_to(3) == 0 ? with_status(flag, Status::kEnabled) : flag;
    flag = up_to(2) == 0 ? salted(flag, "other") : flag;
    flag = up_to(2) == 0 ? bucketed_by(flag, "account") : flag;
    flag = up_to(2) == 0 ? legacy(flag) : flag;
    return up_to(2) == 0 ? layered(flag, "l", {{0, static_cast<std::uint16_t>(up_to(9999))}})
                         : flag;
}

FlagChanges nothing_else() {
    FlagChanges set;
    set.is_full = true;
    set.database_unix_ms = kNow;
    return set;
}

TEST(PlanEvaluationTest, AVariantCalledOffIsOn) {
    FlagDefinition flag = ab_test(100, {50, 50});
    flag.variants[0].name = "off";
    const PlanEvaluation evaluation(nothing_else(), flag, with_status(flag, Status::kDisabled));
    int in_variant = 0;
    for (int unit = 0; unit < 100; ++unit) {
        const auto [before, after] = evaluation.ask(Context{{"user_id", unit}});
        EXPECT_TRUE(before.is_on);
        EXPECT_FALSE(after.is_on);
        EXPECT_EQ(after.name, "off");
        EXPECT_FALSE(before == after) << unit;
        in_variant += before.name == "off" ? 1 : 0;
    }
    EXPECT_GT(in_variant, 0);
}

TEST(PlanEvaluationTest, RefusesAFlagWhateverItsNameLooksLike) {
    FlagDefinition flag = rollout(50);
    flag.name = std::string(100, 'n');  // longer than people are shown
    FlagDefinition after = flag;
    after.audience = {test::named_segment("nowhere")};
    EXPECT_NO_THROW(PlanEvaluation(nothing_else(), flag, flag));
    EXPECT_THROW(PlanEvaluation(nothing_else(), flag, after), Failure);
}

TEST(PlanMatrixTest, TheEvaluatorGivesTheseShares) {
    constexpr int kUnits = 40'000;
    constexpr double kTolerance = 6 * 0.5 / 200;  // six standard errors at their widest
    const unsigned seed = std::random_device()();
    std::mt19937 random(seed);
    for (int round = 0; round < 20; ++round) {
        const FlagDefinition before = random_flag(random);
        const FlagDefinition after = random_flag(random);
        const SideMatrix shares = plan(before, after);
        const PlanEvaluation evaluation(nothing_else(), before, after);
        SideMatrix counts(shares.sides());
        for (int unit = 0; unit < kUnits; ++unit) {
            const auto [from, to] =
                evaluation.ask(Context{{"user_id", unit}, {"account", unit + kUnits}});
            const auto index_of = [&](const PlannedSide& side) {
                return side.is_on ? counts.side(side.name) : std::size_t{0};
            };
            counts.at(index_of(from), index_of(to)) += 1.0 / kUnits;
        }
        double sum = 0;
        for (std::size_t from = 0; from < counts.sides().size(); ++from) {
            for (std::size_t to = 0; to < counts.sides().size(); ++to) {
                sum += shares.at(from, to);
                EXPECT_NEAR(counts.at(from, to), shares.at(from, to), kTolerance)
                    << "seed " << seed << ", round " << round << ", from " << from << " to " << to;
                // What the plan says never happens does not happen to a single unit.
                EXPECT_TRUE(shares.at(from, to) > 1e-15 || counts.at(from, to) == 0);
            }
        }
        EXPECT_NEAR(sum, 1, 1e-9);
    }
}

}  // namespace
}  // namespace burgee::cli
