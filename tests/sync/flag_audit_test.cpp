// Promise: the audit finds every flag whose users get something else than its numbers say, names it
// and what mends it, and keeps silent about the others. Method: one row at a time; shares are
// compared with numbers worked out by hand.
#include "sync/flag_audit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sync/flag_split.hpp"

namespace burgee::sync {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kHalves =
    R"([{"name":"control","weight":50},{"name":"treatment","weight":50}])";

class FlagAuditTest : public testing::Test {
protected:
    FlagAuditTest() {
        flag_.row.name = "beta answers";
        flag_.row.status = "ab_test";
        flag_.row.rollout_percentage = "100";
        flag_.row.segments = "{}";
        flag_.row.variants = kHalves;
        flag_.row.metadata = "{}";
        flag_.is_adopted = true;
        flag_.now_unix_ms = 1'000'000;
    }

    void run_experiment(const std::string& name, bool is_open = true) {
        flag_.experiments.push_back({"e-" + name, name, "beta answers", is_open});
    }
    Findings audit() const { return audit_flag(flag_, settings_); }

    static auto finding(Severity severity, const std::string& message, const std::string& command) {
        return AllOf(Field(&Finding::severity, severity),
                     Field(&Finding::message, HasSubstr(message)),
                     Field(&Finding::command, HasSubstr(command)));
    }

