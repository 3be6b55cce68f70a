// Promise: a person or a script learns from one command whether results still rest on the rows that
// are there. Method: the real program on a real server, with state that fits its rows and then not.

#include "tests/cli/command_line.hpp"

namespace burgee::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kRows =
    "INSERT INTO feature_flags (id, name, status, variants) VALUES"
    " ('f1000000-0000-0000-0000-000000000000', 'answers', 'ab_test',"
    "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"treatment\",\"weight\":50}]');"
    "INSERT INTO ab_test_experiments (id, feature_flag_id, name, start_date) VALUES"
    " ('e1000000-0000-0000-0000-000000000000', 'f1000000-0000-0000-0000-000000000000', 'answers',"
    "  '2024-01-01');"
    "INSERT INTO ab_test_metrics (experiment_id, variant_name, metric_type, metric_value,"
    " created_at, spool_id, lsn, unit)"
    " SELECT 'e1000000-0000-0000-0000-000000000000', 'control', 'impression', 1, '2024-01-02',"
    "  'a1000000-0000-0000-0000-000000000000', n, n % 20 FROM generate_series(1, 40) n;"
    "INSERT INTO burgee.cells (experiment_id, phase, variant, metric, randomised) VALUES"
    " ('e1000000-0000-0000-0000-000000000000', 1, 'control', 'impression', true);"
    "INSERT INTO burgee.unit_metrics SELECT n, (SELECT cell FROM burgee.cells), 2, 2, 2, 1, 1,"
    " '2024-01-02', '2024-01-02' FROM generate_series(0, 19) n";

class DbVerifyCommandTest : public CommandLineTest {};

TEST_F(DbVerifyCommandTest, SaysEqualDiffersAndNotComparable) {
    EXPECT_EQ(ok({"db", "verify"}), "");  // nothing to compare
    postgres().execute(kRows);
    EXPECT_THAT(ok({"db", "verify"}), AllOf(HasSubstr("answers"), HasSubstr("equal")));
    EXPECT_EQ(json({"db", "verify"})["equal"].get_bool().value(), true);
    EXPECT_EQ(ok({"db", "verify", "-o", "name"}), "");

    postgres().execute("UPDATE burgee.unit_metrics SET n = 3 WHERE unit = 7");
    const ChildOutcome outcome = burgee({"db", "verify", "--experiment", "answers"});
    EXPECT_EQ(outcome.exit.code, 1);
    EXPECT_EQ(column(outcome.output.substr(0, outcome.output.find("\n\n") + 1), "VERDICT"),
              std::vector<std::string>{"differs"});
    EXPECT_THAT(outcome.output, HasSubstr("control  impression"));
    EXPECT_THAT(outcome.error, HasSubstr("1 differ"));
    const ChildOutcome names = burgee({"db", "verify", "-o", "name"});
    EXPECT_EQ(names.exit.code, 1);
    EXPECT_EQ(names.output, "answers\n");
    const ChildOutcome document = burgee({"db", "verify", "-o", "json"});
    EXPECT_EQ(document.exit.code, 1);
    simdjson::dom::parser parser;
    const simdjson::dom::element cell =
        parser.parse(document.output)["experiments"].at(0)["cells"].at(0);
    EXPECT_EQ(cell["variant"].get_string().value(), "control");
    EXPECT_EQ(cell["different"].get_int64().value(), 1);
    EXPECT_EQ(cell["events_counted"].get_int64().value(), 41);
    EXPECT_EQ(cell["events_raw"].get_int64().value(), 40);
    EXPECT_EQ(cell["example_unit"].get_int64().value(), 7);

    postgres().execute(
        "INSERT INTO burgee.raw_row_gaps VALUES ('e1000000-0000-0000-0000-000000000000',"
        " 'raw rows off', '2024-03-01')");
    EXPECT_THAT(ok({"db", "verify"}),
                AllOf(HasSubstr("not comparable"), Not(HasSubstr("differs")),
                      HasSubstr("answers: raw rows are missing: raw rows off since 2024-03-01")));
}

TEST_F(DbVerifyCommandTest, RefusesWhatDoesNotExist) {
    EXPECT_THAT(refused(3, {"db", "verify", "--experiment", "no such"}), HasSubstr("no such"));
    EXPECT_EQ(burgee({"db", "verify", "--dsn", "host=/nonexistent"}).exit.code, 4);
}

}  // namespace
}  // namespace burgee::test
