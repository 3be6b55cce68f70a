// Promise: the status files are whole, valid and say what is wrong in words.
// Method: statuses made by hand, files read back.
#include "daemon/status_files.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

DaemonStatus sick() {
    DaemonStatus status;
    status.flags.flag_count = 6;
    status.flags.generation = 7;
    status.flags.database_error = "no server at \"/tmp/x\"";
    status.flags.problems.push_back({"new_ui", "variants[1].weight", "weights sum to 90", true});
    status.flags.held = {"gone"};
    status.is_spool_open = true;
    status.spool.events_in_spool = 42;
    return status;
}

TEST(StatusFilesTest, TextNamesWhatIsNotGreen) {
    Counters counters;
    counters.add(Counter::events_accepted, 1234);
    const std::string text = status_text(sick(), counters);
    EXPECT_THAT(text, HasSubstr("DOWN: no server"));
    EXPECT_THAT(text, HasSubstr("42 events waiting"));
    EXPECT_THAT(text, Not(HasSubstr("relaxed")));
    DaemonStatus relaxed = sick();
    relaxed.spool_durability = "relaxed";
    EXPECT_THAT(status_text(relaxed, counters), HasSubstr("0 segments, relaxed"));
    EXPECT_THAT(status_json(relaxed, counters), HasSubstr(R"("durability": "relaxed")"));
    EXPECT_THAT(text, HasSubstr("kept for now: gone"));
    EXPECT_THAT(text, HasSubstr("1 (burgee flag problems)"));
    EXPECT_THAT(text, HasSubstr("events_accepted"));
    EXPECT_THAT(text, Not(HasSubstr("events_lost")));  // nothing to say about a zero
    EXPECT_THAT(problems_text(sick().flags), HasSubstr("new_ui  variants[1].weight  refused"));
    EXPECT_EQ(problems_text({}), "no problems\n");
    EXPECT_THAT(status_line(sick()), HasSubstr("database down"));
}

TEST(StatusFilesTest, CountsTheProblemsThatWereNotKept) {
    DaemonStatus status = sick();
    EXPECT_THAT(problems_text(status.flags), Not(HasSubstr("more")));
    status.flags.more_problems = 5;
    EXPECT_THAT(problems_text(status.flags), HasSubstr("\nand 5 more\n"));
    EXPECT_THAT(status_text(status, {}), HasSubstr("6 (burgee flag problems)"));
    EXPECT_THAT(status_line(status), HasSubstr("6 flag problems"));
    EXPECT_THAT(status_json(status, {}), HasSubstr(R"("more_problems": 5)"));
}

TEST(StatusFilesTest, JsonEscapesAndHoldsEveryCounter) {
    const Counters counters;
    const std::string json = status_json(sick(), counters);
    EXPECT_THAT(json, HasSubstr(R"("error": "no server at \"/tmp/x\"")"));
    for (const CounterDescription& row : kCounterDescriptions) {
        EXPECT_THAT(json, HasSubstr('"' + std::string(row.name) + '"'));
    }
}

TEST(StatusFilesTest, SaysThatTheSpoolIsNotOpenAndWhy) {
    DaemonStatus status = sick();
    status.is_spool_open = false;
    EXPECT_THAT(status_text(status, {}), HasSubstr("being opened"));
    status.spool_error = "/var/lib/burgee: is no directory";
    EXPECT_THAT(status_text(status, {}),
                HasSubstr("NOT OPEN, events are refused: /var/lib/burgee: is no directory"));
    EXPECT_THAT(status_line(status), HasSubstr("spool not open"));
    EXPECT_THAT(status_json(status, {}), HasSubstr(R"("is_open": false)"));
    EXPECT_THAT(status_json(status, {}),
                HasSubstr(R"("error": "/var/lib/burgee: is no directory")"));
}

TEST(StatusFilesTest, AccountsForEveryEvent) {
    DaemonStatus status;
    status.spool.first_cursor_lsn = 11;
    status.spool.recovered_end_lsn = 31;
    status.spool.durable_end_lsn = 131;
    status.spool.released_lsn = 101;
    Counters counters;
    counters.add(Counter::events_accepted, 100);
    counters.add(Counter::events_delivered, 84);
    counters.add(Counter::events_dead_lettered, 4);
    counters.add(Counter::events_lost, 2);
    std::string json = status_json(status, counters);
    json.erase(
        std::remove_if(json.begin(), json.end(), [](char c) { return c == ' ' || c == '\n'; }),
        json.end());
    EXPECT_THAT(json, HasSubstr(R"("accounting":{"recovered":20,"accepted":100,"delivered":84,)"
                                R"("dead_letter":4,"in_spool":30,"counted_lost":2})"));
}

TEST(StatusFilesTest, ReplacesAFileWholeAndReadableByAll) {
    const test::TemporaryDirectory directory;
    EXPECT_EQ(replace_file(directory.path(), "status.txt", "one\n"), "");
    EXPECT_EQ(replace_file(directory.path(), "status.txt", "two\n"), "");
    EXPECT_EQ(test::read_file(directory.file("status.txt")), "two\n");
    struct stat status {};
    ASSERT_EQ(::stat(directory.file("status.txt").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0644U);
    EXPECT_THAT(replace_file("/nonexistent", "status.txt", ""), HasSubstr("No such file"));
}

}  // namespace
}  // namespace burgee::daemon