    AuditedFlag flag_;
    FlagSettings settings_{Bucketing::kLegacyMd5, true};
};

TEST_F(FlagAuditTest, KeepsSilentAboutWhatIsWell) {
    run_experiment("one");
    EXPECT_THAT(audit(), IsEmpty());
    flag_.row.status = "gradual_rollout";
    flag_.row.rollout_percentage = "50";
    EXPECT_THAT(audit(), IsEmpty());
    flag_.row.status = "ab_test";
    flag_.row.segments = R"({"bucketing":"xxh3"})";
    EXPECT_THAT(audit(), IsEmpty());
}

TEST_F(FlagAuditTest, NamesTheArmThatGetsNobody) {
    flag_.row.rollout_percentage = "50";
    EXPECT_THAT(audit(), ElementsAre(finding(Severity::kWarn, "\"treatment\" nobody",
                                             "burgee flag rebucket 'beta answers'")));
    EXPECT_EQ(audit()[0].subject, "flag beta answers");
    run_experiment("one");
    EXPECT_THAT(audit(), ElementsAre(finding(Severity::kFail, "nobody", "rebucket")));
    flag_.row.rollout_percentage = "0";  // nobody takes part at all
    EXPECT_THAT(audit(), IsEmpty());
}

TEST_F(FlagAuditTest, NamesTheArmThatGetsLessThanItsWeight) {
    flag_.row.rollout_percentage = "80";
    const Findings found = audit();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_THAT(found[0].message, HasSubstr("\"control\" 62.5 % of 50 %"));
    EXPECT_THAT(found[0].message, HasSubstr("\"treatment\" 37.5 % of 50 %"));
    flag_.row.rollout_percentage = "99.5";  // less than a percentage point off
    EXPECT_THAT(audit(), IsEmpty());
}

TEST_F(FlagAuditTest, SaysWhoTakesTheRestOfWeightsThatDoNotSumUp) {
    flag_.row.variants = R"([{"name":"a","weight":50},{"name":"b","weight":30}])";
    EXPECT_THAT(audit(), ElementsAre(finding(Severity::kWarn, "\"b\", gets 50 % instead of 30 %",
                                             "--variants")));
    flag_.row.segments = R"({"bucketing":"xxh3"})";
    EXPECT_THAT(audit(), ElementsAre(finding(Severity::kFail, "is not published", "--variants")));
}

TEST_F(FlagAuditTest, NamesTargetingThatTargetsNobody) {
    for (const char* type : {"user_attribute", "geographic", "time_based", "whatever"}) {
        flag_.row.segments = R"({"type":")" + std::string(type) + R"("})";
        EXPECT_THAT(audit(), ElementsAre(finding(Severity::kWarn, type, "burgee flag rebucket")));
    }
}

TEST_F(FlagAuditTest, NamesCanariesThatWouldChange) {
    flag_.row.status = "canary";
    flag_.row.rollout_percentage = "3";
    EXPECT_THAT(audit(), ElementsAre(finding(Severity::kWarn, "stays off here; its 3 %",
                                             "--status gradual_rollout")));
    settings_.is_canary_off = false;
    EXPECT_THAT(audit(), Contains(finding(Severity::kFail, "3 % are switched on here",
                                          "burgee flag disable")));
    flag_.is_adopted = false;
    flag_.row.segments = R"({"bucketing":"xxh3","include":["ann"]})";  // a canary for a named few
    EXPECT_THAT(audit(), IsEmpty());
}

TEST_F(FlagAuditTest, NamesExperimentsThatCannotCount) {
    run_experiment("newest");
    run_experiment("planned", false);
    run_experiment("older");
    EXPECT_THAT(audit(), ElementsAre(finding(Severity::kWarn, "the newer \"newest\"",
                                             "burgee experiment complete e-older")));
    EXPECT_EQ(audit()[0].subject, "experiment older");
    flag_.experiments.resize(1);
    flag_.row.expires_unix_ms = flag_.now_unix_ms;
    EXPECT_THAT(audit(), ElementsAre(finding(Severity::kWarn, "has expired",
                                             "burgee experiment complete e-newest")));
    flag_.row.expires_unix_ms = flag_.now_unix_ms + 1;
    EXPECT_THAT(audit(), IsEmpty());
}

TEST_F(FlagAuditTest, QuotesNamesForTheShell) {
    EXPECT_EQ(shell_word("search.v2"), "search.v2");
    EXPECT_EQ(shell_word("it's; rm"), "'it'\\''s; rm'");
    EXPECT_EQ(shell_word("-rf"), "'-rf'");
    EXPECT_EQ(shell_word(""), "''");
}

FlagDefinition split_flag(Status status, Bucketing bucketing, double rollout) {
    FlagDefinition flag;
    flag.status = status;
    flag.bucketing = bucketing;
    flag.rollout_percentage = rollout;
    flag.variants = {{"a", 20, "{}", {}}, {"b", 80, "{}", {}}};
    return flag;
}

TEST(FlagSplitTest, CountsThePlacesOfTheFormerSystem) {
    const FlagSplit split = split_of(split_flag(Status::kAbTest, Bucketing::kLegacyMd5, 33.335));
    EXPECT_DOUBLE_EQ(split.off, 0.6666);  // 33.33 < 33.335 <= 33.34
    EXPECT_DOUBLE_EQ(split.on.at(0), 0.2);
    EXPECT_DOUBLE_EQ(split.on.at(1), 0.1334);
}

TEST(FlagSplitTest, TakesGateAndWeightIndependentlyInXxh3) {
    const FlagSplit split = split_of(split_flag(Status::kAbTest, Bucketing::kXxh3, 50));
    EXPECT_DOUBLE_EQ(split.off, 0.5);
    EXPECT_DOUBLE_EQ(split.on.at(0), 0.1);
    EXPECT_DOUBLE_EQ(split.on.at(1), 0.4);
}

TEST(FlagSplitTest, TellsHowManyChangeSides) {
    const FlagSplit half{.off = 0.5, .on = {0.5}};
    EXPECT_DOUBLE_EQ(share_that_changes(half, half), 0.5);
    const FlagSplit all{.off = 0, .on = {1}};
    EXPECT_DOUBLE_EQ(share_that_changes(all, all), 0);
    const FlagSplit arms{.off = 0.5, .on = {0.5, 0}};
    const FlagSplit fair{.off = 0.5, .on = {0.25, 0.25}};
    EXPECT_DOUBLE_EQ(share_that_changes(arms, fair), 1 - 0.25 - 0.125);
}

}  // namespace
}  // namespace burgee::sync
