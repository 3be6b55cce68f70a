// Promise: a team that comes from the Python system can look, adopt, ask the doctor and rebucket
// from its shell, and scripts can rely on the exit codes. Method: the real program on a database
// with the tables of the former system.

#include "tests/cli/command_line.hpp"
#include "tests/support/former_system.hpp"

namespace burgee::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kRows =
    "INSERT INTO feature_flags (id, name, status, rollout_percentage, variants) VALUES"
    " ('f1000000-0000-0000-0000-000000000000', 'beta_answers', 'ab_test', 50,"
    "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"treatment\",\"weight\":50}]');"
    "INSERT INTO ab_test_experiments (id, feature_flag_id, name, start_date) VALUES"
    " ('e1000000-0000-0000-0000-000000000000', 'f1000000-0000-0000-0000-000000000000', 'answers',"
    "  '2024-01-01');"
    "INSERT INTO ab_test_metrics (experiment_id, variant_name, user_id, metric_type, metric_value)"
    " SELECT 'e1000000-0000-0000-0000-000000000000', 'control', 'u' || n, 'impression', 1"
    " FROM generate_series(1, 40) n";

class AdoptCommandTest : public CommandLineTest {
protected:
    /// A database of its own for each case.
    AdoptCommandTest() {
        postgres().execute("DROP DATABASE IF EXISTS former");
        postgres().execute("CREATE DATABASE former");
        postgres().execute(kFormerTables, "former");
        postgres().execute(kRows, "former");
    }

    static std::vector<std::string> there(std::vector<std::string> words) {
        words.insert(words.end(), {"--dsn", postgres().dsn("postgres", "former")});
        return words;
    }
    static std::string value(const std::string& sql) { return postgres().value(sql, "former"); }
};

TEST_F(AdoptCommandTest, LooksFirstThenAdopts) {
    const std::string looked = ok(there({"db", "adopt", "--dry-run"}));
    EXPECT_THAT(looked, HasSubstr("found     1 flags, 1 experiments"));
    EXPECT_THAT(looked, HasSubstr("count 40 of 40 metric rows"));
    EXPECT_THAT(looked, HasSubstr("FAIL  flag beta_answers: ab_test at 50 % with legacy bucketing "
                                  "gives \"treatment\" nobody"));
    EXPECT_THAT(looked, HasSubstr("(burgee flag rebucket beta_answers)"));
    EXPECT_EQ(value("SELECT to_regnamespace('burgee') IS NULL"), "t");

    const auto report = json(there({"db", "adopt"}));
    EXPECT_EQ(report["metrics"]["counted"].get_int64().value(), 40);
    EXPECT_EQ(report["settings"]["default_bucketing"].get_string().value(), "legacy_md5");
    EXPECT_EQ(report["findings"].at(0)["severity"].get_string().value(), "FAIL");
    EXPECT_THAT(ok(there({"db", "adopt"})), HasSubstr("round 1: counted 40 of 40 rows"));
    const auto results = json(there({"results", "answers", "--no-keep"}));
    EXPECT_EQ(results["variants"]["control"]["exposed_units"].get_int64().value(), 40);
}

TEST_F(AdoptCommandTest, LaterRowsCountAtOnceWhereThatIsWanted) {
    EXPECT_THAT(ok(there({"db", "adopt", "--live", "on"})),
                HasSubstr("later     rows that others write count at once"));
    postgres().execute(
        "INSERT INTO ab_test_metrics (experiment_id, variant_name, user_id, metric_type,"
        " metric_value) VALUES ('e1000000-0000-0000-0000-000000000000', 'control', 'later',"
        " 'impression', 1)",
        "former");
    const auto exposed = [&] {
        return json(there(
            {"results", "answers", "--no-keep"}))["variants"]["control"]["exposed_units"]
            .get_int64()
            .value();
    };
    EXPECT_EQ(exposed(), 41);
    EXPECT_EQ(json(there({"db", "adopt"}))["metrics"]["live"].get_bool().value(), true);
    EXPECT_EQ(exposed(), 41);
    EXPECT_THAT(ok(there({"db", "verify"})), HasSubstr("equal"));
    EXPECT_EQ(json(there({"db", "adopt", "--live", "off"}))["metrics"]["live"].get_bool().value(),
              false);
    EXPECT_EQ(exposed(), 41);
    EXPECT_EQ(burgee(there({"db", "adopt", "--live", "perhaps"})).exit.code, 2);
}

TEST_F(AdoptCommandTest, RefusesAnotherDatabaseAndSaysWhy) {
    const ChildOutcome outcome = burgee({"db", "adopt"});  // the suite's own is burgee's already
    EXPECT_EQ(outcome.exit.code, 1);
    EXPECT_THAT(outcome.output, HasSubstr("FAIL  table ab_test_metrics: is partitioned"));
    EXPECT_THAT(outcome.error, HasSubstr("nothing was changed"));
}

