// Promise: the rules speak in their order, each names itself, and no fixed-horizon p-value ends an
// experiment early. Method: one set of facts that ships, and one thing changed at a time.

#include "stats/verdict.hpp"

namespace burgee::test {
namespace {

using stats::Evidence;
using stats::Judgement;
using stats::Verdict;
using ::testing::HasSubstr;

class VerdictTest : public ::testing::Test {
protected:
    VerdictTest() {
        facts_.variants = {{"control", 1000}, {"treatment", 1000}};
        facts_.sample_ratio_p = 0.41;
        facts_.is_final = true;
        facts_.success = {evidence("treatment", "conversion", 0.03, 0.01, 0.04)};
    }

    static Evidence evidence(std::string variant, std::string metric, double difference,
                             std::optional<double> p_fixed, std::optional<double> p_any_look) {
        Evidence item;
        item.variant = std::move(variant);
        item.metric = stats::default_goal(std::move(metric));
        item.difference = difference;
        item.lift = difference / 0.12;
        item.p_fixed = p_fixed;
        item.p_always_valid = p_any_look;
        return item;
    }

    Judgement judge() const { return stats::judge(facts_); }
    Verdict verdict() const { return judge().verdict; }

    stats::VerdictFacts facts_;
};

TEST_F(VerdictTest, ShipsWhatIsBetter) {
    const Judgement judgement = judge();
    EXPECT_EQ(judgement.verdict, Verdict::kTreatmentBetter);
    EXPECT_EQ(judgement.variant, "treatment");
    EXPECT_THAT(judgement.recommendation, HasSubstr("Ship treatment"));
    EXPECT_THAT(judgement.recommendation, HasSubstr("conversion +25.0% (p 0.01 < 0.05)"));
    EXPECT_THAT(judgement.recommendation, HasSubstr("more than 30 units a variant"));
}

TEST_F(VerdictTest, RollsBackWhatIsWorse) {
    facts_.success[0].difference = -0.03;
    EXPECT_EQ(verdict(), Verdict::kTreatmentWorse);
    EXPECT_THAT(judge().recommendation, HasSubstr("Roll back treatment"));
}

TEST_F(VerdictTest, ThirtyUnitsAreNotMoreThanThirty) {
    facts_.variants[1].exposed_units = 30;
    EXPECT_EQ(verdict(), Verdict::kInsufficientData);
    EXPECT_THAT(judge().recommendation, HasSubstr("treatment has 30 units, 1 more needed"));
    EXPECT_THAT(judge().recommendation, HasSubstr("more than 30 units a variant"));
    facts_.variants[0].exposed_units = 0;
    EXPECT_THAT(judge().recommendation, HasSubstr("control has 0 units, 31 more needed"));
    facts_.variants = {{"control", 31}, {"treatment", 31}};
    EXPECT_EQ(verdict(), Verdict::kTreatmentBetter);
}

TEST_F(VerdictTest, ABrokenSplitBlocksEveryVerdict) {
    facts_.sample_ratio_p = 0.00099;
    EXPECT_EQ(verdict(), Verdict::kSampleRatioMismatch);
    facts_.sample_ratio_p = 0.001;
    EXPECT_EQ(verdict(), Verdict::kTreatmentBetter);
    facts_.sample_ratio_p.reset();
    EXPECT_EQ(verdict(), Verdict::kTreatmentBetter);
}

TEST_F(VerdictTest, OnePercentOfCrossoversBlocksEveryVerdict) {
    facts_.crossover_share = 0.01;
    EXPECT_EQ(verdict(), Verdict::kTooManyCrossovers);
    facts_.crossover_share = 0.0099;
    EXPECT_EQ(verdict(), Verdict::kTreatmentBetter);
}

TEST_F(VerdictTest, MoreErrorsRollBackWhateverConversionSays) {
    facts_.guardrail = {evidence("treatment", "error", 0.01, 0.001, 0.2)};
    EXPECT_EQ(verdict(), Verdict::kTreatmentWorse);
    EXPECT_THAT(judge().recommendation, HasSubstr("guardrail error"));
    facts_.guardrail[0].difference = -0.01;  // fewer errors are no reason to stop
    EXPECT_EQ(verdict(), Verdict::kTreatmentBetter);
}

TEST_F(VerdictTest, BeforeTheEndOnlyTheAlwaysValidReadingDecides) {
    facts_.is_final = false;
    facts_.remaining_days = 5;
    facts_.success[0].p_fixed = 1e-9;
    facts_.success[0].p_always_valid = 0.06;
    EXPECT_EQ(verdict(), Verdict::kKeepRunning);
    EXPECT_THAT(judge().recommendation, HasSubstr("always-valid p 0.06 >= 0.05"));
    EXPECT_THAT(judge().recommendation, HasSubstr("in 5 d"));
    facts_.success[0].p_always_valid.reset();
    EXPECT_EQ(verdict(), Verdict::kKeepRunning);
    facts_.success[0].p_always_valid = 0.04;
    EXPECT_EQ(verdict(), Verdict::kTreatmentBetter);
}

TEST_F(VerdictTest, AtTheEndTheFixedHorizonDecides) {
    facts_.success[0].p_fixed = 0.05;
    EXPECT_EQ(verdict(), Verdict::kNotSignificant);
    facts_.success[0].p_fixed = 0.049;
    facts_.success[0].p_always_valid = 0.9;
    EXPECT_EQ(verdict(), Verdict::kTreatmentBetter);
}

TEST_F(VerdictTest, NothingToTestIsUndefined) {
    facts_.success[0].p_fixed.reset();
    EXPECT_EQ(verdict(), Verdict::kUndefined);
    facts_.success.clear();
    EXPECT_EQ(verdict(), Verdict::kUndefined);
}

TEST_F(VerdictTest, FasterIsBetterAndSlowerIsWorse) {
    facts_.success = {evidence("treatment", "response_time_ms", -3.6, 0.001, 0.01)};
    EXPECT_EQ(verdict(), Verdict::kTreatmentBetter);
    facts_.success[0].difference = 3.6;
    EXPECT_EQ(verdict(), Verdict::kTreatmentWorse);
}

TEST_F(VerdictTest, GainsAndLossesTogetherAreMixed) {
    facts_.success.push_back(evidence("treatment", "quality_score", -0.1, 0.001, 0.001));
    EXPECT_EQ(verdict(), Verdict::kMixed);
    EXPECT_THAT(judge().recommendation, HasSubstr("Holm-adjusted p"));
}

TEST_F(VerdictTest, TheBestOfSeveralTreatmentsIsNamed) {
    facts_.variants.push_back({"bolder", 1000});
    facts_.success.push_back(evidence("bolder", "conversion", 0.05, 0.001, 0.001));
    EXPECT_EQ(judge().variant, "bolder");
    facts_.success[1].difference = -0.05;  // the loser does not hide the winner
    EXPECT_EQ(judge().variant, "treatment");
    EXPECT_EQ(verdict(), Verdict::kTreatmentBetter);
}

}  // namespace
}  // namespace burgee::test
