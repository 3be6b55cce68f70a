// Promise: when a standby takes over, events go on by themselves and each is stored once; what an
// asynchronous standby had not got yet is sent again out of the spool. Method: two real servers,
// crashes and promotions, one connection string that names both; then SQL counts.
// BURGEE_FAULT_PROMOTES says how many promotions.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>

#include "daemon/uploader.hpp"
#include "sync/migrations.hpp"
#include "tests/daemon/replica_pair.hpp"
#include "tests/daemon/spool_events.hpp"

namespace burgee::test {
namespace {

using daemon::Counter;
using daemon::Counters;
using daemon::Spool;
using daemon::Uploader;
using daemon::UploaderOptions;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kPatience{60};

std::uint64_t wanted_promotes() {
    const char* text = std::getenv("BURGEE_FAULT_PROMOTES");
    return text == nullptr ? 3 : std::max<std::uint64_t>(1, std::strtoull(text, nullptr, 10));
}

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

class FailoverTest : public ::testing::Test {
protected:
    FailoverTest() {
        auto opened = Spool::open(directory_.path(), {});
        EXPECT_TRUE(opened.has_value()) << opened.error().message;
        spool_ = std::move(*opened);
    }

    void begin(bool is_synchronous) {
        pair_ = std::make_unique<ReplicaPair>(is_synchronous);
        sync::PgSession session({.dsn = pair_->dsn()});
        const auto migrated = sync::migrate(session);
        ASSERT_TRUE(migrated) << migrated.error().message;
        pair_->execute(
            "INSERT INTO public.feature_flags (name, status, variants) VALUES ('f', 'ab_test',"
            " '[{\"name\":\"control\",\"weight\":50},{\"name\":\"treatment\",\"weight\":50}]');"
            "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date)"
            " SELECT '07000000-0000-0000-0000-000000000000', id, 'e', now() - interval '1 day'"
            " FROM public.feature_flags");
    }

    UploaderOptions options(const std::string& dsn) {
        UploaderOptions options;
        options.connection.dsn = dsn;
        options.writer.host_name = "host-a";
        options.gather_time = milliseconds(1);
        options.retry_min = milliseconds(1);
        options.retry_max = milliseconds(50);
        options.heartbeat_interval = milliseconds(20);
        return options;
    }

    /// Puts `count` events on disk.
    void spool_events(std::uint32_t count) {
        const std::uint64_t first_seq = staged_ + 1;
        staged_ += count;
        const auto bytes = make_events(1, first_seq, count, now_unix_ms());
        ASSERT_TRUE(spool_->stage(make_batch(1, first_seq, count, bytes)).has_value());
        ASSERT_TRUE(spool_->commit().has_value());
    }

    void expect_uploaded(const Uploader& uploader) {
        EXPECT_TRUE(eventually([&] {
            const auto status = uploader.status();
            return status.is_connected && status.cursor_lsn == spool_->durable_end_lsn();
        })) << uploader.status().error;
    }

    /// Rows, each once, unit state that adds up to them, and counts that say so.
    void expect_stored_once() {
        const std::string n = std::to_string(staged_.load());
        EXPECT_EQ(pair_->value("SELECT count(*) || ' ' || count(DISTINCT lsn) || ' ' ||"
                               " (SELECT sum(n) FROM burgee.unit_metrics)"
                               " FROM public.ab_test_metrics"),
                  n + " " + n + " " + n);
        EXPECT_EQ(pair_->value("SELECT sum(sum) FROM burgee.unit_metrics"),
                  pair_->value("SELECT sum(metric_value) FROM public.ab_test_metrics"));
        EXPECT_EQ(pair_->value("SELECT count(*) FROM burgee.dead_letter"), "0");
        EXPECT_EQ(counters_.value(Counter::events_delivered), staged_.load());
        EXPECT_EQ(counters_.value(Counter::events_lost), 0U);
    }

    TemporaryDirectory directory_{"spool"};
    std::unique_ptr<Spool> spool_;
    std::unique_ptr<ReplicaPair> pair_;
    Counters counters_;
    std::atomic<std::uint64_t> staged_ = 0;
};

TEST_F(FailoverTest, LosesAndRepeatsNothingWithASynchronousStandby) {
    begin(true);
    Uploader uploader(*spool_, counters_, options(pair_->dsn()));
    const std::uint64_t promotes = wanted_promotes();
    for (std::uint64_t round = 0; round < promotes; ++round) {
        std::atomic<bool> is_over = false;
        std::thread producer([&] {  // events come before, during and after
            while (!is_over) {
                spool_events(50);
                std::this_thread::sleep_for(milliseconds(1));  // a rate, nothing waits for it
            }
        });
        // The crash meets an upload on its way, now in this step of it and now in that.
        const std::uint64_t cursor = uploader.status().cursor_lsn;
        EXPECT_TRUE(eventually([&] { return uploader.status().cursor_lsn > cursor + 200; }));
        pair_->fail_over();
        const std::uint64_t end = spool_->durable_end_lsn();
        EXPECT_TRUE(eventually([&] { return uploader.status().cursor_lsn >= end; }))
            << uploader.status().error;
        is_over = true;
        producer.join();
    }
    expect_uploaded(uploader);
    expect_stored_once();
    EXPECT_EQ(counters_.value(Counter::events_replayed), 0U);
    EXPECT_GE(counters_.value(Counter::upload_failures), promotes);
    std::printf("%lu promotions, %lu events, %lu uploads failed\n", promotes, staged_.load(),
                counters_.value(Counter::upload_failures));
}

TEST_F(FailoverTest, SendsTheTailAgainThatAnAsynchronousStandbyNeverGot) {
    begin(false);
    Uploader uploader(*spool_, counters_, options(pair_->dsn()));
    std::uint64_t lost = 0;
    const std::uint64_t promotes = wanted_promotes();
    for (std::uint64_t round = 0; round < promotes; ++round) {
        spool_events(300);
        expect_uploaded(uploader);
        pair_->stop_standby();
        spool_events(100 + 7 * static_cast<std::uint32_t>(round));
        expect_uploaded(uploader);
        lost += 100 + 7 * round;
        pair_->fail_over();
        spool_events(10);
        expect_uploaded(uploader);
        EXPECT_EQ(counters_.value(Counter::events_replayed), lost);
        expect_stored_once();
    }
    std::printf("%lu promotions, %lu events, %lu sent again\n", promotes, staged_.load(), lost);
}

TEST_F(FailoverTest, WaitsAtAStandbyUntilItIsThePrimary) {
    begin(false);
    pair_->let_standby_catch_up();
    Uploader uploader(*spool_, counters_, options(pair_->standby_dsn()));
    spool_events(100);
    EXPECT_TRUE(eventually([&] { return !uploader.status().error.empty(); }));
    EXPECT_NE(uploader.status().error.find("target_session_attrs"), std::string::npos)
        << uploader.status().error;
    EXPECT_FALSE(uploader.status().needs_attention) << "a standby may be promoted at any time";
    pair_->crash_primary();
    pair_->promote();
    expect_uploaded(uploader);
    expect_stored_once();
}

}  // namespace
}  // namespace burgee::test
