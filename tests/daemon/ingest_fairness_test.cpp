// Promise: no client makes another wait longer than a turn, whatever it sends and whatever it
// leaves
//          unread; and what one leaves unread takes a bounded room.
// Method: the server's thread is held while frames queue up in the sockets; then the order in which
//          the spool has the events tells who was served when. No clocks.
#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "event_server_fixture.hpp"
#include "power_cut_disk.hpp"
#include "stalling_disk.hpp"

namespace burgee::test {
namespace {

using daemon::Counter;

constexpr std::uint64_t kModestCount = 50;
constexpr std::uint64_t kGreedy = 1'000;  // its session
constexpr std::uint32_t kFramesEach = 4;  // a client's credits

class IngestFairnessTest : public EventServerFixture {
protected:
    /// Keeps the server's thread from reading anything until release().
    void hold() {
        gate_ = {};
        boost::asio::post(*io_context_, [opened = gate_.get_future().share()] { opened.wait(); });
    }
    void release() { gate_.set_value(); }

    void greet_everybody() {
        for (std::uint64_t session = 1; session <= kModestCount; ++session) {
            modest_.push_back(connect());
            ASSERT_TRUE(modest_.back().greet(session, 1));
        }
        greedy_ = std::make_unique<EventClient>(connect());
        ASSERT_TRUE(greedy_->greet(kGreedy, 1));
    }
    /// Each says what its credits allow, and does not wait for an answer.
    void send_modestly(std::uint32_t events_in_frame) {
        for (std::uint64_t session = 1; session <= kModestCount; ++session) {
            for (std::uint32_t frame = 0; frame < kFramesEach; ++frame) {
                ASSERT_TRUE(modest_[session - 1].send_batch(session, 1 + frame * events_in_frame,
                                                            events_in_frame));
            }
        }
    }
    void expect_all_modest_durable(std::uint32_t events_in_frame) {
        for (EventClient& client : modest_) {
            ASSERT_TRUE(client.wait_durable(kFramesEach * events_in_frame));
            EXPECT_TRUE(client.nacks.empty());
        }
    }
    /// Events of the greedy client that were stored before the last modest one was.
    std::size_t greedy_events_served_first() {
        const auto numbers = stored();
        std::size_t greedy = 0;
        std::size_t greedy_before_last = 0;
        for (const std::uint64_t number : numbers) {
            if (number / 1'000'000'000 == kGreedy) {
                ++greedy;
            } else {
                greedy_before_last = greedy;
            }
        }
        return greedy_before_last;
    }

