// Promise: a whole host of clients is served, in constant memory, whatever most of them do: come at
//          once, say nothing, read nothing, send garbage or more than they may, come again and
//          again. Nothing that was acknowledged is lost, and who misbehaves is cut off and counted.
// Method: the server in a process of its own, thousands of real sockets, /proc for its memory, its
//         own counters and its spool afterwards.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <set>
#include <thread>

#include "daemon/event_listener.hpp"
#include "event_client.hpp"
#include "ingest_host.hpp"
#include "spool_events.hpp"
#include "tests/support/sanitizers.hpp"

namespace burgee::test {
namespace {

constexpr std::size_t kAllClients = 10'000;
/// The daemon's promise is 64 MiB with its flags; this is its ingest alone. A sanitizer's memory is
/// not the program's.
#if defined(BURGEE_ASAN) || defined(BURGEE_TSAN)
constexpr std::uint64_t kMemoryKibMax = ~0ULL;
#else
constexpr std::uint64_t kMemoryKibMax = 64 * 1024;
#endif

class IngestScaleTest : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_GE(daemon::raise_descriptor_limit(), kAllClients + 200)
            << "this test holds 10 000 sockets: raise the hard limit of open files, ulimit -Hn";
    }

    /// A client that connected and said HELLO, and has not read anything.
    EventClient come(std::uint64_t session) {
        EventClient client(host_.socket_path());
        EXPECT_TRUE(client.is_connected());
        EXPECT_TRUE(client.send_hello(session, 1));
        return client;
    }
    static bool is_welcomed(EventClient& client) {
        return client.receive_as<WelcomeFrame>(FrameType::kWelcome).has_value();
    }

    IngestHost host_{BURGEE_INGEST_HOST, 2'000};
};

TEST_F(IngestScaleTest, ServesTenThousandClientsThatComeAtOnce) {
    std::vector<EventClient> clients;
    for (std::uint64_t session = 1; session <= kAllClients; ++session) {
        clients.push_back(come(session));
    }
    for (EventClient& client : clients) {
        ASSERT_TRUE(is_welcomed(client));
    }
    const std::uint64_t welcomed_kib = host_.memory_kib("VmHWM");
    for (std::uint64_t session = 1; session <= kAllClients; ++session) {
        ASSERT_TRUE(clients[session - 1].send_batch(session, 1, 2));
    }
    for (EventClient& client : clients) {
        ASSERT_TRUE(client.wait_durable(2));
        EXPECT_TRUE(client.nacks.empty());
    }
    const std::uint64_t served_kib = host_.memory_kib("VmHWM");
    std::cout << "10 000 clients: " << welcomed_kib << " KiB welcomed, " << served_kib
              << " KiB after an event of each\n";
    EXPECT_LE(served_kib, kMemoryKibMax);
    EventClient one_more(host_.socket_path());
    EXPECT_TRUE(one_more.is_closed_by_server()) << "the bound is 10 000";
    auto counters = host_.stop();
    EXPECT_EQ(counters["events_accepted"], 2 * kAllClients);
    EXPECT_EQ(counters["connections"], kAllClients);
    EXPECT_EQ(counters["connections_refused"], 1U);
    EXPECT_EQ(counters["disconnects_shutdown"], kAllClients);
}

// ---- a host of which most misbehave ----

/// Sends batches and waits for their acknowledgements until it is told to end.
class GoodClient {
public:
    GoodClient(const std::string& path, std::uint64_t session)
        : client_(path), session_(session), thread_([this] { talk(); }) {}
    /// @return how many events were acknowledged, in order from 1; 0 when anything went wrong.
    std::uint64_t end() {
        is_ended_ = true;
        thread_.join();
        return has_failed_ || !client_.nacks.empty() ? 0 : client_.durable_seq;
    }

private:
    static constexpr std::uint32_t kEventsInFrame = 20;

