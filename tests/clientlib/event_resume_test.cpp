// Promise: whatever the connection or the daemon does, a taken event is stored once, or counted as
// lost with its reason; never twice, never silently. Method: the peer hangs up, refuses, forgets,
// keeps silent or talks nonsense, and its store is compared with the client's numbers.

#include "tests/clientlib/event_peer.hpp"
#include "tests/support/temporary_directory.hpp"

#include <burgee/event_sender.hpp>

#include <chrono>
#include <cstring>
#include <random>

namespace burgee::test {
namespace {

using namespace std::chrono_literals;
using detail::EventOptions;
using detail::EventSender;

class EventResumeTest : public ::testing::Test {
protected:
    TemporaryDirectory directory_;
    EventPeer peer_{directory_.path()};
    int offered_ = 0;

    EventOptions hasty() const {
        EventOptions options;
        options.timing.backoff_min = 1;
        options.timing.backoff_max = 10;
        options.timing.welcome_timeout = 40;
        options.timing.stall_timeout = 40;
        options.timing.busy_sleep = 2;
        return options;
    }

    void offer(EventSender& sender, int count) {
        for (int number = 0; number < count; ++number) {
            ASSERT_TRUE(sender.offer(draft_with_value(offered_++)));
        }
    }

    /// Every offered event is stored exactly once and in order, over one session.
    void expect_all_stored_once() const {
        const auto sessions = peer_.sessions();
        ASSERT_EQ(sessions.size(), 1U);
        int number = 0;
        for (const Bytes& event : sessions.begin()->second.events) {
            ASSERT_EQ(header_of(event).value, number++);
        }
        EXPECT_EQ(number, offered_);
    }

