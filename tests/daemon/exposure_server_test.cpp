// Promise: of equal automatic exposures one is stored a host, whichever connection tells it, and a
// repetition is acknowledged only when the first is durable; each event is stored or counted.
// Method: the real server; many sessions tell the same, disks fill, queues fail, burgeed restarts.
#include <burgee/event_view.hpp>
#include <map>

#include "event_server_fixture.hpp"

namespace burgee::test {
namespace {

using daemon::Counter;

std::int64_t now_unix_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

class ExposureServerTest : public EventServerFixture {
protected:
    /// A BATCH with the exposures of users [first, end).
    static bool tell(EventClient& client, std::uint64_t first_seq, int first, int end,
                     const std::vector<std::byte>& more = {}, std::uint32_t more_count = 0) {
        std::vector<std::byte> events;
        for (int user = first; user < end; ++user) {
            append_exposure(&events, {.user = std::to_string(user)}, now_unix_ms());
        }
        events.insert(events.end(), more.begin(), more.end());
        BatchFrame batch{};
        batch.first_seq = first_seq;
        batch.count = static_cast<std::uint32_t>(end - first) + more_count;
        return client.send_batch(batch, events);
    }
    /// How often each user's exposure is in the spool.
    std::map<std::string, int> stored_exposures() {
        std::map<std::string, int> counts;
        EXPECT_TRUE(spool_->read(1, {}, batch_));
        batch_.for_each_event([&](std::uint64_t, std::span<const std::byte> event) {
            EventView view;
            EXPECT_TRUE(read_event(event.data(), event.size(), view));
            if (view.metric == "impression") {
                ++counts[std::string(view.user_id)];
            }
        });
        return counts;
    }
    void expect_once_each(int users) {
        const auto counts = stored_exposures();
        EXPECT_EQ(counts.size(), static_cast<std::size_t>(users));
        for (const auto& [user, count] : counts) {
            EXPECT_EQ(count, 1) << user;
        }
    }
    /// Numbers used up are stored or counted.
    void expect_accounted(std::uint64_t numbers) {
        EXPECT_EQ(numbers, count(Counter::events_accepted) + count(Counter::exposures_repeated) +
                               count(Counter::events_rejected_invalid));
        EXPECT_EQ(count(Counter::events_accepted),
                  spool_->durable_end_lsn() - spool_->statistics().recovered_end_lsn);
    }
};

TEST_F(ExposureServerTest, StoresTheFirstOfAllSessionsAndAcknowledgesTheOthers) {
    start();
    std::vector<EventClient> clients;
    for (std::uint64_t session = 1; session <= 8; ++session) {
        clients.push_back(connect());
        ASSERT_TRUE(clients.back().greet(session, 1));
    }
    for (std::uint64_t round = 0; round < 5; ++round) {
        for (EventClient& client : clients) {  // all under way at once
            ASSERT_TRUE(tell(client, round * 40 + 1, 0, 40));
        }
    }
    for (EventClient& client : clients) {
        ASSERT_TRUE(client.wait_durable(200));
        EXPECT_TRUE(client.nacks.empty());
    }
    expect_once_each(40);
    EXPECT_EQ(count(Counter::events_accepted), 40U);
    EXPECT_EQ(count(Counter::exposures_repeated), 8U * 200U - 40U);
    expect_accounted(8 * 200);
}

TEST_F(ExposureServerTest, LeavesEveryOtherEventOfTheBatch) {
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    std::vector<std::byte> more = make_events(1, 4, 1, now_unix_ms());
    const std::size_t tracked_at = more.size();
    append_exposure(&more, {.user = "0"}, now_unix_ms());
    more[tracked_at + offsetof(EventHeader, is_automatic)] = std::byte{0};
    const std::size_t broken_at = more.size();
    append_exposure(&more, {.user = "1"}, now_unix_ms());
    more[broken_at + offsetof(EventHeader, in_experiment)] = std::byte{0};
    ASSERT_TRUE(tell(client, 1, 0, 3, more, 3));
    ASSERT_TRUE(tell(client, 7, 0, 3, more, 3));
    ASSERT_TRUE(client.wait_durable(12));
    ASSERT_EQ(client.nacks.size(), 2U) << "marked automatic, and of a variant by hand";
    EXPECT_EQ(client.nacks[0].seq, 6U);
    EXPECT_EQ(client.nacks[1].seq, 12U);
    EXPECT_EQ(stored_exposures(), (std::map<std::string, int>{{"0", 3}, {"1", 1}, {"2", 1}}))
        << "what a caller tracks is stored as often as it is tracked";
    EXPECT_EQ(count(Counter::exposures_repeated), 3U);
    expect_accounted(12);
}

TEST_F(ExposureServerTest, RemembersAcrossRestartsWhatTheSpoolKeeps) {
    start();
    {
        EventClient client = connect();
        ASSERT_TRUE(client.greet(1, 1));
        ASSERT_TRUE(tell(client, 1, 0, 20));
        ASSERT_TRUE(client.wait_durable(20));
    }
    spool_->release(spool_->durable_end_lsn());  // delivered: the replay window keeps it
    for (std::uint64_t session = 2; session < 4; ++session) {
        stop();
        start();
        EventClient client = connect();
        ASSERT_TRUE(client.greet(session, 1));
        ASSERT_TRUE(tell(client, 1, 0, 20));
        ASSERT_TRUE(client.wait_durable(20));
        EXPECT_EQ(count(Counter::exposures_repeated), 20U);
        expect_accounted(20);
    }
    expect_once_each(20);
}

TEST_F(ExposureServerTest, StoresOnceMoreAfterARestartWhatTheSpoolLetGo) {
    spool_options_.replay_window_bytes = 0;
    start();
    EventClient first = connect();
    ASSERT_TRUE(first.greet(1, 1));
    ASSERT_TRUE(tell(first, 1, 0, 20));
    ASSERT_TRUE(first.wait_durable(20));
    for (int restart = 0; restart < 2; ++restart) {
        stop();
        start();
        spool_->release(spool_->durable_end_lsn());
    }
    stop();
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(2, 1));
    ASSERT_TRUE(tell(client, 1, 0, 20));
    ASSERT_TRUE(tell(client, 21, 0, 20));
    ASSERT_TRUE(client.wait_durable(40));
    EXPECT_EQ(count(Counter::events_accepted), 20U);
    EXPECT_EQ(count(Counter::exposures_repeated), 20U);
}

TEST_F(ExposureServerTest, ForgetsWhatAFullSpoolRefused) {
    spool_options_.segment_size_bytes = 1 << 20;
    spool_options_.cap_bytes = 3 << 20;
    spool_options_.replay_window_bytes = 0;
    start();
    EventClient filler = connect();
    ASSERT_TRUE(filler.greet(1, 1));
    std::uint64_t seq = 1;
    while (count(Counter::commit_failures) == 0) {
        ASSERT_TRUE(filler.send_batch(1, seq, 400));
        ASSERT_TRUE(filler.receive());
        seq += 400;
        ASSERT_LT(seq, 100'000U);
    }
    EventClient client = connect();
    ASSERT_TRUE(client.greet(2, 1));
    // More than fits what the last segment may have left.
    ASSERT_TRUE(tell(client, 1, 0, 500));
    const auto refused = client.receive_as<NackFrame>(FrameType::kNack);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->reason, static_cast<std::uint32_t>(NackReason::kFull));
    EventClient other = connect();
    ASSERT_TRUE(other.greet(3, 1));
    ASSERT_TRUE(tell(other, 1, 0, 500));
    ASSERT_TRUE(other.receive_as<NackFrame>(FrameType::kNack)) << "nothing was stored to repeat";
    const std::uint64_t before = spool_->durable_end_lsn();
    spool_->release(before);
    ASSERT_TRUE(tell(client, 1, 0, 500));
    ASSERT_TRUE(tell(other, 1, 0, 500));
    ASSERT_TRUE(client.wait_durable(500));
    ASSERT_TRUE(other.wait_durable(500));
    EXPECT_EQ(spool_->durable_end_lsn() - before, 500U) << "once, by whoever came first";
    EXPECT_EQ(count(Counter::exposures_repeated), 500U);
    expect_once_each(500);
}

TEST_F(ExposureServerTest, ForgetsWhatFoundNoRoomInTheQueue) {
    options_.limits.ingest.queue_size_bytes_max = 4'000;
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    ASSERT_TRUE(tell(client, 1, 0, 200));
    ASSERT_TRUE(client.receive_as<NackFrame>(FrameType::kNack));
    ASSERT_TRUE(tell(client, 1, 0, 20));
    ASSERT_TRUE(client.wait_durable(20));
    EXPECT_EQ(count(Counter::exposures_repeated), 0U);
    expect_once_each(20);
    expect_accounted(20);
}

TEST_F(ExposureServerTest, TakesAResentBatchForWhatItIs) {
    start();
    {
        EventClient client = connect();
        ASSERT_TRUE(client.greet(1, 1));
        ASSERT_TRUE(tell(client, 1, 0, 10));
        ASSERT_TRUE(tell(client, 11, 5, 15));
        await(Counter::events_accepted, 15);
    }
    EventClient client = connect();
    EXPECT_EQ(client.greet(1, 1)->last_durable_seq, 20U) << "repetitions use up their numbers";
    ASSERT_TRUE(tell(client, 11, 5, 20));
    ASSERT_TRUE(client.wait_durable(25));
    EXPECT_EQ(count(Counter::events_duplicate), 10U);
    expect_once_each(20);
    expect_accounted(25);
}

}  // namespace
}  // namespace burgee::test
