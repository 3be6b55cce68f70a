// Promise: what is in the spool reaches PostgreSQL once, whatever happens on the way, and nothing
// else needs the database for that. Method: a real spool, a real server that is killed, its state
// set back, the disk "copied"; then SQL counts. uploader_cuts_test.cpp cuts connections.

#include <gtest/gtest.h>

#include <burgee/event_wire.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <pqxx/pqxx>
#include <random>
#include <thread>

#include "daemon/uploader.hpp"
#include "sync/experiment_store.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::test {
namespace {

using daemon::Counter;
using daemon::Counters;
using daemon::Spool;
using daemon::Uploader;
using daemon::UploaderOptions;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Uuid kExperiment{0xE1, 1, 2, 3};
constexpr seconds kPatience{60};

std::int64_t now_unix_ms() {
    return std::chrono::duration_cast<milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

bool eventually(const std::function<bool()>& is_true) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!is_true()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        std::this_thread::sleep_for(milliseconds(2));  // between two looks, up to the deadline
    }
    return true;
}

void append_event(std::vector<std::byte>& bytes, std::uint64_t number) {
    const std::string variant = number % 2 == 0 ? "control" : "new";
    const std::string metric = number % 3 == 0 ? "conversion" : "impression";
    const std::string user = "user-" + std::to_string(number % 100);
    EventHeader header{};
    header.unit_kind = static_cast<std::uint8_t>(UnitKind::kUserId);
    header.in_experiment = 1;
    header.experiment_id = kExperiment;
    header.variant_size = static_cast<std::uint16_t>(variant.size());
    header.metric_size = static_cast<std::uint16_t>(metric.size());
    header.user_id_size = static_cast<std::uint16_t>(user.size());
    header.created_unix_ms = now_unix_ms();
    header.value = static_cast<double>(number);
    const std::string texts = variant + metric + user;
    header.size_bytes = static_cast<std::uint32_t>((sizeof header + texts.size() + 7) / 8 * 8);
    const std::size_t begin = bytes.size();
    bytes.resize(begin + header.size_bytes);
    std::memcpy(bytes.data() + begin, &header, sizeof header);
    std::memcpy(bytes.data() + begin + sizeof header, texts.data(), texts.size());
}

class UploaderTest : public PostgresTest {
protected:
    UploaderTest() {
        execute(
            "INSERT INTO public.feature_flags (name, status, rollout_percentage, variants) VALUES"
            " ('model', 'ab_test', 100,"
            "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"new\",\"weight\":50}]');"
            "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date)"
            " SELECT '" +
            sync::to_text(kExperiment) +
            "', id, 'model test', now() - interval '1 day' FROM public.feature_flags");
        open_spool();
    }

    void open_spool() {
        spool_.reset();
        auto opened = Spool::open(directory_.path(), spool_options_);
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        spool_ = std::move(*opened);
    }

    UploaderOptions options(const std::string& dsn) {
        UploaderOptions options;
        options.connection.dsn = dsn;
        options.writer.host_name = "host-a";
        options.gather_time = milliseconds(1);
        options.retry_min = milliseconds(1);
        options.retry_max = milliseconds(50);
        return options;
    }

    /// Puts `count` events on disk.
    void spool_events(std::uint32_t count) {
        std::vector<std::byte> bytes;
        for (std::uint32_t index = 0; index < count; ++index) {
            append_event(bytes, ++staged_);
        }
        daemon::StagedBatch batch;
        batch.session_id = {1};
        batch.first_seq = staged_ - count + 1;
        batch.seq_count = count;
        batch.event_count = count;
        batch.events = bytes;
        ASSERT_TRUE(spool_->stage(batch).has_value());
        ASSERT_TRUE(spool_->commit().has_value());
    }

    void expect_uploaded(const Uploader& uploader) {
        EXPECT_TRUE(eventually([&] {
            const auto status = uploader.status();
            return status.is_connected && status.cursor_lsn == spool_->durable_end_lsn();
        })) << uploader.status().error;
    }

