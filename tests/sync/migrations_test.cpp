// Promise: the schema is the same whoever applies it, however often and from how many places at
// once; a database from the future is left alone; tables that exist are left as they are.
// Method: real servers; pg_dump decides what "the same" means.
#include "sync/migrations.hpp"

#include <array>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using test::ChildOutcome;
using test::PostgresCluster;

std::string schema_of(PostgresCluster& cluster, const std::string& database) {
    const ChildOutcome dump = test::run_child({cluster.program("pg_dump"), "--schema-only",
                                               "--dbname=" + cluster.dsn("postgres", database)});
    EXPECT_EQ(dump.exit.code, 0) << dump.error;
    // pg_dump guards its text with random words of its own.
    std::istringstream lines(dump.output);
    std::string text;
    for (std::string line; std::getline(lines, line);) {
        text +=
            line.starts_with("\\restrict") || line.starts_with("\\unrestrict") ? "" : line + "\n";
    }
    return text;
}

void run_by_hand(PostgresCluster& cluster, const std::string& database,
                 const Migration& migration) {
    const test::TemporaryDirectory directory;
    const std::string path = directory.file(std::string(migration.file_name));
    std::ofstream(path) << migration.sql;
    const ChildOutcome psql = test::run_child(
        {cluster.program("psql"), "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "--single-transaction",
         "--dbname=" + cluster.dsn("postgres", database), "-f", path});
    EXPECT_EQ(psql.exit.code, 0) << migration.file_name << ": " << psql.error;
}

TEST(MigrationsTest, ByHandAndByToolGiveTheSameSchema) {
    PostgresCluster cluster;
    cluster.execute("CREATE DATABASE by_tool");
    cluster.execute("CREATE DATABASE by_hand");
    PgSession session({.dsn = cluster.dsn("postgres", "by_tool")});
    const auto report = migrate(session);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->applied.size(), all_migrations().size());
    for (int round = 0; round < 2; ++round) {  // the second time they must change nothing
        for (const Migration& migration : all_migrations()) {
            run_by_hand(cluster, "by_hand", migration);
        }
    }
    const std::string by_tool = schema_of(cluster, "by_tool");
    EXPECT_NE(by_tool.find("CREATE TABLE burgee.unit_metrics"), std::string::npos);
    EXPECT_EQ(by_tool, schema_of(cluster, "by_hand"));
    PgSession by_hand({.dsn = cluster.dsn("postgres", "by_hand")});
    EXPECT_EQ(schema_version(by_hand).value(), newest_schema_version());
}

TEST(MigrationsTest, SecondRunAppliesNothing) {
    test::MigratedCluster cluster;
    const std::string before = schema_of(cluster, "postgres");
    const auto again = migrate(cluster.session());
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->applied.empty());
    EXPECT_EQ(again->version_before, newest_schema_version());
    EXPECT_EQ(before, schema_of(cluster, "postgres"));
}

TEST(MigrationsTest, ADatabaseOfTheVersionBeforeKeepsItsDaysAndGetsTheNewOnes) {
    PostgresCluster cluster;
    for (const Migration& migration : all_migrations()) {
        if (migration.version < 14) {
            run_by_hand(cluster, "postgres", migration);
        }
    }
    EXPECT_EQ(cluster.value("SELECT burgee.ensure_metric_partitions(1)"), "2");
    PgSession session({.dsn = cluster.dsn()});
    const auto report = migrate(session);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->version_before, 13);
    EXPECT_EQ(report->version_after, newest_schema_version());
    EXPECT_EQ(cluster.value("SELECT burgee.ensure_metric_partitions(2)"), "1");
    EXPECT_EQ(cluster.value("SELECT burgee.ensure_metric_partitions(2)"), "0");
    EXPECT_EQ(cluster.value("SELECT string_agg(task, ' ' ORDER BY task) FROM burgee.housekeeping"),
              "partitions retention");
}

TEST(MigrationsTest, DryRunChangesNothingAndShowsTheSql) {
    PostgresCluster cluster;
    PgSession session({.dsn = cluster.dsn()});
    const auto report = migrate(session, MigrateMode::kDryRun);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->version_after, 0);
    const std::vector<Migration> applied = report.value().applied;
    ASSERT_EQ(applied.size(), all_migrations().size());
    EXPECT_EQ(applied.front().file_name, "004_create_feature_flags_tables.sql");
    EXPECT_NE(applied.front().sql.find("CREATE TABLE IF NOT EXISTS public.feature_flags"),
              std::string_view::npos);
    EXPECT_EQ(schema_version(session).value(), 0);
    EXPECT_EQ(
        cluster.value("SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'burgee')"),
        "0");
}

