// Promise: adopting changes no row and nobody's variant, breaks no writer, may be repeated, and
// says beforehand what it would do; what cannot be adopted is refused untouched. Method: a real
// server with the tables, triggers and roles of the former system; pg_dump decides what "unchanged"
// means.
#include "sync/adoption.hpp"

#include <gmock/gmock.h>

#include "sync/database_audit.hpp"
#include "tests/support/former_system.hpp"
#include "tests/support/postgres_cluster.hpp"

namespace burgee::sync {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;

constexpr const char* kRows =
    "INSERT INTO feature_flags (id, name, status, rollout_percentage, variants) VALUES"
    " ('f1000000-0000-0000-0000-000000000000', 'models', 'ab_test', 50,"
    "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"treatment\",\"weight\":50}]'),"
    " ('f2000000-0000-0000-0000-000000000000', 'birds', 'canary', 3, '[]');"
    "INSERT INTO ab_test_experiments (id, feature_flag_id, name, start_date) VALUES"
    " ('e1000000-0000-0000-0000-000000000000', 'f1000000-0000-0000-0000-000000000000', 'models',"
    "  '2024-01-01');"
    "INSERT INTO ab_test_metrics (experiment_id, variant_name, user_id, metric_type, metric_value,"
    " created_at) VALUES"
    " ('e1000000-0000-0000-0000-000000000000', 'control', 'u1', 'impression', 1, '2024-01-05'),"
    " ('e1000000-0000-0000-0000-000000000000', 'control', 'u2', 'impression', 1, '2024-01-05'),"
    " ('e1000000-0000-0000-0000-000000000000', 'control', 'u3', 'impression', 1, '2023-01-05'),"
    " ('e1000000-0000-0000-0000-000000000000', 'typo', 'u4', 'impression', 1, '2024-01-05'),"
    " ('e1000000-0000-0000-0000-000000000000', 'control', NULL, 'impression', 1, '2024-01-05'),"
    " (NULL, 'control', 'u5', 'impression', 1, '2024-01-05')";

class AdoptionTest : public testing::Test {
protected:
    AdoptionTest() {
        cluster_.execute(test::kFormerTables);
        cluster_.execute(kRows);
    }

    void execute(const std::string& sql) { cluster_.execute(sql); }
    std::string value(const std::string& sql) { return cluster_.value(sql); }

    std::string dump() {
        const test::ChildOutcome dumped = test::run_child(
            {cluster_.program("pg_dump"), "--dbname=" + cluster_.dsn(), "--restrict-key=x"});
        EXPECT_EQ(dumped.exit.code, 0) << dumped.error;
        return dumped.output;
    }
    std::string rows_of_theirs() {
        return value(
            "SELECT md5((SELECT string_agg(f::text, '' ORDER BY id) FROM feature_flags f) ||"
            " (SELECT string_agg(e::text, '' ORDER BY id) FROM ab_test_experiments e) ||"
            " (SELECT string_agg(concat(id, experiment_id, variant_name, user_id, session_id,"
            "   metric_type, metric_value, metadata, created_at), '' ORDER BY id)"
            "  FROM ab_test_metrics))");
    }
    Findings obstacles() { return look_before_adopting(session_).value().findings; }

    static auto finding(Severity severity, const std::string& message) {
        return AllOf(Field(&Finding::severity, severity),
                     Field(&Finding::message, HasSubstr(message)));
    }

    test::PostgresCluster cluster_;
    PgSession session_{{.dsn = cluster_.dsn()}};
};

TEST_F(AdoptionTest, AddsOursAndLeavesTheirsAlone) {
    const std::string before = rows_of_theirs();
    const auto report = adopt({.dsn = cluster_.dsn()});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->migrations.version_after, newest_schema_version());
    EXPECT_EQ(report->backfill.counts, (BackfillCounts{6, 2, 2, 1, 1, 0}));
    EXPECT_EQ(rows_of_theirs(), before);
    EXPECT_EQ(value("SELECT string_agg(name || '=' || value, ' ' ORDER BY name) FROM"
                    " burgee.settings"),
              "default_bucketing=legacy_md5 legacy_canary=off");
    EXPECT_EQ(value("SELECT value FROM burgee.revision"), "0");  // no flag was changed
    EXPECT_EQ(value("SELECT count(*) FROM pg_indexes WHERE tablename = 'ab_test_metrics'"), "6");
    EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid ="
                    " 'ab_test_metrics'::regclass"),
              "1");
    const auto again = adopt({.dsn = cluster_.dsn()});
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->migrations.applied.empty());
    EXPECT_EQ(again->backfill.round, 1);
    EXPECT_EQ(value("SELECT sum(n) FROM burgee.unit_metrics"), "2");
}

