// Promise: with PostgreSQL away until the spool is full, burgeed's memory stays flat, flags are
// served, and afterwards every acknowledged event arrives once, while new ones are taken.
// Method: a real burgeed with a spool of 64 MiB, filled over its socket until it refuses,
// restarted, and drained; its resident memory is looked at all the time.
#include <burgee/client.hpp>

#include "tests/e2e/host.hpp"
#include "tests/e2e/spool_backlog.hpp"
#include "tests/fault/event_load.hpp"
#include "tests/support/sanitizers.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

// design.md's budget, for a snapshot of three flags. Sanitizers keep what is freed.
#if defined(BURGEE_ASAN) || defined(BURGEE_TSAN)
constexpr double kMemoryMaxMib = 1'024;
#else
constexpr double kMemoryMaxMib = 64;
#endif

class SpoolFullTest : public ::testing::Test {
protected:
    void start() { host_.start_daemon({"BURGEE_SPOOL_CAP_MIB=64", "BURGEE_SPOOL_SEGMENT_MIB=4"}); }

    std::uint64_t stored() {
        return std::stoull(host_.postgres().value("SELECT count(*) FROM public.ab_test_metrics"));
    }

    Host host_;
};

TEST_F(SpoolFullTest, MemoryStaysFlatAndEveryAcknowledgedEventArrives) {
    create_load_flags(host_.postgres());
    start();
    Client client(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(client.wait_for_generation(1, seconds(30)));
    const Context user{{"user_id", "u"}};
    ASSERT_TRUE(wait_until([&] { return client.is_enabled("load", user); }, seconds(30)));
    host_.postgres().stop();

    std::uint64_t acknowledged = 0;
    BacklogFiller filler(host_.run_directory() + "/events.sock", load_experiment_id(), 900);
    {
        MemoryWatch memory(host_.daemon().pid());
        acknowledged = filler.fill();
        EXPECT_LT(memory.peak_mib(), kMemoryMaxMib) << "while it filled";
    }
    EXPECT_GT(acknowledged, 45'000U) << "three quarters of 64 MiB";
    EXPECT_TRUE(client.is_enabled("load", user));

    ASSERT_EQ(host_.stop_daemon(), 0);
    start();
    const std::uint64_t durable = filler.durable_count();
    EXPECT_GE(durable, acknowledged);
    acknowledged = durable;
    MemoryWatch memory(host_.daemon().pid());
    host_.postgres().start();
    const ExperimentRef experiment(load_experiment_id(), "control");
    const auto is_drained = [&] {
        client.track(experiment, "quality_score", 1, user);
        return stored() >= acknowledged;
    };
    ASSERT_TRUE(wait_until(is_drained, seconds(120))) << host_.daemon_log();
    ASSERT_TRUE(client.flush(seconds(60)).complete);
    acknowledged += client.counters().acknowledged;
    EXPECT_TRUE(wait_until([&] { return stored() == acknowledged; }, seconds(60)))
        << stored() << " of " << acknowledged;
    EXPECT_LT(memory.peak_mib(), kMemoryMaxMib) << "while it drained";
    EXPECT_EQ(host_.stop_daemon(), 0);
    EXPECT_EQ(stored_events(host_.postgres()).distinct_lsns, acknowledged);
}

}  // namespace
}  // namespace burgee::test