    std::vector<EventClient> modest_;
    std::unique_ptr<EventClient> greedy_;

private:
    std::promise<void> gate_;
};

TEST_F(IngestFairnessTest, ServesEveryoneBeforeAFloodHasHadManyTurns) {
    start();
    greet_everybody();
    hold();
    constexpr std::uint64_t kFlood = 120;  // small ones: a socket holds 160 of them
    for (std::uint64_t seq = 1; seq <= kFlood; ++seq) {
        ASSERT_TRUE(greedy_->send_batch(kGreedy, seq, 1));
    }
    send_modestly(1);
    release();
    expect_all_modest_durable(1);
    ASSERT_TRUE(greedy_->wait_durable(kFlood)) << "it is slowed down, not harmed";
    EXPECT_LE(greedy_events_served_first(), 5U * kFramesEach) << "its share is 4";
    EXPECT_EQ(count(Counter::nacks_full), 0U);
}

TEST_F(IngestFairnessTest, OneFloodFillsNobodysQueue) {
    constexpr std::uint32_t kEventsInFrame = 600;
    constexpr std::uint64_t kFlood = 200;
    // Room for a few frames; the flood has 12 MiB of them, the modest 13 MiB.
    options_.limits.ingest.queue_size_bytes_max = 1 << 20;
    start();
    greet_everybody();
    hold();
    std::thread flood([this] {
        for (std::uint64_t frame = 0; frame < kFlood; ++frame) {
            if (!greedy_->send_batch(kGreedy, 1 + frame * kEventsInFrame, kEventsInFrame)) {
                return;
            }
        }
    });
    // A socket holds three frames of this size; the rest goes when the server reads.
    std::vector<std::thread> senders;
    for (std::uint64_t session = 1; session <= kModestCount; ++session) {
        senders.emplace_back([this, session] {
            for (std::uint32_t frame = 0; frame < kFramesEach; ++frame) {
                modest_[session - 1].send_batch(session, 1 + frame * kEventsInFrame,
                                                kEventsInFrame);
            }
        });
    }
    release();
    for (std::thread& sender : senders) {
        sender.join();
    }
    expect_all_modest_durable(kEventsInFrame);
    flood.join();
    ASSERT_TRUE(greedy_->wait_durable(kFlood * kEventsInFrame));
    EXPECT_EQ(count(Counter::nacks_full), 0U) << "who finds no room waits in its own socket";
    EXPECT_EQ(stored().size(), (kModestCount * kFramesEach + kFlood) * kEventsInFrame);
    EXPECT_LE(greedy_events_served_first() / kEventsInFrame, 5U * kFramesEach);
}

TEST_F(IngestFairnessTest, ASecondConnectionOfASessionGetsNoSecondShare) {
    start();
    EventClient first = connect();
    ASSERT_TRUE(first.greet(1, 1));
    hold();
    for (std::uint64_t seq = 1; seq <= kFramesEach; ++seq) {
        ASSERT_TRUE(first.send_batch(1, seq, 1));
    }
    EventClient second = connect();
    ASSERT_TRUE(second.send_hello(1, 1));
    for (std::uint64_t seq = 1; seq <= 2 * kFramesEach; ++seq) {
        ASSERT_TRUE(second.send_batch(1, seq, 1));
    }
    release();
    ASSERT_TRUE(second.receive_as<WelcomeFrame>(FrameType::kWelcome));
    ASSERT_TRUE(second.wait_durable(2 * kFramesEach));
    EXPECT_TRUE(first.is_closed_by_server());
    EXPECT_EQ(stored().size(), 2 * kFramesEach);
}

// ---- a disk that hangs ----

class HangingDiskTest : public EventServerFixture {
protected:
    daemon::SpoolResult<std::unique_ptr<daemon::Spool>> open_spool() override {
        return daemon::Spool::open(
            std::make_unique<StallingDisk>(memory_.attach(), syncs_, renames_), spool_options_);
    }
    void TearDown() override {
        syncs_.open();
        EventServerFixture::TearDown();
    }

    Gate syncs_;
    Gate renames_;
    PowerCutDisk memory_{1};
};

TEST_F(HangingDiskTest, TakesFromNobodyMoreThanItsCredits) {
    start();
    EventClient greedy = connect();
    EventClient modest = connect();
    ASSERT_TRUE(greedy.greet(kGreedy, 1));
    ASSERT_TRUE(modest.greet(1, 1));
    syncs_.shut();
    constexpr std::uint64_t kFlood = 100;
    for (std::uint64_t seq = 1; seq <= kFlood; ++seq) {
        ASSERT_TRUE(greedy.send_batch(kGreedy, seq, 1));
    }
    await(Counter::batches, kFramesEach);
    ASSERT_TRUE(modest.send_batch(1, 1, 1));
    await(Counter::batches, kFramesEach + 1);
    EXPECT_EQ(count(Counter::batches), kFramesEach + 1) << "what is not taken costs no memory";
    syncs_.open();
    EXPECT_TRUE(modest.wait_durable(1));
    EXPECT_TRUE(greedy.wait_durable(kFlood));
    EXPECT_EQ(count(Counter::nacks_full), 0U);
}

TEST_F(HangingDiskTest, WelcomesNewcomersWhileItsQueueIsFull) {
    constexpr std::uint32_t kEventsInFrame = 500;
    options_.limits.ingest.queue_size_bytes_max = 1 << 19;  // some six such frames
    start();
    syncs_.shut();
    std::vector<EventClient> clients;
    for (std::uint64_t session = 1; session <= 8; ++session) {
        clients.push_back(connect());
        ASSERT_TRUE(clients.back().greet(session, 1)) << session;
        for (std::uint32_t frame = 0; frame < 3; ++frame) {
            ASSERT_TRUE(
                clients.back().send_batch(session, 1 + frame * kEventsInFrame, kEventsInFrame));
        }
    }
    EXPECT_LT(count(Counter::batches), 10U);
    syncs_.open();
    for (EventClient& client : clients) {
        EXPECT_TRUE(client.wait_durable(3 * kEventsInFrame));
        EXPECT_TRUE(client.nacks.empty());
    }
}

TEST_F(HangingDiskTest, ARelaxedSpoolAnswersBeforeItsDisk) {
    options_.limits.ingest.durability = daemon::Durability::kRelaxed;
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    syncs_.shut();
    ASSERT_TRUE(client.send_batch(1, 1, 10));
    EXPECT_TRUE(client.wait_durable(10));
    EXPECT_TRUE(stored().empty()) << "the database is never ahead of the disk";
    syncs_.open();
    ASSERT_TRUE(client.send_batch(1, 11, 10));
    EXPECT_TRUE(client.wait_durable(20));
    ASSERT_TRUE(spool_->wait(20, std::chrono::seconds(30)));
    EXPECT_EQ(stored().size(), 20U);
}

// ---- answers that lie unread ----

class UnreadAnswersTest : public EventServerFixture {
protected:
    static constexpr std::uint32_t kEventsInFrame = 600;
    static constexpr std::uint32_t kRefused = kFramesEach * kEventsInFrame;