TEST(MigrationsTest, ConcurrentCallersDoTheWorkOnce) {
    PostgresCluster cluster;
    std::array<std::size_t, 4> applied{};
    std::array<std::string, 4> errors;
    std::vector<std::thread> callers;
    for (std::size_t caller = 0; caller < applied.size(); ++caller) {
        callers.emplace_back([&, caller] {
            PgSession session({.dsn = cluster.dsn()});
            const auto report = migrate(session);
            applied[caller] = report ? report->applied.size() : 0;
            errors[caller] = report ? "" : report.error().message;
        });
    }
    for (std::thread& caller : callers) {
        caller.join();
    }
    std::size_t total = 0;
    for (std::size_t caller = 0; caller < applied.size(); ++caller) {
        EXPECT_EQ(errors[caller], "");
        total += applied[caller];
    }
    EXPECT_EQ(total, all_migrations().size());
}

TEST(MigrationsTest, RefusesASchemaFromTheFuture) {
    test::MigratedCluster cluster;
    cluster.execute("INSERT INTO burgee.schema_version (version) VALUES (999)");
    const auto refused = migrate(cluster.session());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, SyncErrorKind::kFutureSchema);
    EXPECT_THAT(refused.error().message, ::testing::HasSubstr("999"));
    EXPECT_THAT(refused.error().message, ::testing::HasSubstr("update the program"));
}

TEST(MigrationsTest, FreshMetricsArePartitionedAndTakeEveryDay) {
    test::MigratedCluster cluster;
    for (const char* created : {"1", "1", "1", "0"}) {
        EXPECT_EQ(cluster.value("SELECT burgee.ensure_metric_partitions(2)"), created);
    }
    cluster.execute(
        "INSERT INTO ab_test_metrics (variant_name, metric_type, metric_value, created_at) VALUES"
        " ('a', 'm', 1, now()), ('a', 'm', 1, '2001-01-01'), ('a', 'm', 1, NULL)");
    EXPECT_EQ(cluster.value("SELECT count(*) FROM ab_test_metrics_default"), "2");
    EXPECT_EQ(
        cluster.value(
            "SELECT string_agg(indexname || ' ' || (indexdef LIKE '%USING brin%'), ',' ORDER BY 1) "
            "FROM pg_indexes WHERE tablename = 'ab_test_metrics'"),
        "idx_metrics_experiment true,idx_metrics_time true");
    EXPECT_EQ(
        cluster.value(
            "SELECT string_agg(name || '=' || value, ',' ORDER BY name) FROM burgee.settings"),
        "default_bucketing=xxh3,legacy_canary=on");
}

TEST(MigrationsTest, LeavesExistingTablesAsTheyAre) {
    PostgresCluster cluster;
    cluster.execute(
        "CREATE TABLE feature_flags (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text "
        "UNIQUE NOT NULL,"
        " description text, status text NOT NULL, rollout_percentage float DEFAULT 0, segments "
        "jsonb DEFAULT '{}',"
        " variants jsonb DEFAULT '[]', metadata jsonb DEFAULT '{}', created_at timestamptz DEFAULT "
        "now(),"
        " updated_at timestamptz DEFAULT now(), expires_at timestamptz);"
        "INSERT INTO feature_flags (name, status, rollout_percentage) VALUES ('old', "
        "'gradual_rollout', 25);"
        "CREATE TABLE ab_test_experiments (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "
        "feature_flag_id uuid"
        " REFERENCES feature_flags, name text NOT NULL, hypothesis text, success_metrics jsonb, "
        "start_date timestamptz,"
        " end_date timestamptz, status text, results jsonb, created_at timestamptz);"
        "CREATE TABLE ab_test_metrics (id uuid DEFAULT gen_random_uuid(), experiment_id uuid, "
        "variant_name text,"
        " user_id text, session_id text, metric_type text, metric_value float, metadata jsonb, "
        "created_at timestamptz);"
        "CREATE INDEX idx_metrics_experiment ON ab_test_metrics (experiment_id, variant_name)");
    PgSession session({.dsn = cluster.dsn()});
    const auto report = migrate(session);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(cluster.value("SELECT rollout_percentage FROM feature_flags WHERE name = 'old'"),
              "25");
    EXPECT_EQ(cluster.value("SELECT relkind FROM pg_class WHERE oid = 'ab_test_metrics'::regclass"),
              "r");
    EXPECT_EQ(cluster.value("SELECT count(*) FROM pg_indexes WHERE tablename = 'ab_test_metrics'"),
              "1");
    EXPECT_EQ(
        cluster.value(
            "SELECT string_agg(name || '=' || value, ',' ORDER BY name) FROM burgee.settings"),
        "default_bucketing=legacy_md5,legacy_canary=off");
    cluster.execute("UPDATE feature_flags SET status = 'disabled'");
    EXPECT_EQ(cluster.value("SELECT value FROM burgee.revision"), "1");
}

TEST(MigrationsTest, WorksForALoginThatMayNotCreateRoles) {
    PostgresCluster cluster;
    cluster.execute("CREATE ROLE plain LOGIN");
    cluster.execute("CREATE DATABASE small OWNER plain");
    cluster.execute("GRANT ALL ON SCHEMA public TO plain", "small");
    PgSession session({.dsn = cluster.dsn("plain", "small")});
    const auto report = migrate(session);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(cluster.value("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'burgee%'"), "0");
}

}  // namespace
}  // namespace burgee::sync