    /// n raw rows, each once, and unit state that adds up to them.
    void expect_stored_once(std::uint64_t count) {
        const std::string n = std::to_string(count);
        EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT (spool_id, lsn)) || ' ' ||"
                        " count(DISTINCT id) FROM public.ab_test_metrics"),
                  n + " " + n + " " + n);
        EXPECT_EQ(value("SELECT sum(n) || ' ' || sum(sum) FROM burgee.unit_metrics"),
                  value("SELECT count(*) || ' ' || sum(metric_value) FROM public.ab_test_metrics"));
        EXPECT_EQ(value("SELECT count(*) FROM burgee.dead_letter"), "0");
    }

    daemon::SpoolOptions spool_options_;
    TemporaryDirectory directory_{"spool"};
    std::unique_ptr<Spool> spool_;
    Counters counters_;
    std::uint64_t staged_ = 0;
};

TEST_F(UploaderTest, WaitsForAServerThatIsDownAndOneThatCrashes) {
    cluster_.stop();
    Uploader uploader(*spool_, counters_, options(cluster_.dsn()));
    spool_events(500);
    EXPECT_TRUE(eventually([&] { return !uploader.status().error.empty(); }));
    EXPECT_FALSE(uploader.status().is_connected);
    EXPECT_EQ(uploader.status().lag_events, 500U);
    cluster_.start();
    expect_uploaded(uploader);
    for (int round = 0; round < 3; ++round) {
        spool_events(500);
        cluster_.kill9();
        spool_events(500);
        cluster_.start();
        expect_uploaded(uploader);
    }
    expect_stored_once(3'500);
    EXPECT_EQ(counters_.value(Counter::events_delivered), 3'500U);
    EXPECT_GT(counters_.value(Counter::upload_failures), 0U);
}

TEST_F(UploaderTest, TakesALongBacklogInBatchesAsLongAsTheyMayBe) {
    for (int frame = 0; frame < 20; ++frame) {
        spool_events(500);
    }
    UploaderOptions bounded = options(cluster_.dsn());
    bounded.batch_events_max = 4'000;
    {
        Uploader uploader(*spool_, counters_, bounded);
        expect_uploaded(uploader);
    }
    EXPECT_EQ(counters_.value(Counter::uploads), 3U) << "4 000, 4 000 and 2 000";
    for (int frame = 0; frame < 20; ++frame) {
        spool_events(500);
    }
    bounded.writer.stores_raw_rows = false;
    Uploader uploader(*spool_, counters_, bounded);
    expect_uploaded(uploader);
    EXPECT_EQ(counters_.value(Counter::uploads), 4U) << "without raw rows one window takes all";
    EXPECT_EQ(value("SELECT sum(n) FROM burgee.unit_metrics"), "20000");
}

TEST_F(UploaderTest, ABatchThatTakesTooLongIsHalvedUntilItFits) {
    execute(
        "CREATE FUNCTION public.take_too_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF (SELECT count(*) FROM written) > 15000 THEN"
        "  RAISE EXCEPTION 'statement timeout' USING ERRCODE = '57014';"
        " END IF; RETURN NULL; END $$;"
        "CREATE TRIGGER take_too_long AFTER INSERT ON public.ab_test_metrics"
        " REFERENCING NEW TABLE AS written FOR EACH STATEMENT"
        " EXECUTE FUNCTION public.take_too_long()");
    for (int frame = 0; frame < 80; ++frame) {
        spool_events(500);
    }
    Uploader uploader(*spool_, counters_, options(cluster_.dsn()));
    expect_uploaded(uploader);
    expect_stored_once(40'000);
    EXPECT_GE(counters_.value(Counter::upload_failures), 2U) << "40 000, then 20 000";
    EXPECT_GE(counters_.value(Counter::uploads), 3U)
        << "then 10 000 at most, 20 000 being too many";
}

TEST_F(UploaderTest, GoesOnWhereTheDatabaseStandsAfterARestart) {
    spool_events(100);
    {
        Uploader uploader(*spool_, counters_, options(cluster_.dsn()));
        expect_uploaded(uploader);
    }
    open_spool();
    spool_events(50);
    Uploader uploader(*spool_, counters_, options(cluster_.dsn()));
    expect_uploaded(uploader);
    expect_stored_once(150);
}

TEST_F(UploaderTest, SendsAgainWhatARestoredDatabaseHasForgotten) {
    Uploader uploader(*spool_, counters_, options(cluster_.dsn()));
    spool_events(300);
    expect_uploaded(uploader);
    execute(
        "TRUNCATE public.ab_test_metrics, burgee.unit_metrics;"
        "UPDATE burgee.spool_cursor SET next_lsn = 1");
    spool_events(100);
    expect_uploaded(uploader);
    expect_stored_once(400);
    EXPECT_EQ(counters_.value(Counter::events_delivered), 400U);
    EXPECT_EQ(counters_.value(Counter::events_replayed), 300U);
}

// Two restores in a row, or a standby without the last commits and then the old primary again.
TEST_F(UploaderTest, ADatabaseThatWentBackMayGoForwardAgain) {
    Uploader uploader(*spool_, counters_, options(cluster_.dsn()));
    spool_events(100);
    expect_uploaded(uploader);
    execute(
        "TRUNCATE public.ab_test_metrics, burgee.unit_metrics;"
        "ALTER TABLE public.ab_test_metrics RENAME TO away;"
        "UPDATE burgee.spool_cursor SET next_lsn = 81");
    spool_events(10);
    EXPECT_TRUE(eventually([&] { return uploader.status().cursor_lsn == 81; }));
    execute(
        "UPDATE burgee.spool_cursor SET next_lsn = 96;"
        "ALTER TABLE public.away RENAME TO ab_test_metrics");
    expect_uploaded(uploader);
    expect_stored_once(15);
    EXPECT_EQ(counters_.value(Counter::spool_id_changes), 0U) << "nobody else was there";
    EXPECT_EQ(counters_.value(Counter::events_delivered), 110U);
    EXPECT_EQ(counters_.value(Counter::events_replayed), 5U);
}

TEST_F(UploaderTest, CountsWhatARestoredDatabaseAsksForAndNobodyKeeps) {
    spool_options_.segment_size_bytes = 1 << 20;
    spool_options_.replay_window_bytes = 0;
    open_spool();
    Uploader uploader(*spool_, counters_, options(cluster_.dsn()));
    for (int round = 0; round < 25; ++round) {
        spool_events(1'000);
        expect_uploaded(uploader);
    }
    const std::uint64_t oldest = spool_->oldest_lsn();
    ASSERT_GT(oldest, 1U);
    execute(
        "TRUNCATE public.ab_test_metrics, burgee.unit_metrics;"
        "UPDATE burgee.spool_cursor SET next_lsn = 1");
    spool_events(100);
    expect_uploaded(uploader);
    EXPECT_EQ(counters_.value(Counter::events_replay_missing), oldest - 1);
    EXPECT_EQ(counters_.value(Counter::events_replayed), 25'000 - (oldest - 1));
    EXPECT_EQ(counters_.value(Counter::events_delivered), 25'100U);
    EXPECT_EQ(counters_.value(Counter::events_lost), 0U);
}

TEST_F(UploaderTest, TakesANewIdWhenItsDiskIsACopy) {
    spool_events(100);  // copied: the other host delivers these
    const std::string id = sync::to_text(spool_->spool_id());
    execute("INSERT INTO burgee.spool_cursor (spool_id, next_lsn) VALUES ('" + id + "', 5000)");
    Uploader uploader(*spool_, counters_, options(cluster_.dsn()));
    EXPECT_TRUE(eventually([&] { return sync::to_text(spool_->spool_id()) != id; }));
    spool_events(10);
    expect_uploaded(uploader);
    expect_stored_once(10);
    EXPECT_EQ(
        value("SELECT count(DISTINCT spool_id) FROM public.ab_test_metrics WHERE spool_id = '" +
              sync::to_text(spool_->spool_id()) + "'"),
        "1");
    EXPECT_EQ(value("SELECT next_lsn - first_lsn FROM burgee.spool_cursor WHERE spool_id = '" +
                    sync::to_text(spool_->spool_id()) + "'"),
              "10")
        << "what this spool has passed, without the other host's 100";
    EXPECT_EQ(value("SELECT next_lsn FROM burgee.spool_cursor WHERE spool_id = '" + id + "'"),
              "5000");
}

// The change of the id is cut off after each of its steps, as a kill would: the events of the other
// host are never sent, and those that came since the disk was copied are, under one new id.
TEST_F(UploaderTest, TakesANewIdHoweverFarItGotBeforeACrash) {
    for (int steps = 0; steps <= 3; ++steps) {
        SCOPED_TRACE("steps done before the crash: " + std::to_string(steps));
        execute("TRUNCATE public.ab_test_metrics, burgee.unit_metrics, burgee.spool_cursor");
        const std::uint64_t copied = staged_;  // each round is a copy of what the last one left
        spool_events(100);
        const std::string id = sync::to_text(spool_->spool_id());
        execute("INSERT INTO burgee.spool_cursor VALUES ('" + id + "', 100000)");
        const std::uint64_t first_own_lsn = spool_->durable_end_lsn();
        spool_events(10);
        if (steps >= 1) {
            ASSERT_TRUE(spool_->propose_id(first_own_lsn));
        }
        const std::string new_id =
            steps >= 1 ? sync::to_text(spool_->pending_id_change()->id) : std::string();
        if (steps >= 2) {
            execute("INSERT INTO burgee.spool_cursor VALUES ('" + new_id + "', " +
                    std::to_string(first_own_lsn) + ")");
        }
        if (steps >= 3) {
            ASSERT_TRUE(spool_->adopt_id());
        }
        open_spool();  // what a crash leaves
        if (steps == 0) {
            spool_events(10);  // nothing on disk says yet which events are ours: the first ten are
                               // taken for the other host's
        }
        Uploader uploader(*spool_, counters_, options(cluster_.dsn()));
        EXPECT_TRUE(eventually([&] { return sync::to_text(spool_->spool_id()) != id; }));
        expect_uploaded(uploader);
        if (steps == 0) {
            spool_events(10);
            expect_uploaded(uploader);
        }
        expect_stored_once(10);
        EXPECT_EQ(value("SELECT min(lsn) FROM public.ab_test_metrics"),
                  std::to_string(first_own_lsn + (steps == 0 ? 20U : 0U)));
        EXPECT_EQ(value("SELECT next_lsn FROM burgee.spool_cursor WHERE spool_id = '" + id + "'"),
                  "100000");
        if (steps >= 1) {
            EXPECT_EQ(sync::to_text(spool_->spool_id()), new_id);
        }
        EXPECT_EQ(staged_, copied + (steps == 0 ? 130U : 110U));
    }
}

TEST_F(UploaderTest, TakesAnotherIdWhenItsNoteOfOneWasCopiedToo) {
    spool_events(100);
    const auto change = spool_->propose_id(101);
    ASSERT_TRUE(change);
    execute("INSERT INTO burgee.spool_cursor VALUES ('" + sync::to_text(change->id) + "', 500)");
    spool_events(10);
    open_spool();
    Uploader uploader(*spool_, counters_, options(cluster_.dsn()));
    expect_uploaded(uploader);
    EXPECT_NE(spool_->spool_id(), change->id);
    expect_stored_once(10);
    EXPECT_EQ(value("SELECT next_lsn FROM burgee.spool_cursor WHERE spool_id = '" +
                    sync::to_text(change->id) + "'"),
              "500");
}

TEST_F(UploaderTest, StopsWhileSomebodyHoldsItsCursor) {
    auto uploader = std::make_unique<Uploader>(*spool_, counters_, options(cluster_.dsn()));
    spool_events(10);
    expect_uploaded(*uploader);
    pqxx::connection holder(cluster_.dsn());
    pqxx::work holding(holder);
    holding.exec("SELECT FROM burgee.spool_cursor FOR UPDATE");
    spool_events(10);
    EXPECT_TRUE(eventually([&] {
        return value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "1";
    }));
    uploader.reset();  // would wait 35 s for the lock, and the case's time limit would notice
    holding.abort();
    expect_stored_once(10);
}

TEST_F(UploaderTest, TellsTheFleetHowItIs) {
    UploaderOptions wanted = options(cluster_.dsn());
    wanted.program_version = "0.1.0";
    wanted.snapshot_position = [] { return daemon::SnapshotPosition{7, 9}; };
    Uploader uploader(*spool_, counters_, wanted);
    EXPECT_TRUE(eventually([&] {
        return value(
                   "SELECT max(host || ' ' || generation || ' ' || revision || ' ' ||"
                   " program_version) FROM burgee.hosts") == "host-a 7 9 0.1.0";
    }));
    EXPECT_EQ(value("SELECT spool_size_bytes FROM burgee.hosts"),
              std::to_string(spool_->statistics().size_bytes));
    EXPECT_EQ(value("SELECT count(*) FROM pg_inherits"
                    " WHERE inhparent = 'public.ab_test_metrics'::regclass"),
              "4")
        << "the default partition, today and two days ahead";
}

TEST_F(UploaderTest, MakesPartitionsOnceALongReaderHasGoneAndUploadsMeanwhile) {
    const auto days = [&] {
        return value(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.ab_test_metrics'::regclass"
            " AND inhrelid <> 'public.ab_test_metrics_default'::regclass");
    };
    execute(
        "UPDATE burgee.housekeeping SET every = '0';"
        "SELECT burgee.ensure_metric_partitions(0)");
    pqxx::connection reader(cluster_.dsn());
    pqxx::work reading(reader);
    reading.exec("SELECT count(*) FROM public.ab_test_metrics");
    UploaderOptions wanted = options(cluster_.dsn());
    wanted.partition_retry_min = milliseconds(1);
    wanted.partition_retry_max = milliseconds(50);
    Uploader uploader(*spool_, counters_, wanted);
    for (int round = 0; round < 2; ++round) {  // each after an attempt that gave way
        spool_events(10);
        expect_uploaded(uploader);
    }
    EXPECT_EQ(days(), "1");
    reading.commit();
    EXPECT_TRUE(eventually([&] { return days() == "3"; }));
    expect_stored_once(20);
}

TEST(EventDecodeTest, ReadsEveryFieldAndRefusesEveryTruncation) {
    std::vector<std::byte> bytes;
    append_event(bytes, 3);
    const auto event = daemon::decode_event(42, bytes);
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->lsn, 42U);
    EXPECT_EQ(event->variant, "new");
    EXPECT_EQ(event->metric, "conversion");
    EXPECT_EQ(event->user_id, "user-3");
    EXPECT_EQ(event->unit_source, sync::UnitSource::kUserId);
    EXPECT_EQ(event->value, 3);
    const std::size_t whole = sizeof(EventHeader) + std::string("newconversionuser-3").size();
    for (std::size_t size = 0; size < whole; ++size) {
        EXPECT_FALSE(daemon::decode_event(42, std::span(bytes).first(size))) << "size=" << size;
    }
}

}  // namespace
}  // namespace burgee::test
