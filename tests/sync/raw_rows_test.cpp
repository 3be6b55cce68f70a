// Promise: an event's raw row is the same in COPY's binary form as in its text form, tables whose
// columns have other types than ours get theirs too, and a COPY that fails says why and harms
// nothing. Method: a real server, random events, and SQL that compares.

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "sync/experiment_store.hpp"
#include "sync/metric_rows.hpp"
#include "sync/metric_writer.hpp"
#include "sync/pg_copy.hpp"
#include "tests/sync/memory_source.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::test {
namespace {

using sync::CopyForm;
using sync::MetricEvent;
using sync::PgAccess;
using sync::PgCopy;
using sync::PgTransaction;
using sync::UnitSource;

constexpr Uuid kExperiment{0xE1};
constexpr Uuid kSpool{0x50};

class RawRowsTest : public PostgresTest {
protected:
    RawRowsTest() {
        execute(
            "INSERT INTO public.feature_flags (name, status, variants) VALUES ('model', 'ab_test',"
            "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"new\",\"weight\":50}]');"
            "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name)"
            " SELECT '" +
            sync::to_text(kExperiment) + "', id, 'model test' FROM public.feature_flags");
    }

    /// Every combination of missing and present texts, units and metadata; values and times of
    /// every size.
    void add_random_events(int count, unsigned seed) {
        std::mt19937_64 random(seed);
        const std::vector<std::string> texts = {"",         "plain", "tab \t line \n", "\\N", "\\.",
                                                "\xC3\xA9", "a\\b",  "\"quoted\"",     "\r"};
        for (int index = 0; index < count; ++index) {
            MetricEvent event;
            event.experiment = kExperiment;
            event.variant = random() % 2 == 0 ? "control" : "new";
            event.metric = texts[1 + random() % (texts.size() - 1)];
            event.user_id = texts[random() % texts.size()];
            event.session_id = texts[random() % texts.size()];
            event.unit_source = static_cast<UnitSource>(random() % 4);
            event.unit = random();
            event.unit_text = texts[1 + random() % (texts.size() - 1)];
            event.metadata_json = random() % 2 == 0 ? "" : R"({"k": [1, "\u00e9\n", null]})";
            event.created_unix_ms =
                -60'000'000'000'000 + static_cast<std::int64_t>(random() % 300'000'000'000'000);
            event.value = std::ldexp(static_cast<double>(random()) - 9e18,
                                     static_cast<int>(random() % 1'800) - 900);
            source_.add(event);
        }
    }

    sync::WriteReport write_all(sync::MetricWriter& writer) {
        sync::WriteReport report = writer.open_cursor(kSpool, 1);
        return writer.write({kSpool, report.next_lsn, source_.end_lsn()}, source_);
    }

    sync::PgSession session_{{.dsn = cluster_.dsn()}};
    MemorySource source_;
};

TEST_F(RawRowsTest, AreTheSameInBothForms) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    add_random_events(5'000, seed);
    execute(
        "CREATE TABLE public.in_text (LIKE public.ab_test_metrics);"
        "CREATE TABLE public.in_binary (LIKE public.ab_test_metrics)");
    const auto copied = session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        PgCopy text(open, "public.in_text", sync::kRawColumns, CopyForm::kText);
        for (const MetricEvent& event : source_.events()) {
            sync::append_raw_line(text.rows(), kSpool, event);
            text.send_some();
        }
        text.complete();
        PgCopy binary(open, "public.in_binary", sync::kRawColumns, CopyForm::kBinary);
        for (const MetricEvent& event : source_.events()) {
            sync::append_raw_row(binary.rows(), kSpool, event);
            binary.send_some();
        }
        binary.complete();
    });
    ASSERT_TRUE(copied) << copied.error().message;
    EXPECT_EQ(value("SELECT count(*) FROM public.in_binary"), "5000");
    EXPECT_EQ(value("SELECT count(*) FROM (TABLE public.in_text EXCEPT TABLE public.in_binary) x"),
              "0");
    EXPECT_EQ(value("SELECT count(*) FROM public.in_text WHERE user_id IS NULL"),
              value("SELECT count(*) FROM public.in_binary WHERE user_id IS NULL"));
}

TEST_F(RawRowsTest, ReachATableWhoseColumnsHaveOtherTypes) {
    execute(
        "DROP TABLE public.ab_test_metrics CASCADE;"
        "CREATE TABLE public.ab_test_metrics (id text, experiment_id uuid, variant_name "
        "varchar(50),"
        " user_id text, session_id text, metric_type varchar(50), metric_value numeric,"
        " metadata json, created_at timestamptz, spool_id uuid, lsn bigint, unit numeric)");
    add_random_events(300, 7);
    sync::MetricWriter writer({.dsn = cluster_.dsn()}, {});
    const sync::WriteReport report = write_all(writer);
    EXPECT_EQ(report.status, sync::WriteStatus::kCommitted) << report.error.message;
    EXPECT_EQ(report.delivered, 300U) << value("SELECT max(reason) FROM burgee.dead_letter");
    const auto values =
        cluster_.rows("SELECT metric_value::text::float8 FROM public.ab_test_metrics ORDER BY lsn");
    ASSERT_EQ(values.size(), 300U);
    for (std::size_t index = 0; index < values.size(); ++index) {
        EXPECT_EQ(std::stod(values[index][0].value()), source_.events()[index].value) << index;
    }
}

TEST_F(RawRowsTest, WithATimeThatNoCalendarHasBecomeDeadLettersAlone) {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
    constexpr std::int64_t kYear10000 = 253'402'300'800'000;
    for (const std::int64_t at : {now, kYear10000, std::numeric_limits<std::int64_t>::max(), now,
                                  std::numeric_limits<std::int64_t>::min(), kYear10000 - 1}) {
        source_.add(kExperiment, "control", "impression", "user-1", 1, at);
    }
    sync::MetricWriter writer({.dsn = cluster_.dsn()}, {});
    const sync::WriteReport report = write_all(writer);
    EXPECT_EQ(report.status, sync::WriteStatus::kCommitted) << report.error.message;
    EXPECT_EQ(report.delivered, 3U);
    EXPECT_EQ(value("SELECT string_agg(lsn || ':' || left(reason, 5), ' ' ORDER BY lsn)"
                    " FROM burgee.dead_letter"),
              "2:22008 3:22008 5:22008");
}

TEST_F(RawRowsTest, ThatAreRefusedLeaveTheSessionUsable) {
    execute("CREATE TABLE public.numbers (n bigint NOT NULL)");
    const std::string_view columns[] = {"n"};
    const auto copy_lines = [&](const char* table, const std::string& lines, bool completes) {
        return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
            PgCopy copy(open, table, columns, CopyForm::kText);
            copy.rows() = lines;
            if (!completes) {
                throw sync::SyncFailure(sync::SyncErrorKind::kInvalid, "changed its mind");
            }
            copy.complete();
        });
    };
    EXPECT_EQ(copy_lines("public.numbers", "1\nno number\n", true).error().sqlstate, "22P02");
    EXPECT_EQ(copy_lines("public.nowhere", "1\n", true).error().sqlstate, "42P01");
    EXPECT_EQ(copy_lines("public.numbers", "1\n", false).error().message, "changed its mind");
    EXPECT_TRUE(session_.is_connected());
    EXPECT_FALSE(copy_lines("public.numbers", "2\n3\n", true).has_error());
    EXPECT_EQ(value("SELECT string_agg(n::text, ' ') FROM public.numbers"), "2 3");
}

TEST_F(RawRowsTest, OnABrokenConnectionAreNotInDoubt) {
    execute("CREATE TABLE public.numbers (n bigint NOT NULL)");
    const std::string_view columns[] = {"n"};
    const auto copied = session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        const std::string pid = std::string(open.query("SELECT pg_backend_pid()").text(0, 0));
        PgCopy copy(open, "public.numbers", columns, CopyForm::kText);
        execute("SELECT pg_terminate_backend(" + pid + ")");
        for (int line = 0; line < 1'000'000; ++line) {
            copy.rows() += "1\n";
            copy.send_some();
        }
        copy.complete();
    });
    ASSERT_TRUE(copied.has_error());
    EXPECT_EQ(copied.error().kind, sync::SyncErrorKind::kUnreachable) << copied.error().message;
    EXPECT_FALSE(session_.is_connected());
    EXPECT_EQ(value("SELECT count(*) FROM public.numbers"), "0");
}

}  // namespace
}  // namespace burgee::test