TEST_F(AdoptionTest, TheFormerSystemWritesOnWithItsThreeTablesAlone) {
    execute(
        "CREATE ROLE python LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON feature_flags,"
        " ab_test_experiments, ab_test_metrics TO python");
    ASSERT_TRUE(adopt({.dsn = cluster_.dsn()}));
    PgSession python({.dsn = cluster_.dsn("python")});
    const auto written = python.transaction(PgAccess::kReadWrite, [](PgTransaction& open) {
        open.query("INSERT INTO public.feature_flags (name, status) VALUES ('new', 'enabled')");
        open.query("UPDATE public.feature_flags SET rollout_percentage = 60 WHERE name = 'models'");
        open.query(
            "INSERT INTO public.ab_test_experiments (feature_flag_id, name) SELECT id, 'x'"
            " FROM public.feature_flags WHERE name = 'models'");
        const PgRows row = open.query(
            "INSERT INTO public.ab_test_metrics (experiment_id, variant_name, user_id, metric_type,"
            " metric_value, metadata) SELECT id, 'control', 'u9', 'conversion', 1, '{\"a\": 1}'"
            " FROM public.ab_test_experiments WHERE name = 'x' RETURNING *");
        EXPECT_EQ(row.size(), 1U);
        open.query("DELETE FROM public.feature_flags WHERE name = 'new'");
    });
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(value("SELECT updated_at > created_at FROM feature_flags WHERE name = 'models'"),
              "t");
    EXPECT_EQ(value("SELECT count(*) FROM burgee.flag_history WHERE changed_by = 'python'"), "4");
    EXPECT_EQ(*count_uncounted_rows(session_, std::chrono::seconds(5)).value(), 1U);
    const auto second = adopt({.dsn = cluster_.dsn()});
    ASSERT_TRUE(second);
    EXPECT_EQ(second->backfill.counts, (BackfillCounts{1, 1, 0, 0, 0, 0}));
    EXPECT_EQ(*count_uncounted_rows(session_, std::chrono::seconds(5)).value(), 0U);
}

TEST_F(AdoptionTest, LookingChangesNothingAndForetellsTheCounts) {
    const std::string before = dump();
    const AdoptionFacts facts = look_before_adopting(session_).value();
    EXPECT_EQ(facts.flag_count, 2U);
    EXPECT_EQ(facts.experiment_count, 1U);
    EXPECT_TRUE(facts.findings.empty());
    const MetricCensus census = *count_metric_rows(session_, std::chrono::seconds(60)).value();
    EXPECT_EQ(census.row_count, 6U);
    EXPECT_EQ(census.countable, 2U);
    EXPECT_EQ(census.outside_dates, 1U);
    EXPECT_EQ(census.without_unit, 1U);
    EXPECT_EQ(census.unknown_experiment, 1U);
    EXPECT_EQ(census.unknown_variant, 1U);
    EXPECT_THAT(census.findings, Contains(finding(Severity::kWarn, "\"typo\"")));
    const Findings flags = audit_flags(session_).value();
    EXPECT_THAT(flags, Contains(finding(Severity::kFail, "\"treatment\" nobody")));
    EXPECT_THAT(flags, Contains(finding(Severity::kWarn, "canary was always off")));
    EXPECT_EQ(dump(), before);

    ASSERT_TRUE(adopt({.dsn = cluster_.dsn()}));
    EXPECT_EQ(audit_flags(session_).value(), flags);  // the same once it is adopted
    EXPECT_EQ(count_metric_rows(session_, std::chrono::seconds(60)).value()->countable, 2U);
}

TEST_F(AdoptionTest, RefusesWhatItCannotAdoptAndChangesNothing) {
    execute("ALTER TABLE ab_test_metrics DROP CONSTRAINT ab_test_metrics_pkey");
    execute("ALTER TABLE feature_flags DROP COLUMN metadata");
    execute("ALTER TABLE ab_test_experiments ALTER COLUMN end_date TYPE timestamp");
    execute("DROP INDEX idx_metrics_time");
    const std::string before = dump();
    const Findings found = obstacles();
    EXPECT_THAT(found, Contains(finding(Severity::kFail, "no primary key on id")));
    EXPECT_THAT(found,
                Contains(Field(&Finding::command,
                               "ALTER TABLE public.feature_flags ADD COLUMN metadata jsonb")));
    EXPECT_THAT(found, Contains(finding(Severity::kFail, "timestamp without time zone")));
    EXPECT_THAT(found, Contains(finding(Severity::kWarn, "no index on created_at")));
    const auto refused = adopt({.dsn = cluster_.dsn()});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, SyncErrorKind::kInvalid);
    EXPECT_EQ(dump(), before);
}

TEST_F(AdoptionTest, RefusesAMetricValueThatRounds) {
    for (const char* type : {"real", "numeric(10,2)"}) {
        execute("ALTER TABLE ab_test_metrics ALTER COLUMN metric_value TYPE " + std::string(type));
        EXPECT_THAT(obstacles(), Contains(finding(Severity::kFail, type)));
    }
    execute("ALTER TABLE ab_test_metrics ALTER COLUMN metric_value TYPE numeric");
    EXPECT_TRUE(obstacles().empty()) << "keeps every digit";
}