    /// Events that are refused for two reasons in turn, so that each is a range of its own.
    static bool send_refused(EventClient& client, std::uint64_t session, std::uint64_t first_seq) {
        auto events = make_events(session, first_seq, kEventsInFrame);
        std::uint32_t index = 0;
        for (std::size_t offset = 0; offset < events.size(); ++index) {
            std::uint32_t size_bytes = 0;
            std::memcpy(&size_bytes, events.data() + offset, sizeof size_bytes);
            events[offset + (index % 2 == 0 ? 7 : 29)] = std::byte{3};
            offset += size_bytes;
        }
        BatchFrame batch{};
        batch.first_seq = first_seq;
        batch.count = kEventsInFrame;
        return client.send_batch(batch, events);
    }
    /// Sessions that will be told of kRefused refusals when they come again.
    void refuse_events_of(std::uint64_t sessions) {
        for (std::uint64_t session = 1; session <= sessions; ++session) {
            EventClient client = connect();
            ASSERT_TRUE(client.greet(session, 1));
            for (std::uint32_t seq = 1; seq <= kRefused; seq += kEventsInFrame) {
                ASSERT_TRUE(send_refused(client, session, seq));
                ASSERT_TRUE(client.wait_durable(seq + kEventsInFrame - 1));
            }
            ASSERT_EQ(client.nacks.size(), kRefused);
        }
    }
};

TEST_F(UnreadAnswersTest, AreBoundedTogetherAndToldAgain) {
    constexpr std::uint64_t kDeaf = 10;
    options_.limits.unread_size_bytes_max = 100'000;  // of one or two such clients
    start();
    refuse_events_of(kDeaf);
    std::vector<EventClient> deaf;
    for (std::uint64_t session = 1; session <= kDeaf; ++session) {
        deaf.push_back(connect());
        ASSERT_TRUE(deaf.back().send_hello(session, 1));
    }
    await(Counter::disconnects_stuck, kDeaf - 2);
    EXPECT_LE(server_connections(), 2U);
    // Whoever was closed hears everything when it comes again, and reads.
    EventClient again = connect();
    const auto welcome = again.greet(1, 1);
    ASSERT_TRUE(welcome);
    EXPECT_EQ(welcome->outcome, static_cast<std::uint32_t>(SessionOutcome::kResumed));
    EXPECT_EQ(welcome->last_durable_seq, 0U);
    ASSERT_TRUE(again.wait_durable(kRefused));
    EXPECT_EQ(again.nacks.size(), kRefused);
}

TEST_F(UnreadAnswersTest, ReadOneByOneAreUnreadAllTheSame) {
    options_.limits.stuck_timeout_ms = 400;  // its socket has room for more once or twice
    start();
    refuse_events_of(1);
    EventClient slow = connect();
    ASSERT_TRUE(slow.greet(1, 1));
    std::uint32_t read = 0;
    while (slow.receive()) {
        ++read;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));  // how slow it is
    }
    EXPECT_EQ(count(Counter::disconnects_stuck), 1U);
    EXPECT_LT(read, kRefused) << "it was not cut off";
}

}  // namespace
}  // namespace burgee::test