    void TearDown() override {
        for (const std::string& complaint : peer_.complaints()) {
            ADD_FAILURE() << "the peer received " << complaint;
        }
    }
};

TEST_F(EventResumeTest, ResumesAtEveryFrameBoundary) {
    constexpr std::uint32_t kBoundaries = 12;
    EventSender sender(directory_.path(), hasty());
    for (const bool stores_first : {false, true}) {
        for (std::uint32_t boundary = 1; boundary <= kBoundaries; ++boundary) {
            PeerManners manners;
            manners.frame_size_max = sizeof(BatchFrame) + kEventSizeMax;  // many small frames
            manners.close_at_batch = boundary;
            manners.stores_before_close = stores_first;
            peer_.set_manners(manners);
            const std::size_t connections = peer_.connection_count();
            while (peer_.connection_count() < connections + 1) {
                if (sender.counters().in_flight < 4'000) {
                    offer(sender, 1'200);
                }
                sender.flush(5ms);
            }
        }
    }
    peer_.set_manners({});
    ASSERT_TRUE(sender.flush(20s).complete);
    expect_all_stored_once();
    const EventCounters counters = sender.counters();
    expect_identities(counters);
    EXPECT_EQ(counters.acknowledged, static_cast<std::uint64_t>(offered_));
    EXPECT_EQ(total(counters.lost), 0U);
    EXPECT_EQ(counters.sessions, 1U);
    EXPECT_GE(counters.connections, 2U * kBoundaries);
}

TEST_F(EventResumeTest, SurvivesRestartsOfTheDaemon) {
    EventSender sender(directory_.path(), hasty());
    for (int restart = 0; restart < 20; ++restart) {
        offer(sender, 200);
        peer_.stop();
        offer(sender, 50);
        peer_.start();
    }
    ASSERT_TRUE(sender.flush(20s).complete);
    expect_all_stored_once();
    expect_identities(sender.counters());
}

TEST_F(EventResumeTest, TriesAnewWhenTheDaemonNeverAnswers) {
    PeerManners manners;
    manners.answers_hello = false;
    peer_.set_manners(manners);
    EventSender sender(directory_.path(), hasty());
    offer(sender, 10);
    ASSERT_TRUE(eventually([&] { return peer_.connection_count() >= 3; })) << "no answer to HELLO";
    manners = {};
    manners.answers_batches = false;
    peer_.set_manners(manners);
    const std::size_t connections = peer_.connection_count();
    ASSERT_TRUE(eventually([&] { return peer_.connection_count() >= connections + 3; }))
        << "no answer to BATCH";
    manners.credits = 0;
    peer_.set_manners(manners);
    const std::size_t later = peer_.connection_count();
    ASSERT_TRUE(eventually([&] { return peer_.connection_count() >= later + 3; })) << "no credits";
    EXPECT_EQ(sender.counters().in_flight, 10U);
    peer_.set_manners({});
    ASSERT_TRUE(sender.flush(20s).complete);
    expect_all_stored_once();
}

TEST_F(EventResumeTest, KeepsSendingWhenTheSocketIsFullForAWhile) {
    PeerManners manners;
    manners.credits = 1'000;
    peer_.set_manners(manners);
    EventOptions options = hasty();
    options.timing.stall_timeout = 20'000;
    EventSender sender(directory_.path(), options);
    offer(sender, 1);
    ASSERT_TRUE(sender.flush(20s).complete);
    manners.reads_nothing = true;
    peer_.set_manners(manners);
    offer(sender, 6'000);
    EXPECT_FALSE(sender.flush(30ms).complete);
    manners.reads_nothing = false;
    peer_.set_manners(manners);
    ASSERT_TRUE(sender.flush(20s).complete);
    expect_all_stored_once();
    EXPECT_EQ(peer_.connection_count(), 1U);
}

TEST_F(EventResumeTest, CountsUndecidedEventsAsLostWhenTheSessionExpired) {
    PeerManners manners;
    manners.answers_batches = false;  // they arrive, and nobody says what became of them
    peer_.set_manners(manners);
    EventSender sender(directory_.path());
    offer(sender, 30);
    EventDraft conversion = draft_with_value(0);
    conversion.metric = "conversion";
    ASSERT_TRUE(sender.offer(conversion));
    ASSERT_TRUE(eventually([&] {
        sender.flush(1ms);
        return peer_.batch_count() >= 1;
    }));
    sender.flush(30ms);
    peer_.stop();
    ASSERT_TRUE(sender.offer(draft_with_value(1'000)));
    peer_.forget_sessions();
    peer_.set_manners({});
    peer_.start();
    ASSERT_TRUE(sender.flush(20s).complete);

    const EventCounters counters = sender.counters();
    expect_identities(counters);
    EXPECT_EQ(counters.sessions, 2U);
    EXPECT_EQ(counters.dropped(DropReason::kSessionExpired, EventClass::kOrdinary), 30U);
    EXPECT_EQ(counters.dropped(DropReason::kSessionExpired, EventClass::kConversion), 1U);
    EXPECT_EQ(counters.acknowledged, 1U) << "what was never sent goes into the new session";
    EXPECT_EQ(peer_.stored_count(), 1U) << "undecided events are never sent again";
    bool has_report = false;
    for (const auto& [id, session] : peer_.sessions()) {
        has_report = has_report || session.dropped == counters.lost;
    }
    EXPECT_TRUE(has_report) << "the new session tells what the old one lost";
}

TEST_F(EventResumeTest, TellsDropsOnceAcrossSessions) {
    EventSender sender(directory_.path());
    EventDraft invalid = draft_with_value(0);
    invalid.metric = {};
    EXPECT_FALSE(sender.offer(invalid));
    offer(sender, 1);
    ASSERT_TRUE(sender.flush(20s).complete);
    peer_.stop();
    peer_.forget_sessions();
    peer_.start();
    offer(sender, 1);
    EXPECT_FALSE(sender.offer(invalid));
    EXPECT_FALSE(sender.offer(invalid));
    ASSERT_TRUE(sender.flush(20s).complete);
    std::uint64_t told = 0;
    for (const auto& [id, session] : peer_.sessions()) {
        told += total(session.dropped);
    }
    EXPECT_EQ(told, 3U);
    EXPECT_EQ(total(sender.counters().refused), 3U);
}

TEST_F(EventResumeTest, SendsAgainWhatTheFullDaemonRefused) {
    PeerManners manners;
    manners.frame_size_max = sizeof(BatchFrame) + kEventSizeMax;
    manners.refusals_full = 9;
    manners.credits = 1;
    peer_.set_manners(manners);
    EventOptions options = hasty();
    options.timing.stall_timeout = 20'000;
    EventSender sender(directory_.path(), options);
    offer(sender, 1'000);
    ASSERT_TRUE(sender.flush(20s).complete);
    expect_all_stored_once();
    const EventCounters counters = sender.counters();
    expect_identities(counters);
    EXPECT_EQ(counters.acknowledged, 1'000U);
    EXPECT_EQ(counters.connections, 1U) << "a full daemon is asked again, not left";
}

TEST_F(EventResumeTest, CountsRefusedEventsAndKeepsTheRest) {
    PeerManners manners;
    manners.frame_size_max = sizeof(BatchFrame) + kEventSizeMax;
    manners.judge = [](std::uint64_t seq) {
        return seq % 10 == 0   ? NackReason::kInvalid
               : seq % 25 == 1 ? NackReason::kTooBig
                               : NackReason::kFull;
    };
    peer_.set_manners(manners);
    EventSender sender(directory_.path(), hasty());
    offer(sender, 1'000);
    ASSERT_TRUE(sender.flush(20s).complete);
    const EventCounters counters = sender.counters();
    expect_identities(counters);
    EXPECT_EQ(counters.dropped(DropReason::kInvalid, EventClass::kOrdinary), 100U);
    EXPECT_EQ(counters.dropped(DropReason::kTooBig, EventClass::kOrdinary), 40U);
    EXPECT_EQ(counters.acknowledged, 860U);
    EXPECT_EQ(peer_.stored_count(), 860U);
    EXPECT_EQ(counters.connections, 1U) << "a refused event does not cost the connection";
}

TEST_F(EventResumeTest, CountsARefusalOnceWhenItIsRepeated) {
    PeerManners manners;
    manners.judge = [](std::uint64_t seq) {
        return seq == 5 ? NackReason::kInvalid : NackReason::kFull;
    };
    NackFrame nack{};
    nack.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kNack), kProtocolVersion,
                   sizeof nack, 0};
    nack.seq = 5;
    nack.reason = static_cast<std::uint32_t>(NackReason::kInvalid);
    const auto* bytes = reinterpret_cast<const std::byte*>(&nack);
    manners.raw_ack = Bytes(bytes, bytes + sizeof nack);
    peer_.set_manners(manners);
    EventSender sender(directory_.path());
    offer(sender, 20);
    ASSERT_TRUE(eventually([&] { return total(sender.counters().lost) == 1; }));
    EXPECT_FALSE(sender.flush(30ms).complete) << "its number is not acknowledged yet";
    peer_.set_manners({});
    peer_.stop();
    peer_.start();
    ASSERT_TRUE(sender.flush(20s).complete);
    const EventCounters counters = sender.counters();
    expect_identities(counters);
    EXPECT_EQ(counters.acknowledged, 19U);
    EXPECT_EQ(counters.dropped(DropReason::kInvalid, EventClass::kOrdinary), 1U);
}

TEST_F(EventResumeTest, CountsWhatWasRefusedWithoutAWordBeforeTheConnectionBroke) {
    PeerManners manners;
    manners.frame_size_max = sizeof(BatchFrame) + kEventSizeMax;
    manners.judge = [](std::uint64_t seq) {
        return seq % 7 == 0    ? NackReason::kInvalid
               : seq % 31 == 1 ? NackReason::kTooBig
                               : NackReason::kFull;
    };
    manners.close_at_batch = 2;
    manners.stores_before_close = true;
    peer_.set_manners(manners);
    EventSender sender(directory_.path(), hasty());
    offer(sender, 1'000);
    ASSERT_TRUE(sender.flush(20s).complete);
    const EventCounters counters = sender.counters();
    expect_identities(counters);
    std::uint64_t invalid = 0;
    std::uint64_t too_big = 0;
    const auto sessions = peer_.sessions();
    for (const auto& [seq, reason] : sessions.begin()->second.refused) {
        ++(reason == NackReason::kInvalid ? invalid : too_big);
    }
    EXPECT_EQ(invalid, 1'000U / 7);
    EXPECT_EQ(counters.dropped(DropReason::kInvalid, EventClass::kOrdinary), invalid);
    EXPECT_EQ(counters.dropped(DropReason::kTooBig, EventClass::kOrdinary), too_big);
    EXPECT_EQ(counters.acknowledged, peer_.stored_count());
    EXPECT_GT(counters.connections, 5U);
    EXPECT_EQ(counters.sessions, 1U);
}

TEST_F(EventResumeTest, TellsDropsAgainUntilTheyAreConfirmed) {
    PeerManners manners;
    manners.drop_reports_unheard = 3;
    manners.drop_reports_full = 2;
    peer_.set_manners(manners);
    EventSender sender(directory_.path(), hasty());
    offer(sender, 1);
    ASSERT_TRUE(sender.flush(20s).complete);
    EventDraft invalid = draft_with_value(0);
    invalid.metric = {};
    EXPECT_FALSE(sender.offer(invalid));
    ASSERT_TRUE(eventually([&] {
        sender.flush(1ms);  // a report is not due before its second is over, unless somebody waits
        return peer_.drop_report_count() >= 1;
    }));
    EXPECT_EQ(total(peer_.sessions().begin()->second.dropped), 1U);
    EXPECT_GE(peer_.connection_count(), 4U);
    // Confirmed: a new connection has nothing to tell.
    peer_.stop();
    peer_.start();
    offer(sender, 1);
    ASSERT_TRUE(sender.flush(20s).complete);
    sender.flush(1ms);
    EXPECT_EQ(peer_.drop_report_count(), 1U);
}

// What a hostile or foreign daemon may answer; each is refused, and nothing is lost by it.
class EventHostilityTest : public EventResumeTest {
protected:
    static WelcomeFrame good_welcome() {
        WelcomeFrame welcome{};
        welcome.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kWelcome),
                          kProtocolVersion, sizeof welcome, 0};
        welcome.outcome = static_cast<std::uint32_t>(SessionOutcome::kNew);
        welcome.frame_size_max = kFrameSizeMax;
        welcome.credits = 4;
        return welcome;
    }
    static AckFrame good_ack() {
        AckFrame ack{};
        ack.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kAck), kProtocolVersion,
                      sizeof ack, 0};
        ack.credits = 4;
        return ack;
    }
    template <typename Frame>
    static Bytes bytes_of(const Frame& frame) {
        const auto* bytes = reinterpret_cast<const std::byte*>(&frame);
        return {bytes, bytes + sizeof frame};
    }
    /// The client hangs up and tries again, and all is well once the daemon is sane.
    void expect_retry(const PeerManners& manners, const std::string& what) {
        SCOPED_TRACE(what);
        peer_.set_manners(manners);
        EventSender sender(directory_.path(), hasty());
        offer(sender, 3);
        const std::size_t connections = peer_.connection_count();
        EXPECT_TRUE(eventually([&] { return peer_.connection_count() >= connections + 2; }));
        peer_.set_manners({});
        EXPECT_TRUE(sender.flush(20s).complete);
        const EventCounters counters = sender.counters();
        expect_identities(counters);
        EXPECT_EQ(counters.acknowledged + total(counters.lost), 3U);
    }
};

TEST_F(EventHostilityTest, RefusesEveryWrongWelcome) {
    std::vector<std::pair<std::string, Bytes>> cases;
    const Bytes good = bytes_of(good_welcome());
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{15}, std::size_t{16}, good.size() - 1}) {
        cases.emplace_back("short", Bytes(good.begin(), good.begin() + static_cast<long>(size)));
    }
    cases.emplace_back("long", Bytes(10'000, std::byte{7}));
    const auto add = [&](const char* what, auto&& spoil) {
        WelcomeFrame welcome = good_welcome();
        spoil(welcome);
        cases.emplace_back(what, bytes_of(welcome));
    };
    add("magic", [](WelcomeFrame& frame) { frame.header.magic ^= 1; });
    add("version", [](WelcomeFrame& frame) { frame.header.version = 2; });
    add("size", [](WelcomeFrame& frame) { frame.header.size_bytes = 41; });
    add("type", [](WelcomeFrame& frame) { frame.header.type = 4; });
    add("outcome", [](WelcomeFrame& frame) { frame.outcome = 9; });
    add("tiny frames", [](WelcomeFrame& frame) { frame.frame_size_max = 100; });
    add("new, but with a past", [](WelcomeFrame& frame) { frame.last_durable_seq = 3; });
    add("resumed beyond what was sent", [](WelcomeFrame& frame) {
        frame.outcome = static_cast<std::uint32_t>(SessionOutcome::kResumed);
        frame.last_durable_seq = ~0ULL;
    });
    add("always expired", [](WelcomeFrame& frame) {
        frame.outcome = static_cast<std::uint32_t>(SessionOutcome::kExpired);
    });
    for (const auto& [what, bytes] : cases) {
        PeerManners manners;
        manners.raw_welcome = bytes;
        expect_retry(manners, what);
        EXPECT_EQ(peer_.batches_after_lies(), 0U) << what << ": no event follows a bad WELCOME";
    }
}

TEST_F(EventHostilityTest, RefusesEveryWrongAnswerToABatch) {
    std::vector<std::pair<std::string, Bytes>> cases;
    cases.emplace_back("short", Bytes(3, std::byte{1}));
    cases.emplace_back("a second welcome", bytes_of(good_welcome()));
    AckFrame ack = good_ack();
    ack.durable_seq = 1ULL << 40;
    cases.emplace_back("an ack of what was never sent", bytes_of(ack));
    NackFrame nack{};
    nack.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kNack), kProtocolVersion,
                   sizeof nack, 0};
    nack.reason = 77;
    cases.emplace_back("a refusal for no known reason", bytes_of(nack));
    for (const auto& [what, bytes] : cases) {
        PeerManners manners;
        manners.raw_ack = bytes;
        expect_retry(manners, what);
    }
}

TEST_F(EventHostilityTest, SurvivesRandomBytes) {
    const std::uint32_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    EventSender sender(directory_.path(), hasty());
    for (int round = 0; round < 100; ++round) {
        PeerManners manners;
        Bytes noise = random() % 2 == 0 ? bytes_of(good_welcome()) : bytes_of(good_ack());
        for (int flips = 0; flips < 3; ++flips) {
            noise[random() % noise.size()] = static_cast<std::byte>(random());
        }
        (random() % 2 == 0 ? manners.raw_welcome : manners.raw_ack) = noise;
        peer_.set_manners(manners);
        offer(sender, 2);
        sender.flush(2ms);
        expect_identities(sender.counters());
    }
    peer_.set_manners({});
    EXPECT_TRUE(sender.flush(20s).complete);
    expect_identities(sender.counters());
}

}  // namespace
}  // namespace burgee::test
