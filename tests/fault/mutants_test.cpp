// Promise: the fault suite looks. Take out deduplication, checksums, fdatasync or the cursor's
// fence, answer too early, believe a sync that failed, go on at the wrong number or miscount by
// one, one at a time, and it fails on what that safeguard is for. Method: each mutant is the same
// tests linked with one source compiled without its safeguard; the test that should notice must run
// and fail, by assertion and not by a crash.
#include "tests/support/child_process.hpp"

namespace burgee::test {
namespace {

using ::testing::HasSubstr;

class MutantsTest : public ::testing::Test {
protected:
    static void expect_noticed(const std::string& mutant, const std::string& suite) {
        const ChildOutcome outcome = run_child(
            {std::string(BURGEE_MUTANT_DIRECTORY) + "/" + mutant, "--gtest_filter=" + suite,
             "--gtest_brief=1"},
            std::chrono::seconds(300), {"BURGEE_FAULT_CUTS=1000", "BURGEE_FAULT_CUTS_DB=50"});
        EXPECT_EQ(outcome.exit.code, 1) << mutant << " was not noticed by " << suite << "\n"
                                        << outcome.output;
        EXPECT_THAT(outcome.output, HasSubstr("[  FAILED  ] " + suite));
    }
};

TEST_F(MutantsTest, ASuiteWithoutDeduplicationFails) {
    expect_noticed("mutant_no_dedup",
                   "EventServerTest.ResumesAfterARestartWithoutTakingAnythingTwice");
}

TEST_F(MutantsTest, ASuiteWithoutChecksumsFails) {
    expect_noticed("mutant_no_checksum", "SpoolPowerCutTest.ReportsEveryFlippedBitOfDurableEvents");
}

TEST_F(MutantsTest, ASuiteWithoutFdatasyncFails) {
    expect_noticed("mutant_no_fdatasync",
                   "SpoolPowerCutTest.LosesNothingAcknowledgedAndInventsNothing");
}

TEST_F(MutantsTest, ASuiteWithoutTheCursorsFenceFails) {
    expect_noticed("mutant_no_cursor_fence",
                   "UploaderCutsTest.StoresEveryEventOnceThroughCutConnections");
}

TEST_F(MutantsTest, ASuiteThatIgnoresAFailedSyncFails) {
    expect_noticed("mutant_ignore_sync",
                   "SpoolPowerCutTest.RefusesWhileTheDiskFailsAndRecoversUnaided");
}

TEST_F(MutantsTest, ASuiteThatTrustsASyncAfterAFailedOneFails) {
    expect_noticed("mutant_trust_sync", "SpoolPowerCutTest.TrustsNoSyncThatFollowsAFailedOne");
}

TEST_F(MutantsTest, ASuiteThatGoesOnAtTheWrongNumberFails) {
    expect_noticed("mutant_wrong_lsn",
                   "SpoolPowerCutTest.LosesNothingAcknowledgedAndInventsNothing");
}

TEST_F(MutantsTest, ASuiteThatAnswersBeforeTheCommitFails) {
    expect_noticed("mutant_early_ack", "EventServerTest.TellsAFullSpoolAndTakesTheEventsLater");
}

TEST_F(MutantsTest, ASuiteThatMiscountsByOneFails) {
    expect_noticed("mutant_miscount", "UploaderCutsTest.StoresEveryEventOnceThroughCutConnections");
}

}  // namespace
}  // namespace burgee::test
