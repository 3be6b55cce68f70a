// Promise: whatever differs between unit state and raw rows is found and named, what equals is
// called equal, and what cannot be compared is called so with the reason. Method: real servers;
// rows by the metric writer and by the former system; then exactly one thing is spoiled.
#include "sync/unit_state_check.hpp"

#include <gmock/gmock.h>

#include <burgee/checksum.hpp>
#include <random>

#include "sync/experiment_store.hpp"
#include "sync/metric_backfill.hpp"
#include "sync/metric_writer.hpp"
#include "tests/support/former_system.hpp"
#include "tests/sync/memory_source.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Uuid kExperiment{0xE1};
constexpr Uuid kSpool{0x50};
constexpr std::int64_t kStart = 1'704'067'200'000;  // 2024-01-01
constexpr const char* kFlags =
    "INSERT INTO public.feature_flags (id, name, status, variants) VALUES"
    " ('f1000000-0000-0000-0000-000000000000', 'models', 'ab_test',"
    "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"new\",\"weight\":50}]');"
    "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date, end_date) "
    "VALUES"
    " ('e1000000-0000-0000-0000-000000000000', 'f1000000-0000-0000-0000-000000000000', 'models',"
    "  '2024-01-01', '2024-02-01')";

CheckedExperiment checked(PgSession& session) {
    SyncResult<StateCheck> check = check_unit_state(session);
    EXPECT_TRUE(check) << check.error().message;
    EXPECT_EQ(check->experiments.size(), 1U);
    EXPECT_EQ(check->has_differences(), check->experiments.at(0).verdict == StateVerdict::kDiffers);
    return check->experiments.at(0);
}

class UnitStateCheckTest : public test::PostgresTest {
protected:
    UnitStateCheckTest() { execute(kFlags); }

