// Promise: what the server acknowledges is in the spool, once and in order; no client, whatever it
//          sends or leaves unsaid, harms another; and everything refused is counted.
// Method: the real server with a real socket and spool, clients that say what each case needs.
#include "daemon/event_server.hpp"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <random>
#include <thread>

#include "daemon/client_drops.hpp"
#include "event_server_fixture.hpp"

namespace burgee::test {
namespace {

namespace files = std::filesystem;
using daemon::Counter;
using daemon::Counters;
using daemon::EventServer;
using daemon::Spool;

class EventServerTest : public EventServerFixture {};

TEST_F(EventServerTest, StoresAndAcknowledges) {
    start();
    EventClient client = connect();
    const auto welcome = client.greet(1, 1);
    ASSERT_TRUE(welcome);
    EXPECT_EQ(welcome->outcome, static_cast<std::uint32_t>(SessionOutcome::kNew));
    EXPECT_EQ(welcome->last_durable_seq, 0U);
    EXPECT_EQ(welcome->credits, 4U);
    ASSERT_TRUE(client.send_batch(1, 1, 100));
    ASSERT_TRUE(client.send_batch(1, 101, 1));
    ASSERT_TRUE(client.wait_durable(101));
    const auto numbers = stored();
    ASSERT_EQ(numbers.size(), 101U);
    EXPECT_EQ(numbers.front(), 1'000'000'001U);
    EXPECT_EQ(numbers.back(), 1'000'000'101U);
    EXPECT_EQ(count(Counter::events_accepted), 101U);
}

TEST_F(EventServerTest, ResumesAfterARestartWithoutTakingAnythingTwice) {
    start();
    {
        EventClient client = connect();
        ASSERT_TRUE(client.greet(1, 1));
        ASSERT_TRUE(client.send_batch(1, 1, 50));
        ASSERT_TRUE(client.wait_durable(50));
    }
    stop();
    start();
    EventClient client = connect();
    const auto welcome = client.greet(1, 1);
    ASSERT_TRUE(welcome);
    EXPECT_EQ(welcome->outcome, static_cast<std::uint32_t>(SessionOutcome::kResumed));
    EXPECT_EQ(welcome->last_durable_seq, 50U);
    ASSERT_TRUE(client.send_batch(1, 31, 40));
    ASSERT_TRUE(client.send_batch(1, 1, 10));
    ASSERT_TRUE(client.wait_durable(70));
    EXPECT_EQ(stored().size(), 70U);
    EXPECT_EQ(count(Counter::events_duplicate), 30U);
}

TEST_F(EventServerTest, RefusesOneEventAndKeepsTheOthers) {
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    BatchFrame batch{};
    batch.first_seq = 1;
    batch.count = 3;
    auto events = make_events(1, 1, 3);
    events[events.size() / 3 + 7] = std::byte{1};
    ASSERT_TRUE(client.send_batch(batch, events));
    ASSERT_TRUE(client.wait_durable(3));
    ASSERT_EQ(client.nacks.size(), 1U);
    EXPECT_EQ(client.nacks[0].seq, 2U);
    EXPECT_EQ(client.nacks[0].reason, static_cast<std::uint32_t>(NackReason::kInvalid));
    EXPECT_EQ(stored().size(), 2U);
    EXPECT_EQ(count(Counter::events_rejected_invalid), 1U);
    EXPECT_EQ(count(Counter::events_clamped), 2U) << "events of 1970";
    ASSERT_TRUE(client.send_batch(1, 4, 1));
    EXPECT_TRUE(client.wait_durable(4)) << "the session is not poisoned";
}

TEST_F(EventServerTest, ClosesAGapAndAnUnknownHistoryExpires) {
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    ASSERT_TRUE(client.send_batch(1, 5, 1));
    EXPECT_TRUE(client.is_closed_by_server());
    EXPECT_EQ(count(Counter::disconnects_protocol), 1U);
    EventClient other = connect();
    const auto welcome = other.greet(2, 77);
    ASSERT_TRUE(welcome);
    EXPECT_EQ(welcome->outcome, static_cast<std::uint32_t>(SessionOutcome::kExpired));
}

TEST_F(EventServerTest, CountsDropsOnce) {
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    BatchFrame batch{};
    batch.first_seq = 1;
    batch.dropped[0][0] = 5;
    batch.dropped[3][2] = 2;
    ASSERT_TRUE(client.send_batch(batch, {}));
    ASSERT_TRUE(client.send_batch(batch, {}));
    batch.dropped[0][0] = 6;
    ASSERT_TRUE(client.send_batch(batch, {}));
    await(Counter::client_dropped_ring_full, 6);
    EXPECT_EQ(count(Counter::client_dropped_ring_full), 6U);
    EXPECT_EQ(count(Counter::client_dropped_invalid), 2U);
    EXPECT_EQ(count(Counter::client_dropped_ordinary), 6U);
    EXPECT_EQ(count(Counter::client_dropped_conversion), 2U);
}

TEST_F(EventServerTest, ClosesAFrameBeforeTheFirstNumber) {
    start();
    for (const std::uint32_t events : {0U, 1U}) {
        EventClient client = connect();
        ASSERT_TRUE(client.greet(1 + events, 1));
        BatchFrame batch{};
        batch.count = events;
        batch.dropped[0][0] = 5;
        ASSERT_TRUE(client.send_batch(batch, make_events(1, 1, events)));
        EXPECT_TRUE(client.is_closed_by_server());
    }
    EXPECT_EQ(count(Counter::disconnects_protocol), 2U);
    expect_service(9);
}

TEST_F(EventServerTest, BelievesNoImpossibleDrops) {
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    BatchFrame batch{};
    batch.first_seq = 1;
    for (auto& reason : batch.dropped) {
        reason.fill(~0ULL);
    }
    ASSERT_TRUE(client.send_batch(batch, {}));
    ASSERT_TRUE(client.receive_as<AckFrame>(FrameType::kAck));
    EXPECT_EQ(count(Counter::client_dropped_ring_full), kEventClassCount * daemon::kDropTotalMax);
    std::uint64_t sum = 0;
    for (const Counter counter :
         {Counter::client_dropped_ordinary, Counter::client_dropped_exposure,
          Counter::client_dropped_conversion, Counter::client_dropped_error}) {
        sum += count(counter);
    }
    EXPECT_LT(sum, 1ULL << 63U) << "PostgreSQL has no larger numbers: burgee.hosts would refuse it";
}

TEST_F(EventServerTest, TellsAFullSpoolAndTakesTheEventsLater) {
    spool_options_.segment_size_bytes = 1 << 20;
    spool_options_.cap_bytes = 3 << 20;
    spool_options_.replay_window_bytes = 0;
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    std::uint64_t seq = 1;
    while (client.nacks.empty() && seq < 100'000) {
        ASSERT_TRUE(client.send_batch(1, seq, 400));
        const auto answer = client.receive();
        ASSERT_TRUE(answer);
        NackFrame nack{};
        std::memcpy(&nack, answer->data(), sizeof nack);
        if (nack.header.type == static_cast<std::uint16_t>(FrameType::kNack)) {
            EXPECT_EQ(nack.reason, static_cast<std::uint32_t>(NackReason::kFull));
            EXPECT_EQ(nack.seq, seq);
            client.nacks.push_back(nack);
        } else {
            seq += 400;
        }
    }
    ASSERT_FALSE(client.nacks.empty());
    // What was under way behind it is refused too, not taken for a gap.
    ASSERT_TRUE(client.send_batch(1, seq + 400, 1));
    ASSERT_TRUE(client.receive_as<NackFrame>(FrameType::kNack));
    spool_->release(spool_->durable_end_lsn());
    ASSERT_TRUE(client.send_batch(1, seq, 400));
    ASSERT_TRUE(client.wait_durable(seq + 399));
    EXPECT_EQ(spool_->durable_end_lsn(), seq + 400);
    EXPECT_GE(count(Counter::nacks_full), 2U);
}

TEST_F(EventServerTest, StoresWhatItTookBeforeItStops) {
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    ASSERT_TRUE(client.send_batch(1, 1, 100));
    await(Counter::batches, 1);
    stop();
    start();
    EXPECT_EQ(stored().size(), 100U);
}

TEST_F(EventServerTest, LetsTheNewestConnectionHaveTheSession) {
    start();
    EventClient older = connect();
    ASSERT_TRUE(older.greet(1, 1));
    EventClient newer = connect();
    ASSERT_TRUE(newer.greet(1, 1));
    EXPECT_TRUE(older.is_closed_by_server());
    ASSERT_TRUE(newer.send_batch(1, 1, 5));
    EXPECT_TRUE(newer.wait_durable(5));
}

TEST_F(EventServerTest, ClosesTheSilentAndTheIdle) {
    options_.limits.hello_timeout_ms = 50;
    options_.limits.idle_timeout_ms = 300;
    start();
    EventClient silent = connect();
    EventClient idle = connect();
    ASSERT_TRUE(idle.greet(1, 1));
    EXPECT_TRUE(silent.is_closed_by_server());
    EXPECT_EQ(count(Counter::disconnects_hello_late), 1U);
    EXPECT_TRUE(idle.is_closed_by_server());
    EXPECT_EQ(count(Counter::disconnects_idle), 1U);
    expect_service(2);
}

TEST_F(EventServerTest, ClosesAFloodOfFrames) {
    options_.limits.frames_per_second_max = 100;
    start();
    EventClient flood = connect();
    ASSERT_TRUE(flood.greet(1, 1));
    BatchFrame nothing{};
    nothing.first_seq = 1;
    for (int frame = 0; frame < 1'000 && flood.send_batch(nothing, {}); ++frame) {
    }
    await(Counter::disconnects_rate, 1);
    expect_service(2);
}

TEST_F(EventServerTest, ClosesAClientThatNeverReadsItsAnswers) {
    options_.limits.stuck_timeout_ms = 100;
    start();
    EventClient deaf = connect();
    ASSERT_TRUE(deaf.greet(1, 1));
    auto events = make_events(1, 1, 500);
    std::uint64_t seq = 1;
    // Every event is refused, so that each frame causes 500 answers nobody reads.
    const std::size_t size = events.size() / 500;
    for (std::size_t index = 0; index < 500; ++index) {
        events[index * size + 7] = std::byte{1};
    }
    while (count(Counter::disconnects_stuck) == 0) {
        BatchFrame batch{};
        batch.first_seq = seq;
        batch.count = 500;
        if (!deaf.send_batch(batch, events)) {
            break;
        }
        seq += 500;
        ASSERT_LT(seq, 10'000'000U);
    }
    await(Counter::disconnects_stuck, 1);
    expect_service(2);
}

TEST_F(EventServerTest, SurvivesGarbageOfEveryKind) {
    const std::uint64_t seed = std::random_device{}();
    std::cout << "seed " << seed << '\n';
    std::mt19937_64 random(seed);
    start();
    EventClient good = connect();
    ASSERT_TRUE(good.greet(1, 1));
    std::uint64_t seq = 1;
    for (int round = 0; round < 400; ++round) {
        EventClient bad = connect();
        ASSERT_TRUE(bad.is_connected());
        const bool greets = random() % 2 == 0;
        if (greets) {
            ASSERT_TRUE(bad.greet(1'000 + static_cast<std::uint64_t>(round), 1));
        }
        const std::size_t sizes[] = {1, 15, 16, 48, 200, 4'096, 65'536, 70'000};
        std::vector<std::uint8_t> bytes(sizes[random() % 8]);
        std::generate(bytes.begin(), bytes.end(),
                      [&] { return static_cast<std::uint8_t>(random()); });
        if (bytes.size() >= 16 && random() % 2 == 0) {
            FrameHeader header{kFrameMagic, static_cast<std::uint16_t>(random() % 6),
                               kProtocolVersion, static_cast<std::uint32_t>(bytes.size()), 0};
            std::memcpy(bytes.data(), &header, sizeof header);
        }
        bad.send(bytes.data(), bytes.size());
        EXPECT_TRUE(bad.is_closed_by_server()) << "round " << round;
        ASSERT_TRUE(good.send_batch(1, seq, 3));
        seq += 3;
        ASSERT_TRUE(good.wait_durable(seq - 1)) << "round " << round;
    }
    EXPECT_EQ(stored().size(), seq - 1);
    EXPECT_EQ(count(Counter::disconnects_protocol), 400U);
}

TEST_F(EventServerTest, RefusesAWrongChecksum) {
    start();
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    const auto events = make_events(1, 1, 1);
    BatchFrame batch{};
    batch.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kBatch), kProtocolVersion,
                    static_cast<std::uint32_t>(sizeof batch + events.size()), 0};
    batch.first_seq = 1;
    batch.count = 1;
    batch.checksum = hash64(events.data(), events.size(), 1) ^ 1U;
    std::vector<std::byte> frame(sizeof batch + events.size());
    std::memcpy(frame.data(), &batch, sizeof batch);
    std::copy(events.begin(), events.end(), frame.begin() + sizeof batch);
    ASSERT_TRUE(client.send(frame.data(), frame.size()));
    EXPECT_TRUE(client.is_closed_by_server());
    EXPECT_TRUE(stored().empty());
}

TEST_F(EventServerTest, KeepsNoDescriptorAClientPassesAlong) {
    start();
    const auto open_descriptors = [] {
        return std::distance(files::directory_iterator("/proc/self/fd"), {});
    };
    EventClient client = connect();
    ASSERT_TRUE(client.greet(1, 1));
    const auto before = open_descriptors();
    for (std::uint64_t seq = 1; seq <= 200; ++seq) {
        BatchFrame batch{};
        batch.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kBatch),
                        kProtocolVersion, sizeof batch, 0};
        batch.first_seq = seq;
        batch.checksum = hash64(nullptr, 0, seq);
        iovec part{&batch, sizeof batch};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* const rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        const int passed = client.descriptor();
        std::memcpy(CMSG_DATA(rights), &passed, sizeof passed);
        ASSERT_EQ(::sendmsg(client.descriptor(), &message, MSG_NOSIGNAL),
                  static_cast<ssize_t>(sizeof batch));
    }
    await(Counter::batches, 200);
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(EventServerTest, ServesAThousandClientsThatComeAtOnce) {
    start();
    std::vector<EventClient> clients;
    for (std::uint64_t session = 1; session <= 1'000; ++session) {
        clients.push_back(connect());
        ASSERT_TRUE(clients.back().is_connected()) << session;
        ASSERT_TRUE(clients.back().send_hello(session, 1));
    }
    for (std::uint64_t session = 1; session <= 1'000; ++session) {
        EventClient& client = clients[session - 1];
        ASSERT_TRUE(client.receive_as<WelcomeFrame>(FrameType::kWelcome)) << session;
        ASSERT_TRUE(client.send_batch(session, 1, 3));
    }
    for (EventClient& client : clients) {
        ASSERT_TRUE(client.wait_durable(3));
    }
    EXPECT_EQ(stored().size(), 3'000U);
}

TEST_F(EventServerTest, PausesWithoutDescriptorsAndGoesOnServing) {
    start();
    EventClient good = connect();
    ASSERT_TRUE(good.greet(1, 1));
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    EventClient waiting = connect();
    await(Counter::connections, 2);
    // The socket must exist before the limit falls; it is connected after it.
    const int last = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ASSERT_GE(last, 0);
    const rlimit none{static_cast<rlim_t>(last), before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, options_.socket_path.data(), options_.socket_path.size());
    ASSERT_EQ(::connect(last, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    await(Counter::accept_pauses, 2);
    ASSERT_TRUE(good.send_batch(1, 1, 5));
    EXPECT_TRUE(good.wait_durable(5));
    EXPECT_LT(count(Counter::accept_pauses), 1'000U) << "a spin";
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    await(Counter::connections, 3);
    ::close(last);
}

TEST_F(EventServerTest, MakesItsSocketForTheGroupOnlyAndReplacesAStaleOne) {
    start();
    struct stat status {};
    ASSERT_EQ(::stat(options_.socket_path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0660U);
    stop();
    EXPECT_FALSE(connect().is_connected()) << "stale";
    start();
    expect_service(1);
}

TEST_F(EventServerTest, RefusesToReplaceWhatIsNoSocket) {
    std::ofstream(options_.socket_path) << "precious";
    auto opened = Spool::open(directory_ + "/spool", spool_options_);
    ASSERT_TRUE(opened);
    boost::asio::io_context io_context;
    Counters counters;
    EXPECT_THROW(EventServer(io_context, options_, **opened, counters), std::runtime_error);
    EXPECT_EQ(files::file_size(options_.socket_path), 8U);
}

TEST_F(EventServerTest, TakesOverAnInheritedSocket) {
    const int listening = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, options_.socket_path.data(), options_.socket_path.size());
    ASSERT_EQ(::bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listening, 16), 0);
    options_.inherited_descriptor = listening;
    EventClient early = connect();
    start();
    ASSERT_TRUE(early.greet(1, 1)) << "connected before the server was there";
    options_.inherited_descriptor = 0;
    boost::asio::io_context io_context;
    Counters counters;
    EXPECT_THROW(EventServer(io_context, options_, *spool_, counters), std::runtime_error);
}

}  // namespace
}  // namespace burgee::test