    void talk() {
        if (!client_.greet(session_, 1)) {
            has_failed_ = true;
            return;
        }
        for (std::uint64_t seq = 1; !is_ended_; seq += kEventsInFrame) {
            if (!client_.send_batch(session_, seq, kEventsInFrame) ||
                !client_.wait_durable(seq + kEventsInFrame - 1)) {
                has_failed_ = true;
                return;
            }
        }
    }

    EventClient client_;
    std::uint64_t session_;
    std::atomic<bool> is_ended_{false};
    bool has_failed_ = false;
    std::thread thread_;
};

class MisbehaviourTest : public IngestScaleTest {
protected:
    static constexpr std::uint64_t kGoodClients = 8;

    MisbehaviourTest() {
        for (std::uint64_t session = 1; session <= kGoodClients; ++session) {
            good_.push_back(std::make_unique<GoodClient>(host_.socket_path(), session));
        }
    }
    /// Sends without waiting. @return whether the socket had room.
    static bool shout(EventClient& client, const std::vector<std::byte>& frame) {
        return ::send(client.descriptor(), frame.data(), frame.size(),
                      MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    }
    static std::vector<std::byte> batch_frame(std::uint64_t first_seq, std::uint32_t count,
                                              std::vector<std::byte> events) {
        BatchFrame batch{};
        batch.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kBatch),
                        kProtocolVersion, static_cast<std::uint32_t>(sizeof batch + events.size()),
                        0};
        batch.first_seq = first_seq;
        batch.count = count;
        batch.checksum = hash64(events.data(), events.size(), first_seq);
        const auto* bytes = reinterpret_cast<const std::byte*>(&batch);
        events.insert(events.begin(), bytes, bytes + sizeof batch);
        return events;
    }
    /// Events that are refused for two reasons in turn: each is remembered by itself.
    static std::vector<std::byte> refused_frame(std::uint64_t session, std::uint64_t first_seq,
                                               std::uint32_t count) {
        auto events = make_events(session, first_seq, count);
        std::uint32_t index = 0;
        for (std::size_t offset = 0; offset < events.size(); ++index) {
            std::uint32_t size_bytes = 0;
            std::memcpy(&size_bytes, events.data() + offset, sizeof size_bytes);
            events[offset + (index % 2 == 0 ? 7 : 29)] = std::byte{3};
            offset += size_bytes;
        }
        return batch_frame(first_seq, count, std::move(events));
    }
    /// Waits for the end of each, and reads nothing of what lies there.
    static void expect_all_closed(const std::vector<EventClient>& clients) {
        for (const EventClient& client : clients) {
            pollfd end{client.descriptor(), POLLRDHUP, 0};
            ASSERT_EQ(::poll(&end, 1, 30'000), 1) << "still open";
        }
    }
    /// Every event that a good client heard was durable is in the spool, once.
    void expect_good_events_stored() {
        std::vector<std::uint64_t> acknowledged;
        for (auto& client : good_) {
            acknowledged.push_back(client->end());
            EXPECT_GT(acknowledged.back(), 100U);
        }
        counters_ = host_.stop();
        ASSERT_FALSE(counters_.empty()) << "it did not end as told";
        auto spool = daemon::Spool::open(host_.spool_directory(), {});
        ASSERT_TRUE(spool) << spool.error().message;
        std::multiset<std::uint64_t> numbers;
        daemon::SpoolBatch batch;
        for (std::uint64_t lsn = 1; lsn < (*spool)->durable_end_lsn(); lsn = batch.end_lsn) {
            for (const std::uint64_t number : read_numbers(**spool, lsn, &batch)) {
                numbers.insert(number);
            }
        }
        for (std::uint64_t session = 1; session <= kGoodClients; ++session) {
            for (std::uint64_t seq = 1; seq <= acknowledged[session - 1]; ++seq) {
                ASSERT_EQ(numbers.count(session * 1'000'000'000 + seq), 1U)
                    << "session " << session << " event " << seq;
            }
        }
    }

    std::vector<std::unique_ptr<GoodClient>> good_;
    std::map<std::string, std::uint64_t> counters_;
};

TEST_F(MisbehaviourTest, EightGoodClientsAmongThousandsOfBadOnes) {
    constexpr std::uint64_t kSilent = 5'000, kGarbage = 2'000, kDeaf = 1'000, kGreedy = 200;
    std::vector<EventClient> silent, garbage, deaf, greedy;
    for (std::uint64_t index = 0; index < kSilent; ++index) {
        silent.emplace_back(host_.socket_path());
    }
    for (std::uint64_t index = 0; index < kGarbage; ++index) {
        // One byte; too long; random; a HELLO in pieces; a BATCH before the greeting.
        constexpr std::size_t kSizes[] = {1, 70'000, 500, 8, sizeof(BatchFrame)};
        garbage.emplace_back(host_.socket_path());
        std::vector<std::byte> bytes(kSizes[index % 5], std::byte{0x42});
        if (index % 5 == 4) {
            bytes = batch_frame(1, 0, {});
        }
        shout(garbage.back(), bytes);
    }
    const auto flood = [this](std::vector<EventClient>& clients, std::uint64_t first_session,
                              std::uint64_t count, std::uint32_t events) {
        for (std::uint64_t session = first_session; session < first_session + count; ++session) {
            clients.push_back(come(session));
            std::uint64_t frame = 0;
            while (frame < 3 * 4 &&
                   shout(clients.back(), refused_frame(session, 1 + frame * events, events))) {
                ++frame;
            }
        }
    };
    flood(deaf, 10'000, kDeaf, 600);
    flood(greedy, 20'000, kGreedy, 20);
    expect_all_closed(silent);
    expect_all_closed(garbage);
    expect_all_closed(deaf);
    const std::uint64_t peak_kib = host_.memory_kib("VmHWM");
    std::cout << "at most " << peak_kib << " KiB\n";
    EXPECT_LE(peak_kib, kMemoryKibMax);
    expect_good_events_stored();
    EXPECT_EQ(counters_["disconnects_hello_late"], kSilent);
    EXPECT_EQ(counters_["disconnects_protocol"], kGarbage);
    EXPECT_EQ(counters_["disconnects_stuck"], kDeaf);
    EXPECT_EQ(counters_["nacks_full"], 0U);
    EXPECT_EQ(counters_["disconnects_shutdown"], kGoodClients + kGreedy)
        << "slowed down, not closed";
}

TEST_F(MisbehaviourTest, AStormOfReconnectsTakesNoMemory) {
    constexpr std::uint64_t kRounds = 150, kStormy = 100;
    std::uint64_t after_a_third_kib = 0;
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
        std::vector<EventClient> clients;
        for (std::uint64_t index = 0; index < kStormy; ++index) {
            // Half of them are somebody new each time; of the others every tenth stores something.
            const std::uint64_t session = 100'000 + (index % 2 == 0 ? round * kStormy : 0) + index;
            clients.push_back(come(session));
            if (index % 10 == 0) {
                shout(clients.back(), batch_frame(1, 1, make_events(session, 1, 1)));
            }
        }
        for (EventClient& client : clients) {
            ASSERT_TRUE(is_welcomed(client));
        }
        if (round == kRounds / 3) {
            after_a_third_kib = host_.memory_kib("VmRSS");
        }
    }
    const std::uint64_t after_kib = host_.memory_kib("VmRSS");
    std::cout << after_a_third_kib << " KiB after 5 000, " << after_kib << " KiB after 15 000\n";
    EXPECT_LE(after_kib, kMemoryKibMax);
#if !defined(BURGEE_ASAN) && !defined(BURGEE_TSAN)
    // 1 000 sessions that stored something and the segment's growth, of some 150 bytes each.
    EXPECT_LE(after_kib, after_a_third_kib + 4 * 1024);
#endif
    expect_good_events_stored();
    EXPECT_EQ(counters_["connections"], kRounds * kStormy + kGoodClients);
}

}  // namespace
}  // namespace burgee::test
