// Promise: every committed change of a flag has a revision, a line in the history and a hint,
// whoever makes it and with which rights; and nobody's open transaction delays anybody's switch.
// Method: plain SQL on a real server, as other programs would write it.
#include <future>
#include <pqxx/pqxx>
#include <thread>

#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

class FlagTriggersTest : public test::PostgresTest {
protected:
    std::string revision() { return value("SELECT value FROM burgee.revision"); }
    std::string history() {
        return value(
            "SELECT coalesce(string_agg(revision || ' ' || kind || ' ' || coalesce(name, '-') || "
            "CASE WHEN before IS NULL THEN ' created' WHEN after IS NULL THEN ' deleted' ELSE ' "
            "changed' END, "
            "', ' ORDER BY id), '') FROM burgee.flag_history");
    }
};

TEST_F(FlagTriggersTest, OneTransactionTakesOneRevisionAndOneLineForEachRow) {
    execute("INSERT INTO feature_flags (name, status) VALUES ('a', 'enabled'), ('b', 'enabled')");
    execute("UPDATE feature_flags SET status = 'disabled' WHERE name = 'a'");
    execute("UPDATE feature_flags SET name = 'c' WHERE name = 'b'");
    execute("DELETE FROM feature_flags WHERE name = 'a'");
    EXPECT_EQ(
        history(),
        "1 flag a created, 1 flag b created, 2 flag a changed, 3 flag b deleted, 3 flag c created, "
        "4 flag a deleted");
    EXPECT_EQ(revision(), "4");
}

TEST_F(FlagTriggersTest, WhatChangesNothingTakesNoRevision) {
    execute("INSERT INTO feature_flags (name, status) VALUES ('a', 'enabled')");
    execute("UPDATE feature_flags SET status = 'enabled', updated_at = now()");
    EXPECT_THROW(execute("BEGIN; UPDATE feature_flags SET status = 'disabled'; SELECT 1/0"),
                 std::runtime_error);
    EXPECT_EQ(revision(), "1");
}

TEST_F(FlagTriggersTest, WritesWhoWhyAndWithWhat) {
    execute("CREATE ROLE alice LOGIN; GRANT burgee_owner TO alice");
    pqxx::connection alice(cluster_.dsn("alice") + " application_name=studio");
    pqxx::work change(alice);
    change.exec("SET LOCAL burgee.why = 'because; it''s time'");
    change.exec("INSERT INTO public.feature_flags (name, status) VALUES ('a', 'enabled')");
    change.commit();
    EXPECT_EQ(
        value("SELECT changed_by || '|' || application || '|' || why FROM burgee.flag_history"),
        "alice|studio|because; it's time");
}

TEST_F(FlagTriggersTest, ARoleWithRightsOnTheThreeTablesOnlyCanStillWrite) {
    execute(
        "CREATE ROLE studio LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON feature_flags, "
        "ab_test_experiments, ab_test_metrics TO studio");
    pqxx::connection studio(cluster_.dsn("studio"));
    pqxx::work change(studio);
    change.exec("INSERT INTO feature_flags (name, status) VALUES ('a', 'enabled')");
    change.exec(
        "INSERT INTO ab_test_experiments (feature_flag_id, name) SELECT id, 'x' FROM "
        "feature_flags");
    change.exec("UPDATE feature_flags SET status = 'disabled'");
    change.exec("DELETE FROM feature_flags");
    change.commit();
    EXPECT_EQ(revision(), "1");
    EXPECT_EQ(value("SELECT count(*) FROM burgee.flag_history WHERE changed_by = 'studio'"), "5");
    pqxx::work prying(studio);
    EXPECT_THROW(prying.exec("SELECT * FROM burgee.revision"), pqxx::insufficient_privilege);
}

TEST_F(FlagTriggersTest, AnOpenTransactionOnOneFlagDelaysNoOther) {
    execute(
        "INSERT INTO feature_flags (name, status) VALUES ('idle', 'enabled'), ('kill', 'enabled')");
    pqxx::connection idle(cluster_.dsn());
    pqxx::work open(idle);
    open.exec("UPDATE feature_flags SET status = 'disabled' WHERE name = 'idle'");
    // With a lock taken before the commit this would wait for ever: it fails instead. No timeout
    // counts while committing, so the deferred trigger runs before.
    execute(
        "BEGIN; SET LOCAL statement_timeout = '10s'; UPDATE feature_flags SET status = 'disabled' "
        "WHERE name = 'kill'; SET CONSTRAINTS ALL IMMEDIATE; COMMIT");
    EXPECT_EQ(history().substr(history().rfind(", ") + 2), "2 flag kill changed");
    open.commit();
    EXPECT_EQ(history().substr(history().rfind(", ") + 2), "3 flag idle changed");
}

