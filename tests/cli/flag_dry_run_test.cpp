// Promise: --dry-run shows exactly what the change would do, refuses what it would refuse, and
// leaves no trace: not in the row, not in the history, not in the revision. Method: the real
// program on a real PostgreSQL; every dry run is followed by a look at the database.

#include "tests/cli/command_line.hpp"

namespace burgee::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class FlagDryRunTest : public CommandLineTest {
protected:
    /// Everything a change would leave behind, as one text.
    static std::string traces() {
        return postgres().value("select value from burgee.revision") + " " +
               postgres().value("select count(*) from burgee.flag_history") + " " +
               postgres().value(
                   "select md5(string_agg(f::text, '' order by name)) "
                   "from feature_flags f");
    }

    /// Runs with --dry-run, expects that it leaves no trace, and returns stdout.
    static std::string tried(std::vector<std::string> words) {
        words.emplace_back("--dry-run");
        const std::string before = traces();
        const ChildOutcome outcome = burgee(words);
        EXPECT_EQ(outcome.exit.code, 0) << outcome.error;
        EXPECT_THAT(outcome.error, HasSubstr("nothing was changed"));
        EXPECT_EQ(traces(), before);
        return outcome.output;
    }
};

TEST_F(FlagDryRunTest, ShowsWhatWouldChangeAndChangesNothing) {
    ok({"flag", "create", "dry.flag", "--status", "gradual_rollout", "--rollout", "5"});
    EXPECT_EQ(tried({"flag", "set", "dry.flag", "--rollout", "50"}),
              "dry.flag would change\n- rollout      5%\n+ rollout      50%\n");
    EXPECT_EQ(tried({"flag", "set", "dry.flag", "--rollout", "5"}),
              "dry.flag would stay as it is\n");
    EXPECT_THAT(tried({"flag", "enable", "dry.flag"}),
                HasSubstr("- status       gradual_rollout\n+ status       enabled\n"));
    EXPECT_THAT(tried({"flag", "disable", "dry.flag"}), HasSubstr("+ status       disabled\n"));
    EXPECT_THAT(tried({"flag", "delete", "dry.flag"}), HasSubstr("dry.flag would be deleted\n"));
    ok({"flag", "set", "dry.flag", "--rollout", "60"});
    EXPECT_THAT(tried({"flag", "rollback", "dry.flag"}),
                HasSubstr("- rollout      60%\n+ rollout      5%\n"));
}

TEST_F(FlagDryRunTest, ANewFlagIsShownWholeAndNotMade) {
    const std::string text =
        tried({"flag", "create", "dry.new", "--status", "enabled", "--description", "a try"});
    EXPECT_THAT(text, HasSubstr("dry.new would be created\n"));
    EXPECT_THAT(text, HasSubstr("+ description  a try\n"));
    EXPECT_THAT(text, Not(HasSubstr("\n- ")));
    refused(3, {"flag", "show", "dry.new"});
}

TEST_F(FlagDryRunTest, KillDoesNotWaitForAHostThatWillNeverHearOfIt) {
    ok({"flag", "create", "dry.kill", "--status", "enabled"});
    EXPECT_THAT(tried({"flag", "kill", "dry.kill", "--directory", "/nonexistent"}),
                HasSubstr("+ status       disabled\n"));
}

TEST_F(FlagDryRunTest, RefusesWhatTheChangeWouldRefuse) {
    ok({"flag", "create", "dry.refused"});
    refused(1, {"flag", "set", "dry.refused", "--status", "ab_test", "--dry-run"});
    refused(1, {"flag", "create", "dry.refused", "--dry-run"});
    refused(3, {"flag", "delete", "dry.nothing", "--dry-run"});
}

TEST_F(FlagDryRunTest, JsonNamesEachField) {
    ok({"flag", "create", "dry.json", "--status", "enabled"});
    const auto dry = json({"flag", "disable", "dry.json", "--dry-run"});
    EXPECT_TRUE(dry["is_dry_run"].get_bool().value());
    EXPECT_TRUE(dry["is_changed"].get_bool().value());
    EXPECT_EQ(dry["changes"].at(0)["field"].get_string().value(), "status");
    EXPECT_EQ(dry["changes"].at(0)["before"].get_string().value(), "enabled");
    EXPECT_EQ(dry["changes"].at(0)["after"].get_string().value(), "disabled");
    EXPECT_EQ(json({"flag", "show", "dry.json"})["status"].get_string().value(), "enabled");
}

}  // namespace
}  // namespace burgee::test
