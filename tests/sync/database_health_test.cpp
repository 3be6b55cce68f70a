// Promise: the doctor's look at a database finds what is broken, and names what mends it.
// Method: a real server, on which one thing at a time is spoilt.
#include "sync/database_health.hpp"

#include <gmock/gmock.h>

#include "sync/listen_probe.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::Field;
using testing::HasSubstr;
using testing::Not;

class DatabaseHealthTest : public test::PostgresTest {
protected:
    static auto finding(Severity severity, const std::string& message, const std::string& command) {
        return AllOf(Field(&Finding::severity, severity),
                     Field(&Finding::message, HasSubstr(message)),
                     Field(&Finding::command, HasSubstr(command)));
    }
    Findings check(const HostClock& clock = host_clock_ms) {
        return check_database(session_, clock).value().findings;
    }
};

TEST_F(DatabaseHealthTest, FindsNothingOnAGoodDatabase) {
    execute("INSERT INTO feature_flags (name, status) VALUES ('a', 'enabled')");
    const DatabaseHealth health = check_database(session_).value();
    EXPECT_THAT(health.findings, Each(Field(&Finding::severity, Severity::kOk)));
    EXPECT_THAT(health.findings, Contains(finding(Severity::kOk, "PostgreSQL 15", "")));
    EXPECT_THAT(health.findings, Contains(finding(Severity::kOk, "13 present and enabled", "")));
    EXPECT_EQ(health.revision, 1U);
}

TEST_F(DatabaseHealthTest, NamesMissingAndDisabledTriggers) {
    execute("ALTER TABLE feature_flags DISABLE TRIGGER burgee_record_row");
    execute("DROP TRIGGER burgee_record_truncate ON ab_test_experiments");
    const Findings found = check();
    EXPECT_THAT(found, Contains(finding(Severity::kFail,
                                        "burgee_record_row on public.feature_flags is disabled",
                                        "ENABLE TRIGGER burgee_record_row")));
    EXPECT_THAT(found, Contains(finding(Severity::kFail,
                                        "burgee_record_truncate on "
                                        "public.ab_test_experiments is missing",
                                        "005")));
}

TEST_F(DatabaseHealthTest, TellsWhatALoginMayDo) {
    execute("CREATE ROLE reads LOGIN IN ROLE burgee_reader; CREATE ROLE nobody_at_all LOGIN");
    PgSession reads({.dsn = cluster_.dsn("reads")});
    const Findings found = check_database(reads).value().findings;
    EXPECT_THAT(found, Contains(finding(Severity::kOk, "may read flags", "")));
    EXPECT_THAT(found,
                Contains(finding(Severity::kWarn, "may not store events", "GRANT burgee_writer")));
    EXPECT_TRUE(is_well(found));
    PgSession nobody({.dsn = cluster_.dsn("nobody_at_all")});
    EXPECT_THAT(
        check_database(nobody).value().findings,
        Contains(finding(Severity::kFail, "may not use the schema", "GRANT burgee_reader")));
    execute("ALTER TABLE feature_flags ENABLE ROW LEVEL SECURITY");
    EXPECT_THAT(check_database(reads).value().findings,
                Contains(finding(Severity::kFail, "row security hides", "")));
}

TEST_F(DatabaseHealthTest, NamesAClockThatIsApart) {
    EXPECT_THAT(check([] { return host_clock_ms() + 5'000; }),
                Contains(finding(Severity::kWarn, "behind this host's", "timedatectl")));
    EXPECT_THAT(check([] { return host_clock_ms() - 400'000; }),
                Contains(finding(Severity::kFail, "ahead of this host's", "timedatectl")));
}

TEST_F(DatabaseHealthTest, NamesASchemaThatIsOlderNewerOrMissing) {
    execute("CREATE DATABASE empty");
    PgSession empty({.dsn = cluster_.dsn("postgres", "empty")});
    const DatabaseHealth health = check_database(empty).value();
    EXPECT_THAT(health.findings,
                Contains(finding(Severity::kFail, "not in this database", "burgee db migrate")));
    EXPECT_FALSE(health.revision);
    execute(
        "DELETE FROM burgee.schema_version WHERE version = (SELECT max(version) FROM"
        " burgee.schema_version)");
    EXPECT_THAT(check(), Contains(finding(Severity::kFail, "is needed", "burgee db migrate")));
    execute("INSERT INTO burgee.schema_version (version) VALUES (999)");
    EXPECT_THAT(check(), Contains(finding(Severity::kFail, "update the program", "")));
}

TEST_F(DatabaseHealthTest, AnUnreachableDatabaseIsAnError) {
    cluster_.stop();
    const auto health = check_database(session_);
    ASSERT_FALSE(health);
    EXPECT_EQ(health.error().kind, SyncErrorKind::kUnreachable);
    EXPECT_FALSE(probe_listen(session_.options(), std::chrono::seconds(1)));
}

TEST_F(DatabaseHealthTest, ANotificationArrivesOnItsOwnChannel) {
    const auto elapsed = probe_listen(session_.options(), std::chrono::seconds(5));
    ASSERT_TRUE(elapsed) << elapsed.error().message;
    EXPECT_LT(*elapsed, std::chrono::seconds(5));
    const auto late = probe_listen(session_.options(), std::chrono::milliseconds(0));
    ASSERT_FALSE(late);
    EXPECT_THAT(late.error().message, HasSubstr("no notification arrived"));
}

}  // namespace
}  // namespace burgee::sync