TEST_F(AdoptCommandTest, TheDoctorAnswersByItsExitCode) {
    PublishingHost host(postgres().dsn(), directory());
    host.publish();
    const ChildOutcome well = burgee({"doctor"});
    EXPECT_EQ(well.exit.code, 0) << well.output << well.error;
    EXPECT_THAT(well.output,
                AllOf(HasSubstr("ok    server: PostgreSQL"),
                      HasSubstr("ok    listen: a notification arrived"),
                      HasSubstr("is at the database's revision"),
                      HasSubstr("ok    daemon: burgeed is alive"), Not(HasSubstr("FAIL"))));
    EXPECT_EQ(ok({"doctor", "-o", "name"}), "ok\n");
    postgres().execute("INSERT INTO feature_flags (name, status) VALUES ('later', 'enabled')");
    EXPECT_THAT(ok({"doctor"}), HasSubstr("1 behind the database"));
    host.publish();
    EXPECT_THAT(ok({"doctor"}), Not(HasSubstr("behind the database")));

    const ChildOutcome unreachable = burgee({"doctor", "--dsn", "host=/nonexistent"});
    EXPECT_EQ(unreachable.exit.code, 4);
    EXPECT_THAT(unreachable.output, AllOf(HasSubstr("FAIL  database:"), HasSubstr("daemon")));

    const ChildOutcome ill = burgee(there({"doctor", "-o", "json"}));
    EXPECT_EQ(ill.exit.code, 1);
    simdjson::dom::parser parser;
    const simdjson::dom::element report = parser.parse(ill.output);
    EXPECT_FALSE(report["is_well"].get_bool().value());
    bool has_advice = false;
    for (const auto finding : report["findings"]) {
        std::string_view command;
        has_advice = has_advice || (finding["command"].get(command) == simdjson::SUCCESS &&
                                    command == "burgee db adopt");
    }
    EXPECT_TRUE(has_advice);
}

TEST_F(AdoptCommandTest, TheDoctorNamesADeadOrMissingDaemon) {
    {
        PublishingHost host(postgres().dsn(), directory());
        host.publish();
    }
    const ChildOutcome dead = burgee({"doctor"});
    EXPECT_EQ(dead.exit.code, 1);
    EXPECT_THAT(dead.output, HasSubstr("FAIL  daemon: burgeed is dead"));
    EXPECT_THAT(ok({"doctor", "--directory", "/nonexistent"}),
                HasSubstr("warn  host: /nonexistent is not there"));
}

TEST_F(AdoptCommandTest, TheDoctorIsContentWithALoginThatOnlyReads) {
    postgres().execute("CREATE ROLE looker LOGIN IN ROLE burgee_reader");
    const std::string report =
        ok({"doctor", "--directory", "/nonexistent", "--dsn", postgres().dsn("looker")});
    EXPECT_THAT(report, HasSubstr("metric rows: not looked at: this login may not read them"));
    EXPECT_THAT(report, HasSubstr("(GRANT burgee_writer TO CURRENT_USER)"));
}

TEST_F(AdoptCommandTest, RebucketSaysWhatItCannotKnow) {
    ok(there({"db", "adopt"}));
    const auto insert = [&](const std::string& name, const std::string& more,
                            const std::string& expires_at) {
        postgres().execute(
            "INSERT INTO feature_flags (name, status, rollout_percentage, segments, expires_at)"
            " VALUES ('" +
                name +
                "', 'gradual_rollout', 50, "
                "'{\"bucketing\": \"legacy_md5\"" +
                more + "}', " + expires_at + ")",
            "former");
    };
    insert("aimed", R"(, "audience": [{"attribute": "plan", "operator": "EXISTS"}])", "NULL");
    const std::string text = ok(there({"flag", "rebucket", "aimed", "--dry-run"}));
    EXPECT_THAT(text, HasSubstr("changes   50.00 % of the units that reach the draw (exact"));
    EXPECT_THAT(text, HasSubstr("not known audience: how many units it lets through"));
    const auto aimed = json(there({"flag", "rebucket", "aimed", "--dry-run"}));
    EXPECT_FALSE(aimed["changed_share_is_exact"].get_bool().value());
    EXPECT_EQ(aimed["unknown"].get_array().size(), 1U);
    insert("over", "", "'2020-01-01'");
    const auto over = json(there({"flag", "rebucket", "over", "--dry-run"}));
    EXPECT_EQ(over["changed_share"].get_double().value(), 0) << "it is off before and after";
    EXPECT_TRUE(over["changed_share_is_exact"].get_bool().value());
}

TEST_F(AdoptCommandTest, RebucketsAndTheDoctorIsContent) {
    ok(there({"db", "adopt"}));
    EXPECT_EQ(burgee(there({"doctor", "--directory", "/nonexistent"})).exit.code, 1);
    const std::string planned = ok(there({"flag", "rebucket", "beta_answers", "--dry-run"}));
    EXPECT_THAT(planned, AllOf(HasSubstr("would rebucket beta_answers"),
                               HasSubstr("changes   62.50 % of all units (exact"),
                               HasSubstr("phase     2 of experiment answers would begin")));
    const auto done = json(there({"flag", "rebucket", "beta_answers", "--why", "a test"}));
    EXPECT_DOUBLE_EQ(done["changed_share"].get_double().value(), 0.625);
    EXPECT_EQ(done["experiments"].at(0)["phase"].get_int64().value(), 2);
    EXPECT_DOUBLE_EQ(done["after"]["on"]["treatment"].get_double().value(), 0.25);
    EXPECT_EQ(value("SELECT why FROM burgee.flag_history WHERE kind = 'flag'"), "a test");
    const ChildOutcome doctor = burgee(there({"doctor", "--directory", "/nonexistent"}));
    EXPECT_EQ(doctor.exit.code, 0) << doctor.output;
    EXPECT_THAT(refused(1, there({"flag", "rebucket", "beta_answers"})), HasSubstr("already"));
    EXPECT_THAT(refused(3, there({"flag", "rebucket", "beta_anwsers"})),
                HasSubstr("did you mean \"beta_answers\"?"));
}

}  // namespace
}  // namespace burgee::test