    /// Units of every kind: users, sessions, none, by hand, of two phases, outside the dates,
    /// values whose sums depend on the order.
    void write_events(MetricWriterOptions options = {}, int count = 3'000) {
        execute(
            "INSERT INTO burgee.experiment_phases (experiment_id, phase) VALUES"
            " ('e1000000-0000-0000-0000-000000000000', 2) ON CONFLICT DO NOTHING");
        std::mt19937 random(7);
        for (int index = 0; index < count; ++index) {
            const std::string user = "user-" + std::to_string(random() % 60);
            MetricEvent& event = source_.add(
                kExperiment, random() % 2 == 0 ? "control" : "new",
                random() % 3 == 0 ? "revenue" : "impression", user,
                (static_cast<double>(random() % 10'000) - 5'000) / 7,
                kStart + static_cast<std::int64_t>(random() % 3'000'000'000) - 86'400'000);
            event.phase = 1 + random() % 2;
            event.in_experiment = random() % 5 != 0;
            event.unit_source = random() % 20 == 0 ? UnitSource::kNone : UnitSource::kUserId;
            if (random() % 100 == 0) {
                event.value = random() % 2 == 0 ? 1e150 : 1e-200;
            }
        }
        MetricWriter writer({.dsn = cluster_.dsn()}, options);
        std::uint64_t lsn = writer.open_cursor(kSpool, 1).next_lsn;
        while (lsn < source_.end_lsn()) {
            const std::uint64_t end = std::min(lsn + 700, source_.end_lsn());
            const WriteReport report = writer.write({kSpool, lsn, end}, source_);
            ASSERT_EQ(report.status, WriteStatus::kCommitted) << report.error.message;
            lsn = report.next_lsn;
        }
    }

    CheckedExperiment check() { return checked(session_); }

    test::MemorySource source_;
};

TEST_F(UnitStateCheckTest, WhatTheWriterStoredIsEqual) {
    write_events();
    const CheckedExperiment equal = check();
    EXPECT_EQ(equal.verdict, StateVerdict::kEqual);
    EXPECT_EQ(equal.name, "models");
    EXPECT_THAT(equal.cells, IsEmpty());
    EXPECT_EQ(std::to_string(equal.units.events_counted),
              value("SELECT sum(n) FROM burgee.unit_metrics"));
    EXPECT_EQ(equal.units.events_raw, equal.units.events_counted);
    EXPECT_GT(equal.units.units, 200U);  // 60 users in two variants and two metrics
    EXPECT_EQ(check_unit_state(session_, to_text(kExperiment)).value().experiments.size(), 1U);
    EXPECT_EQ(check_unit_state(session_, to_text(Uuid{1})).value().experiments.size(), 0U);
}

TEST_F(UnitStateCheckTest, FindsEveryColumnThatIsSpoiled) {
    write_events();
    // What is changed, and the row that is the extreme of all its phases and assignments.
    constexpr std::pair<const char*, const char*> kSpoilings[] = {
        {"n = n + 1", "unit"},
        {"sum = sum + 1e-4", "unit"},
        {"sum_of_squares = sum_of_squares + 1", "unit"},
        {"min = min - 1e-9", "min"},
        {"max = max + 1e-9", "max DESC"},
        {"first_at = first_at - interval '1 ms'", "first_at"},
        {"last_at = last_at + interval '1 ms'", "last_at DESC"}};
    for (const auto& [spoiling, order] : kSpoilings) {
        execute("CREATE TABLE kept AS SELECT * FROM burgee.unit_metrics");
        execute("UPDATE burgee.unit_metrics SET " + std::string(spoiling) +
                " WHERE (unit, cell) = (SELECT unit, cell FROM burgee.unit_metrics ORDER BY " +
                order + ", unit, cell LIMIT 1)");
        const CheckedExperiment differing = check();
        EXPECT_EQ(differing.verdict, StateVerdict::kDiffers) << spoiling;
        EXPECT_EQ(differing.units.different, 1U) << spoiling;
        ASSERT_EQ(differing.cells.size(), 1U) << spoiling;
        EXPECT_EQ(differing.cells[0].units.different, 1U);
        execute(
            "TRUNCATE burgee.unit_metrics; INSERT INTO burgee.unit_metrics SELECT * FROM kept;"
            "DROP TABLE kept");
        EXPECT_EQ(check().verdict, StateVerdict::kEqual);
    }
}

TEST_F(UnitStateCheckTest, ToleratesTheOrderOfAdditionAndNoMore) {
    write_events();
    execute("UPDATE burgee.unit_metrics SET sum = sum + 1e-11 * n");
    EXPECT_EQ(check().verdict, StateVerdict::kEqual);
}

TEST_F(UnitStateCheckTest, NamesWhatIsMissingAndWhatIsTooMuch) {
    write_events();
    const std::string example = value("SELECT min(unit) FROM burgee.unit_metrics");
    execute("DELETE FROM burgee.unit_metrics WHERE unit = " + example);
    execute("DELETE FROM public.ab_test_metrics WHERE metric_type = 'revenue'");
    const CheckedExperiment differing = check();
    EXPECT_EQ(differing.verdict, StateVerdict::kDiffers);
    EXPECT_GT(differing.units.missing, 0U);
    EXPECT_GT(differing.units.surplus, 100U);
    for (const DifferingCell& cell : differing.cells) {
        EXPECT_EQ(cell.units.missing + cell.units.surplus, cell.units.different);
        EXPECT_EQ(cell.units.surplus > 0, cell.metric == "revenue");
        EXPECT_EQ(cell.metric == "revenue" ? "" : example,
                  cell.metric == "revenue" ? "" : std::to_string(cell.example_unit));
    }
    EXPECT_THAT(differing.reasons, IsEmpty());
}

TEST_F(UnitStateCheckTest, RawRowsThatWereOffAreNoDifference) {
    write_events({.stores_raw_rows = false}, 1'000);
    const CheckedExperiment off = check();
    EXPECT_EQ(off.verdict, StateVerdict::kNotComparable);
    EXPECT_EQ(off.units.events_raw, 0U);
    EXPECT_THAT(off.reasons, ElementsAre(HasSubstr("raw rows off since 20")));
    EXPECT_EQ(value("SELECT count(*) FROM burgee.raw_row_gaps"), "1");
    // Rows that are there and not in the state remain a difference, off or not.
    execute(
        "INSERT INTO public.ab_test_metrics (experiment_id, variant_name, user_id, metric_type,"
        " metric_value, created_at, spool_id, lsn, unit) VALUES"
        " ('e1000000-0000-0000-0000-000000000000', 'new', 'u', 'error', 1, '2024-01-02',"
        "  gen_random_uuid(), 1, 77)");
    const CheckedExperiment lost = check();
    EXPECT_EQ(lost.verdict, StateVerdict::kDiffers);
    EXPECT_EQ(lost.units.missing, 1U);
    EXPECT_EQ(lost.units.by_gap, off.units.units);
}

TEST_F(UnitStateCheckTest, ChangedDatesAndDeletedExperimentsAreNamed) {
    write_events();
    execute("UPDATE public.ab_test_experiments SET end_date = '2024-01-20'");
    const CheckedExperiment shortened = check();
    EXPECT_EQ(shortened.verdict, StateVerdict::kNotComparable);
    EXPECT_GT(shortened.units.by_dates, 0U);
    EXPECT_THAT(shortened.reasons, ElementsAre(HasSubstr("dates were changed")));
    // More than the widest dates allow is no matter of dates.
    execute("UPDATE burgee.unit_metrics SET n = n + 1000");
    EXPECT_EQ(check().verdict, StateVerdict::kDiffers);
    execute("UPDATE burgee.unit_metrics SET n = n - 1000");
    execute("UPDATE public.ab_test_experiments SET end_date = '2024-02-01'");
    EXPECT_EQ(check().verdict, StateVerdict::kEqual);

    execute("DELETE FROM public.ab_test_experiments");
    const CheckedExperiment deleted = check();
    EXPECT_EQ(deleted.verdict, StateVerdict::kNotComparable);
    EXPECT_EQ(deleted.name, std::nullopt);
    EXPECT_THAT(deleted.reasons, ElementsAre(HasSubstr("was deleted")));
}

TEST_F(UnitStateCheckTest, WhoMayNotReadTheRowsIsTold) {
    execute("CREATE ROLE host LOGIN IN ROLE burgee_reader, burgee_writer");
    PgSession host({.dsn = cluster_.dsn("host")});
    const auto refused = check_unit_state(host);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, SyncErrorKind::kConfiguration);
    execute("CREATE ROLE person LOGIN IN ROLE burgee_owner");
    PgSession person({.dsn = cluster_.dsn("person")});
    write_events();
    EXPECT_EQ(checked(person).verdict, StateVerdict::kEqual);
}

// Rows of the former system carry no hash of their unit, and count round by round.
TEST(AdoptedUnitStateCheckTest, FollowsTheRounds) {
    test::PostgresCluster cluster;
    cluster.execute(test::kFormerTables);
    cluster.execute(kFlags);
    const std::string rows =
        "INSERT INTO public.ab_test_metrics (experiment_id, variant_name, user_id, session_id,"
        " metric_type, metric_value, created_at) SELECT 'e1000000-0000-0000-0000-000000000000',"
        " CASE WHEN n % 3 = 0 THEN 'new' WHEN n % 50 = 1 THEN 'typo' ELSE 'control' END,"
        " CASE WHEN n % 7 > 0 THEN 'user-' || n % 70 ELSE '' END,"
        " CASE WHEN n % 2 = 0 THEN 'session-' || n % 30 || repeat('x', n % 600) END,"
        " 'impression', CASE WHEN n % 100 = 0 THEN 1e200 ELSE n / 7.0 END,"
        " timestamptz '2023-12-30 00:00:00.000123' + n * interval '11.0007 minutes'"
        " FROM generate_series(1, 5000) n";
    cluster.execute(rows);
    PgSession session({.dsn = cluster.dsn()});
    ASSERT_TRUE(migrate(session));
    EXPECT_THAT(check_unit_state(session).value().experiments, IsEmpty());
    MetricBackfill backfill(session, {.rows_per_transaction = 1'000});
    BackfillState state = backfill.open().value();
    while (!state.is_complete) {
        state = backfill.step().value();
        const CheckedExperiment half = checked(session);
        EXPECT_EQ(half.verdict, StateVerdict::kEqual);
        EXPECT_EQ(half.units.events_raw, state.counts.folded);
    }
    cluster.execute(rows);  // of the next round, not counted yet
    EXPECT_EQ(checked(session).verdict, StateVerdict::kEqual);
    cluster.execute(
        "UPDATE burgee.unit_metrics SET max = max * 2 WHERE unit = burgee.unit_hash("
        "'user-1')");
    const CheckedExperiment differing = checked(session);
    EXPECT_EQ(differing.verdict, StateVerdict::kDiffers);
    EXPECT_EQ(differing.cells.at(0).example_unit,
              static_cast<std::int64_t>(hash64(std::string_view("user-1"))));
}

}  // namespace
}  // namespace burgee::sync
