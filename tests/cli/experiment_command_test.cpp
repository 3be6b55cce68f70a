// Promise: experiments are created, listed, paused, resumed and ended; results are judged from unit
// state and kept.
// Method: the real program on a real PostgreSQL; unit state is written as the daemon would.

#include "tests/cli/command_line.hpp"

namespace burgee::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

class ExperimentCommandTest : public CommandLineTest {
protected:
    std::string create(const std::string& name) {
        ok({"flag", "create", name + ".flag", "--status", "ab_test", "--variant", "control=50",
            "--variant", "treatment=50"});
        const auto row = json({"experiment", "create", "--flag", name + ".flag", "--name", name,
                               "--hypothesis", "it helps", "--metric", "conversion", "--metric",
                               "quality_score", "--days", "7", "--why", "to know"});
        return std::string(row["id"].get_string().value());
    }

    /// `units` units met `variant`, the first `converted` of them converted.
    void store_units(const std::string& id, const std::string& variant, int first_unit, int units,
                     int converted) {
        const std::string cell =
            "insert into burgee.cells (experiment_id, phase, variant, metric, randomised) values "
            "('" +
            id + "', 1, '" + variant + "', '";
        const std::string rows =
            " insert into burgee.unit_metrics select unit, cell, 1, 1, 1, 1, 1, now(), now() "
            "from cell, generate_series(" +
            std::to_string(first_unit) + ", ";
        postgres().execute("with cell as (" + cell + "impression', true) returning cell)" + rows +
                           std::to_string(first_unit + units - 1) + ") unit");
        postgres().execute("with cell as (" + cell + "conversion', true) returning cell)" + rows +
                           std::to_string(first_unit + converted - 1) + ") unit");
    }
};

TEST_F(ExperimentCommandTest, CreatesListsAndShows) {
    const std::string id = create("first");
    EXPECT_EQ(id.size(), 36U);
    const std::string table = ok({"experiment", "list"});
    EXPECT_THAT(column(table, "NAME"), Contains("first"));
    EXPECT_THAT(column(table, "FLAG"), Contains("first.flag"));
    EXPECT_THAT(column(ok({"experiment", "list", "-o", "wide"}), "ID"), Contains(id));
    const auto row = json({"experiment", "show", id});
    EXPECT_EQ(row["name"].get_string().value(), "first");
    EXPECT_EQ(row["status"].get_string().value(), "active");
    EXPECT_EQ(row["success_metrics"].at(1).get_string().value(), "quality_score");
    EXPECT_THAT(ok({"experiment", "show", "first"}), HasSubstr("hypothesis  it helps\n"));
}

TEST_F(ExperimentCommandTest, PausesResumesAndCompletes) {
    create("second");
    const auto status = [this](const char* verb) {
        return std::string(
            json({"experiment", verb, "second", "--why", "a test"})["status"].get_string().value());
    };
    EXPECT_EQ(status("pause"), "paused");
    EXPECT_EQ(status("resume"), "active");
    EXPECT_EQ(status("complete"), "completed");
    EXPECT_THAT(refused(1, {"experiment", "resume", "second"}), HasSubstr("completed"));
    EXPECT_THAT(ok({"experiment", "list", "--status", "completed"}), HasSubstr("second"));
}

TEST_F(ExperimentCommandTest, RefusesWhatCannotBeMeasured) {
    ok({"flag", "create", "no.variants", "--status", "enabled"});
    refused(1, {"experiment", "create", "--flag", "no.variants", "--name", "x"});
    refused(3, {"experiment", "create", "--flag", "no.such.flag", "--name", "x"});
    refused(2, {"experiment", "create", "--name", "x"});
    refused(3, {"experiment", "show", "nothing"});
    refused(3, {"results", "nothing"});
    create("third");
    refused(1, {"experiment", "create", "--flag", "third.flag", "--name", "again"});
    refused(2, {"experiment", "create", "--flag", "third.flag", "--name", "x", "--days", "-1"});
    refused(2, {"experiment", "create", "--flag", "third.flag", "--name", ""});
    EXPECT_THAT(refused(2, {"experiment", "create", "--flag", "third.flag", "--name", "x",
                            "--metric", "{\"name\":}"}),
                HasSubstr("--metric is not a JSON object"));
    EXPECT_THAT(refused(3, {"experiment", "show", "thrid"}), HasSubstr("did you mean \"third\"?"));
    EXPECT_THAT(refused(3, {"experiment", "create", "--flag", "thrid.flag", "--name", "x"}),
                HasSubstr("did you mean \"third.flag\"?"));
}

TEST_F(ExperimentCommandTest, RefusesAFlagThatHostsCouldNotPublish) {
    create("weighed");
    ok({"experiment", "pause", "weighed"});
    ok({"flag", "create", "pattern.flag", "--status", "ab_test", "--variant", "a=50", "--variant",
        "b=50"});
    ok({"flag", "create", "random.flag", "--status", "ab_test", "--variant", "a=50", "--variant",
        "b=50", "--segments", R"({"type": "random"})"});
    // What other programs write no tool can refuse.
    postgres().execute(
        R"(update feature_flags set segments = segments ||
           '{"audience": [{"attribute": "mail", "operator": "REGEX", "value": "("}]}'
           where name in ('pattern.flag', 'weighed.flag'))");
    EXPECT_THAT(refused(1, {"experiment", "create", "--flag", "pattern.flag", "--name", "x"}),
                HasSubstr("segments.audience[0]"));
    EXPECT_THAT(refused(1, {"experiment", "resume", "weighed", "--dry-run"}),
                HasSubstr("segments.audience[0]"));
    EXPECT_THAT(refused(1, {"experiment", "resume", "weighed"}), HasSubstr("segments.audience[0]"));
    EXPECT_THAT(refused(1, {"experiment", "create", "--flag", "random.flag", "--name", "x"}),
                HasSubstr("random"));
    ok({"experiment", "complete", "weighed"});
    create("drawn");
    EXPECT_THAT(refused(1, {"flag", "set", "drawn.flag", "--segments", R"({"type": "random"})"}),
                HasSubstr("random"));
    ok({"experiment", "complete", "drawn"});
    EXPECT_THAT(refused(1, {"flag", "rebucket", "pattern.flag"}), HasSubstr("already"));
    postgres().execute(R"(update feature_flags set segments = segments ||
                          '{"bucketing": "legacy_md5"}' where name = 'pattern.flag')");
    EXPECT_THAT(refused(1, {"flag", "rebucket", "pattern.flag"}),
                HasSubstr("segments.audience[0]"));
    EXPECT_EQ(postgres().value("select segments->>'bucketing' from feature_flags "
                               "where name = 'pattern.flag'"),
              "legacy_md5");
}