TEST_F(FlagTriggersTest, AWritersLockTimeoutCostsNoChangeItsRevision) {
    execute(
        "INSERT INTO feature_flags (name, status) VALUES ('slow', 'enabled'), ('kill', 'enabled')");
    pqxx::connection slow(cluster_.dsn());
    pqxx::work open(slow);
    open.exec("UPDATE feature_flags SET status = 'disabled' WHERE name = 'slow'");
    open.exec("SET CONSTRAINTS ALL IMMEDIATE");  // as in a COMMIT that takes its time
    auto killed = std::async(std::launch::async, [this] {
        execute(
            "SET lock_timeout = '50ms'; SET application_name = 'killer'; "
            "UPDATE feature_flags SET status = 'disabled' WHERE name = 'kill'");
    });
    const auto has_waited = [this] {
        return value(
                   "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'killer' AND "
                   "state = 'active' AND wait_event_type = 'Lock' AND "
                   "clock_timestamp() - query_start > interval '500 ms'") == "1";
    };
    while (killed.wait_for(std::chrono::milliseconds(5)) != std::future_status::ready &&
           !has_waited()) {
    }
    open.commit();
    killed.get();
    EXPECT_EQ(history().substr(history().find(", 2") + 2),
              "2 flag slow changed, 3 flag kill changed");
}

TEST_F(FlagTriggersTest, AWriterIsNeverFailedByTheHistory) {
    execute("INSERT INTO feature_flags (name, status) VALUES ('a', 'enabled')");
    execute("ALTER TABLE burgee.flag_history RENAME TO gone");
    execute("UPDATE feature_flags SET status = 'disabled' WHERE name = 'a'");
    EXPECT_EQ(value("SELECT status FROM feature_flags"), "disabled");
    execute("ALTER TABLE burgee.gone RENAME TO flag_history");
}

TEST_F(FlagTriggersTest, TruncateIsNoticed) {
    execute("INSERT INTO feature_flags (name, status) VALUES ('a', 'enabled')");
    execute("TRUNCATE feature_flags CASCADE");
    EXPECT_GT(value("SELECT count(*) FROM burgee.flag_history WHERE kind = 'truncate'"), "0");
    EXPECT_EQ(revision(), "2");
}

TEST_F(FlagTriggersTest, ManyRowsInOneTransactionStayCheap) {
    // With one UPDATE of the revision for each row this takes minutes: its versions form a chain.
    execute(
        "SET statement_timeout = '60s'; INSERT INTO feature_flags (name, status) "
        "SELECT 'flag.' || n, 'enabled' FROM generate_series(1, 20000) n");
    EXPECT_EQ(revision(), "1");
    EXPECT_EQ(value("SELECT count(*) FROM burgee.flag_history"), "20000");
}

TEST_F(FlagTriggersTest, ResultsOfAnExperimentAreNoChangeForHosts) {
    execute("INSERT INTO feature_flags (name, status) VALUES ('a', 'enabled')");
    execute(
        "INSERT INTO ab_test_experiments (feature_flag_id, name) SELECT id, 'x' FROM "
        "feature_flags");
    execute("UPDATE ab_test_experiments SET results = '{\"p\": 1}'");
    EXPECT_EQ(revision(), "2");
    execute("UPDATE ab_test_experiments SET status = 'paused'");
    EXPECT_EQ(revision(), "3");
}

TEST_F(FlagTriggersTest, TheWriterRoleMayWriteEventsAndNothingElse) {
    execute("CREATE ROLE burgee_host LOGIN IN ROLE burgee_writer");
    pqxx::connection host(cluster_.dsn("burgee_host"));
    const auto may = [&](const std::string& sql) {
        try {
            pqxx::work attempt(host);
            attempt.exec(sql);
            return true;
        } catch (const pqxx::insufficient_privilege&) {
            return false;
        }
    };
    EXPECT_TRUE(
        may("INSERT INTO ab_test_metrics (variant_name, metric_type, metric_value) VALUES ('a', "
            "'m', 1)"));
    EXPECT_TRUE(may("INSERT INTO burgee.spool_cursor VALUES (gen_random_uuid(), 0)"));
    EXPECT_TRUE(may("SELECT burgee.ensure_metric_partitions(1)"));
    EXPECT_TRUE(may("SELECT burgee.missing_metric_days(1)"));
    EXPECT_TRUE(may("SELECT burgee.begin_housekeeping('retention')"));
    EXPECT_FALSE(may("UPDATE burgee.housekeeping SET last_attempt_at = now()"));
    EXPECT_FALSE(may("SELECT * FROM ab_test_metrics"));
    EXPECT_FALSE(may("DELETE FROM burgee.spool_cursor"));
    EXPECT_FALSE(may("TRUNCATE burgee.unit_metrics"));
    EXPECT_FALSE(may("UPDATE feature_flags SET status = 'enabled'"));
    EXPECT_FALSE(may("CREATE TABLE burgee.mine (n int)"));
}

}  // namespace
}  // namespace burgee::sync