TEST_F(AdoptionTest, RefusesFlagsThatMayHaveOneNameTwice) {
    const auto refusal = finding(Severity::kFail, "no unique index on name");
    execute("ALTER TABLE feature_flags DROP CONSTRAINT feature_flags_name_key");
    EXPECT_THAT(obstacles(), Contains(refusal));
    EXPECT_FALSE(adopt({.dsn = cluster_.dsn()}));
    EXPECT_EQ(value("SELECT to_regnamespace('burgee') IS NULL"), "t");
    execute("CREATE UNIQUE INDEX of_some ON feature_flags (name) WHERE status = 'enabled'");
    EXPECT_THAT(obstacles(), Contains(refusal)) << "not every row is in it";
    execute("ALTER TABLE public.feature_flags ADD UNIQUE (name)");
    EXPECT_TRUE(obstacles().empty());
}

TEST_F(AdoptionTest, CountsMetricRowsInWhateverOrderTheServerNamesTheTables) {
    // A merge join gives them in the order of their ids, and that of the new table is the last.
    execute(
        "ALTER DATABASE postgres SET enable_nestloop = off;"
        "ALTER DATABASE postgres SET enable_hashjoin = off;"
        "ALTER TABLE feature_flags RENAME TO old_flags;"
        "CREATE TABLE feature_flags (LIKE old_flags INCLUDING ALL);"
        "ANALYZE ab_test_metrics");
    EXPECT_EQ(look_before_adopting(session_).value().metric_rows_about, 6U);
}

TEST_F(AdoptionTest, RefusesATableThatIsNotThereOrNotOurs) {
    execute("CREATE ROLE stranger LOGIN");
    PgSession stranger({.dsn = cluster_.dsn("stranger")});
    const auto facts = look_before_adopting(stranger);
    ASSERT_TRUE(facts) << facts.error().message;
    EXPECT_THAT(facts->findings, Contains(finding(Severity::kFail, "belongs to another role")));
    EXPECT_THAT(facts->findings, Contains(finding(Severity::kFail, "may not create the schema")));
    execute("DROP TABLE ab_test_metrics");
    EXPECT_THAT(obstacles(), Contains(finding(Severity::kFail, "is not here")));
    EXPECT_FALSE(adopt({.dsn = cluster_.dsn()}));
    EXPECT_EQ(value("SELECT to_regnamespace('burgee') IS NULL"), "t");
}

TEST_F(AdoptionTest, LeavesTheDecisionsOfPeopleAlone) {
    ASSERT_TRUE(adopt({.dsn = cluster_.dsn()}));
    execute("UPDATE burgee.settings SET value = 'on' WHERE name = 'legacy_canary'");
    const auto again = adopt({.dsn = cluster_.dsn()});
    ASSERT_TRUE(again);
    EXPECT_THAT(again->settings,
                Contains(std::pair<std::string, std::string>("legacy_canary", "on")));
    EXPECT_THAT(audit_flags(session_).value(),
                Contains(finding(Severity::kFail, "3 % are switched on")));
}

TEST_F(AdoptionTest, TheWayBackOfTheGuideLeavesNothing) {
    const auto tables = [this] {
        return value(
            "SELECT string_agg(d, ' ' ORDER BY d) FROM (SELECT attrelid::regclass || '.' ||"
            " attname AS d FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND"
            " attrelid IN ('feature_flags'::regclass, 'ab_test_experiments'::regclass,"
            " 'ab_test_metrics'::regclass) UNION ALL SELECT tgname::text FROM pg_trigger"
            " WHERE NOT tgisinternal UNION ALL SELECT nspname::text FROM pg_namespace UNION"
            " ALL SELECT proname::text FROM pg_proc WHERE pronamespace ="
            " 'public'::regnamespace) o");
    };
    const std::string before = tables();
    ASSERT_TRUE(adopt({.dsn = cluster_.dsn()}));
    EXPECT_NE(tables(), before);
    execute(
        "DROP SCHEMA burgee CASCADE; DROP FUNCTION IF EXISTS feature_flags_touch(); ALTER TABLE"
        " ab_test_metrics DROP COLUMN spool_id, DROP COLUMN lsn, DROP COLUMN unit");
    EXPECT_EQ(tables(), before);
}

TEST_F(AdoptionTest, GivesUpCountingInTime) {
    execute(
        "INSERT INTO ab_test_metrics (variant_name, metric_type, metric_value)"
        " SELECT 'v', 'm', 1 FROM generate_series(1, 30000)");
    EXPECT_FALSE(count_metric_rows(session_, std::chrono::milliseconds(1)).value().has_value());
}

}  // namespace
}  // namespace burgee::sync