TEST_F(ExperimentCommandTest, AFlagIsNotDeletedUnderAnActiveExperiment) {
    create("held");
    const std::string line = refused(1, {"flag", "delete", "held.flag"});
    EXPECT_THAT(line, HasSubstr("\"held\""));
    EXPECT_THAT(line, HasSubstr("burgee experiment complete"));
    refused(1, {"flag", "delete", "held.flag", "--dry-run"});
    ok({"experiment", "complete", "held"});
    const ChildOutcome dry = burgee({"flag", "delete", "held.flag", "--dry-run"});
    EXPECT_EQ(dry.exit.code, 0);
    EXPECT_THAT(dry.output, HasSubstr("- experiment   held\n"));
    EXPECT_THAT(dry.error, HasSubstr("for good"));
    ok({"experiment", "show", "held"});
    const ChildOutcome gone = burgee({"flag", "delete", "held.flag"});
    EXPECT_EQ(gone.exit.code, 0);
    EXPECT_THAT(gone.output, HasSubstr("deleted held.flag and its experiment \"held\""));
    EXPECT_THAT(gone.error, HasSubstr("for good"));
    refused(3, {"experiment", "show", "held"});
    ok({"flag", "create", "free.flag"});
    EXPECT_EQ(json({"flag", "delete", "free.flag"})["experiments_removed"].get_array().size(), 0U);
}

TEST_F(ExperimentCommandTest, ADryRunShowsTheChangeAndMakesNone) {
    create("tried");
    const std::string text = ok({"experiment", "pause", "tried", "--dry-run"});
    EXPECT_THAT(text, HasSubstr("tried would change\n"));
    EXPECT_THAT(text, HasSubstr("- status      active\n+ status      paused\n"));
    EXPECT_EQ(json({"experiment", "show", "tried"})["status"].get_string().value(), "active");
    const auto dry = json({"experiment", "complete", "tried", "--dry-run"});
    EXPECT_TRUE(dry["is_dry_run"].get_bool().value());
    EXPECT_EQ(dry["before"]["status"].get_string().value(), "active");
    EXPECT_EQ(dry["after"]["status"].get_string().value(), "completed");
    EXPECT_EQ(json({"experiment", "show", "tried"})["status"].get_string().value(), "active");
    refused(1, {"experiment", "resume", "tried", "--dry-run"});
    ok({"experiment", "complete", "tried"});
    EXPECT_THAT(
        ok({"experiment", "create", "--flag", "tried.flag", "--name", "tried.2", "--dry-run"}),
        HasSubstr("tried.2 would be created\n"));
    refused(3, {"experiment", "show", "tried.2"});
}

TEST_F(ExperimentCommandTest, JudgesUnitsAndKeepsTheResults) {
    const std::string id = create("judged");
    store_units(id, "control", 1, 1000, 300);
    store_units(id, "treatment", 2001, 1000, 400);
    const auto results = json({"results", "judged"});
    EXPECT_EQ(results["variants"]["control"]["exposed_units"].get_uint64().value(), 1000U);
    EXPECT_DOUBLE_EQ(results["variants"]["treatment"]["conversion_rate"].get_double().value(), 0.4);
    const auto analysis = results["statistical_analysis"];
    EXPECT_DOUBLE_EQ(analysis["control_conversion_rate"].get_double().value(), 0.3);
    const double lower = analysis["confidence_interval_95"]["lower"].get_double();
    const double upper = analysis["confidence_interval_95"]["upper"].get_double();
    EXPECT_LT(lower, 0.1);
    EXPECT_GT(upper, 0.1);
    EXPECT_GT(lower, 0.0);
    EXPECT_EQ(postgres().value("select results -> 'variants' -> 'control' ->> 'exposed_units' "
                               "from burgee.experiment_results where experiment_id = '" +
                               id + "'"),
              "1000");
    const std::string text = ok({"results", id});
    EXPECT_THAT(text, HasSubstr("conversion"));
    EXPECT_THAT(text, HasSubstr("judged"));
}

TEST_F(ExperimentCommandTest, SaysHowManyUnitsAreMissing) {
    const std::string id = create("young");
    store_units(id, "control", 1, 10, 3);
    store_units(id, "treatment", 101, 10, 9);
    EXPECT_EQ(ok({"results", "young", "-o", "name"}), "insufficient_data\n");
    EXPECT_EQ(ok({"results", "young", "--no-keep", "-o", "name"}), "insufficient_data\n");
    refused(3, {"results", "young", "--phase", "7"});
    refused(2, {"results", "young", "--phase", "0"});
}

}  // namespace
}  // namespace burgee::test
