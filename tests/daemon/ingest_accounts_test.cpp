// Promise: a client learns of every refusal once it is on disk and before its number is
//          acknowledged, whatever connection or daemon ended in between; what a client says it
//          dropped is counted once; and a refusal says why in the log, not of whom.
// Method: the real server; clients that hang up without reading, restarts, a full spool.
#include <fcntl.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <numeric>
#include <sstream>

#include "event_server_fixture.hpp"

namespace burgee::test {
namespace {

using daemon::Counter;

class IngestAccountsTest : public EventServerFixture {
protected:
    /// A BATCH of `count` events of which `bad` (from 0) are broken.
    static bool send_with_bad(EventClient& client, std::uint64_t first_seq, std::uint32_t count,
                              const std::vector<std::size_t>& bad) {
        auto events = make_events(1, first_seq, count);
        std::vector<std::size_t> offsets;
        for (std::size_t offset = 0; offset < events.size();) {
            offsets.push_back(offset);
            std::uint32_t size_bytes = 0;
            std::memcpy(&size_bytes, events.data() + offset, sizeof size_bytes);
            offset += size_bytes;
        }
        for (const std::size_t index : bad) {
            events[offsets[index] + 7] = std::byte{1};
        }
        BatchFrame batch{};
        batch.first_seq = first_seq;
        batch.count = count;
        return client.send_batch(batch, events);
    }
    static bool send_drops(EventClient& client, std::uint64_t next_seq, std::uint64_t ring_full) {
        BatchFrame batch{};
        batch.first_seq = next_seq;
        batch.dropped[0][0] = ring_full;
        return client.send_batch(batch, {});
    }
    /// Two batches with refusals that nobody hears of.
    void refuse_unheard() {
        EventClient client = connect();
        ASSERT_TRUE(client.greet(1, 1));
        ASSERT_TRUE(send_with_bad(client, 1, 4, {1}));
        ASSERT_TRUE(send_with_bad(client, 5, 4, {0, 1, 3}));
        await(Counter::events_accepted, 4);
    }
    void expect_told_again() {
        EventClient client = connect();
        const auto welcome = client.greet(1, 1);
        ASSERT_TRUE(welcome);
        EXPECT_EQ(welcome->outcome, static_cast<std::uint32_t>(SessionOutcome::kResumed));
        EXPECT_EQ(welcome->last_durable_seq, 1U) << "short of the first refusal";
        ASSERT_TRUE(client.wait_durable(8));
        std::vector<std::uint64_t> numbers;
        for (const NackFrame& nack : client.nacks) {
            EXPECT_EQ(nack.reason, static_cast<std::uint32_t>(NackReason::kInvalid));
            numbers.push_back(nack.seq);
        }
        EXPECT_EQ(numbers, (std::vector<std::uint64_t>{2, 5, 6, 8}));
    }
};

TEST_F(IngestAccountsTest, TellsAClientThatComesBackWhatWasRefused) {
    start();
    refuse_unheard();
    expect_told_again();
    EXPECT_EQ(count(Counter::events_rejected_invalid), 4U) << "once, however often it is told";
    EventClient partly = connect();
    const auto welcome = partly.greet(1, 6);
    ASSERT_TRUE(welcome);
    EXPECT_EQ(welcome->last_durable_seq, 5U);
    ASSERT_TRUE(partly.wait_durable(8));
    ASSERT_EQ(partly.nacks.size(), 2U);
    EXPECT_EQ(partly.nacks[0].seq, 6U);
    EXPECT_EQ(partly.nacks[1].seq, 8U);
    EventClient knows = connect();
    EXPECT_EQ(knows.greet(1, 9)->last_durable_seq, 8U) << "nothing is left to tell";
}

TEST_F(IngestAccountsTest, RemembersRefusalsAcrossRestartsAndRecycledSegments) {
    spool_options_.replay_window_bytes = 0;
    start();
    refuse_unheard();
    for (int restart = 0; restart < 3; ++restart) {
        stop();
        start();
        spool_->release(spool_->durable_end_lsn());  // the segment they were written in goes
    }
    expect_told_again();
    EXPECT_EQ(count(Counter::events_rejected_invalid), 0U) << "an earlier process counted them";
}

TEST_F(IngestAccountsTest, CountsDropTotalsOnceAcrossRestarts) {
    spool_options_.replay_window_bytes = 0;
    start();
    {
        EventClient client = connect();
        ASSERT_TRUE(client.greet(1, 1));
        ASSERT_TRUE(send_drops(client, 1, 5));
        const auto ack = client.receive_as<AckFrame>(FrameType::kAck);
        ASSERT_TRUE(ack);
        EXPECT_EQ(ack->dropped_sum, 5U);
        EXPECT_EQ(count(Counter::client_dropped_ring_full), 5U);
    }
    for (int restart = 0; restart < 2; ++restart) {
        stop();
        start();
        spool_->release(spool_->durable_end_lsn());
    }
    EventClient client = connect();
    const auto welcome = client.greet(1, 1);
    ASSERT_TRUE(welcome);
    EXPECT_EQ(welcome->outcome, static_cast<std::uint32_t>(SessionOutcome::kResumed));
    ASSERT_TRUE(send_drops(client, 1, 5));
    EXPECT_EQ(client.receive_as<AckFrame>(FrameType::kAck)->dropped_sum, 5U);
    EXPECT_EQ(count(Counter::client_dropped_ring_full), 0U) << "an earlier process counted them";
    BatchFrame batch{};
    batch.first_seq = 1;
    batch.count = 1;
    batch.dropped[0][0] = 7;
    ASSERT_TRUE(client.send_batch(batch, make_events(1, 1, 1)));
    const auto ack = client.receive_as<AckFrame>(FrameType::kAck);
    ASSERT_TRUE(ack);
    EXPECT_EQ(ack->dropped_sum, 7U);
    EXPECT_EQ(count(Counter::client_dropped_ring_full), 2U);
    EXPECT_EQ(count(Counter::client_dropped_ordinary), 2U);
}

TEST_F(IngestAccountsTest, CountsDropsThatAFullSpoolRefusedWhenTheyAreToldAgain) {
    spool_options_.segment_size_bytes = 1 << 20;
    spool_options_.cap_bytes = 3 << 20;
    spool_options_.replay_window_bytes = 0;
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    std::uint64_t seq = 1;
    while (count(Counter::commit_failures) == 0) {
        ASSERT_TRUE(client.send_batch(1, seq, 400));
        ASSERT_TRUE(client.receive());
        seq += 400;
        ASSERT_LT(seq, 100'000U);
    }
    seq -= 400;
    // The last room in the segment may still take a few totals.
    std::uint64_t told = 1;
    std::uint64_t counted = 0;
    bool is_refused = false;
    while (!is_refused) {
        ASSERT_TRUE(send_drops(client, seq, told));
        const auto answer = client.receive();
        ASSERT_TRUE(answer);
        FrameHeader header{};
        std::memcpy(&header, answer->data(), sizeof header);
        is_refused = header.type == static_cast<std::uint16_t>(FrameType::kNack);
        counted = is_refused ? counted : told++;
        ASSERT_LT(told, 50'000U);
    }
    EXPECT_EQ(count(Counter::client_dropped_ring_full), counted);
    spool_->release(spool_->durable_end_lsn());
    ASSERT_TRUE(send_drops(client, seq, told));
    const auto ack = client.receive_as<AckFrame>(FrameType::kAck);
    ASSERT_TRUE(ack);
    EXPECT_EQ(ack->dropped_sum, told);
    EXPECT_EQ(count(Counter::client_dropped_ring_full), told);
}

TEST_F(IngestAccountsTest, ChargesTheQueueForTheAnswersOfRefusedEvents) {
    auto opened = daemon::Spool::open(directory_ + "/spool", spool_options_);
    ASSERT_TRUE(opened);
    daemon::IngestLimits limits;
    limits.queue_size_bytes_max = 1'000 * sizeof(NackFrame);
    daemon::IngestQueue queue(**opened, limits, [](const daemon::IngestReport&) {});
    daemon::Session session;
    daemon::StagedBatch batch;
    batch.first_seq = 1;
    batch.seq_count = 1'000;
    EXPECT_FALSE(queue.push(batch, &session));
    batch.seq_count = 900;
    EXPECT_TRUE(queue.push(batch, &session));
}

TEST_F(IngestAccountsTest, WaitsOnceForAConnectionHoweverOftenItWasStuck) {
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    const int flags = ::fcntl(client.descriptor(), F_GETFL);
    std::vector<std::size_t> all(500);
    std::iota(all.begin(), all.end(), 0);
    std::uint64_t seq = 1;
    for (int round = 0; round < 20; ++round) {
        // Answers are not read until the server stops reading.
        ASSERT_EQ(::fcntl(client.descriptor(), F_SETFL, flags | O_NONBLOCK), 0);
        while (send_with_bad(client, seq, 500, all)) {
            seq += 500;
        }
        ASSERT_EQ(::fcntl(client.descriptor(), F_SETFL, flags), 0);
        ASSERT_TRUE(client.wait_durable(seq - 1));
    }
    const std::uint64_t handlers_before = handlers_;
    for (int frame = 0; frame < 500; ++frame) {
        ASSERT_TRUE(client.send_batch(1, seq, 1));
        ASSERT_TRUE(client.wait_durable(seq++));
    }
    // A frame, and the word of its sync; besides, the server looks after patience every 100 ms.
    EXPECT_LT(handlers_ - handlers_before, 500U * 4U);
}

TEST_F(IngestAccountsTest, SaysInTheLogWhyAndNotOfWhom) {
    std::ostringstream log;
    const auto before = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log)));
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    auto events = make_events(1, 1, 1);
    EventHeader header{};
    std::memcpy(&header, events.data(), sizeof header);
    const std::string metadata = "{secret-7";
    header.metadata_size = static_cast<std::uint16_t>(metadata.size());
    const std::size_t texts =
        sizeof header + header.variant_size + header.metric_size + header.user_id_size;
    events.resize((texts + metadata.size() + 7) / 8 * 8);
    header.size_bytes = static_cast<std::uint32_t>(events.size());
    std::memcpy(events.data(), &header, sizeof header);
    std::fill(events.begin() + static_cast<std::ptrdiff_t>(texts), events.end(), std::byte{0});
    std::memcpy(events.data() + texts, metadata.data(), metadata.size());
    BatchFrame batch{};
    batch.first_seq = 1;
    batch.count = 1;
    ASSERT_TRUE(client.send_batch(batch, events));
    ASSERT_TRUE(client.wait_durable(1));
    ASSERT_EQ(client.nacks.size(), 1U);
    stop();
    spdlog::set_default_logger(before);
    EXPECT_NE(log.str().find("INVALID: its metadata is not a JSON object"), std::string::npos)
        << log.str();
    EXPECT_EQ(log.str().find("secret"), std::string::npos);
    EXPECT_EQ(log.str().find("user-"), std::string::npos);
}

}  // namespace
}  // namespace burgee::test
