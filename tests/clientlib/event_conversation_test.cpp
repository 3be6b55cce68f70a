// Promise: whatever a daemon leaves out, the sender neither spins nor leaks, and its tries are
// spread by chance. Method: the conversation is stepped by hand with a clock that is made up, over
// a real socket, so that minutes pass in milliseconds and every step is counted.

#include "tests/clientlib/event_peer.hpp"
#include "tests/clientlib/puppet_daemon.hpp"
#include "tests/support/sanitizers.hpp"
#include "tests/support/temporary_directory.hpp"

#include <burgee/event_conversation.hpp>
#include <burgee/event_encoder.hpp>

#include <dirent.h>
#include <malloc.h>

#include <algorithm>
#include <set>

namespace burgee::test {
namespace {

using detail::EventConversation;
using detail::EventProcess;
using detail::EventRing;
using detail::EventTiming;
using detail::SenderRest;

constexpr std::uint64_t kRingSize = detail::kEventRingSizeMin;

int descriptor_count() {
    int count = 0;
    DIR* descriptors = opendir("/proc/self/fd");
    while (readdir(descriptors) != nullptr) {
        ++count;
    }
    closedir(descriptors);
    return count;
}

class EventConversationTest : public ::testing::Test {
protected:
    EventConversationTest() {
        const EventDraft draft = draft_with_value(1);
        const auto room = ring_.reserve(detail::encoded_size_bytes(draft), EventClass::kOrdinary);
        detail::encode(draft, EventClass::kOrdinary, room.record);
    }
    ~EventConversationTest() override { detail::unmap_event_process(process_, kRingSize); }

    /// One turn of the sender's loop: a step, then all the sleep that it asked for.
    void turn() {
        const SenderRest rest = conversation_.step(now_ms_, false);
        ++steps_;
        now_ms_ += std::max<std::int64_t>(1, rest.timeout_ms);
    }

    /// Steps that ten minutes take, with `after_each` after each of them.
    template <typename AfterEach>
    int steps_of_ten_minutes(AfterEach after_each) {
        const int before = steps_;
        for (const std::int64_t end_ms = now_ms_ + 600'000; now_ms_ < end_ms;) {
            turn();
            after_each();
        }
        return steps_ - before;
    }

    TemporaryDirectory directory_;
    EventProcess* process_ = detail::map_event_process(kRingSize);
    EventRing ring_ = detail::ring_of(process_, kRingSize);
    std::atomic<int> shared_fd_{-1};
    const EventTiming timing_;
    EventConversation conversation_{
        *process_, ring_, {directory_.path().c_str()}, shared_fd_, timing_};
    std::int64_t now_ms_ = 1'000'000;
    int steps_ = 0;
};

// A step makes two system calls, and the sleep behind it one more.
constexpr int kStepsMax = 12 * 600;

TEST_F(EventConversationTest, SleepsWhileNobodyIsThere) {
    EXPECT_LT(steps_of_ten_minutes([] {}), kStepsMax);
}

TEST_F(EventConversationTest, SleepsWhileADaemonAcceptsAndNeverGreets) {
    PuppetDaemon daemon(directory_.path());
    int connections = 0;
    EXPECT_LT(steps_of_ten_minutes([&] { connections += daemon.accept() ? 1 : 0; }), kStepsMax);
    EXPECT_GT(connections, 600 / 8) << "and goes on trying";
    EXPECT_LT(connections, 600 / 2);
}

TEST_F(EventConversationTest, SleepsWhileADaemonGreetsAndNeverAnswers) {
    PuppetDaemon daemon(directory_.path());
    int connections = 0;
    const int steps = steps_of_ten_minutes([&] {
        if (daemon.accept()) {
            ++connections;
            daemon.welcome();
        }
    });
    EXPECT_LT(steps, kStepsMax);
    EXPECT_GT(connections, 600 / 40) << "and goes on trying";
    EXPECT_LT(connections, 600 / 30 + 1);
}

TEST_F(EventConversationTest, SpreadsItsTriesByChance) {
    PuppetDaemon daemon(directory_.path());
    std::set<std::int64_t> pauses;
    for (int tries = 0; tries < 100;) {
        turn();
        if (daemon.accept()) {
            ++tries;
            daemon.hang_up();
            const std::int64_t heard_at_ms = now_ms_;
            turn();  // hears it, and sleeps until the next try
            EXPECT_GE(now_ms_ - heard_at_ms, timing_.backoff_min);
            EXPECT_LE(now_ms_ - heard_at_ms, timing_.backoff_max);
            pauses.insert(now_ms_ - heard_at_ms);
        }
    }
    // Of 100, about half: the longest ones are all cut to 5 s.
    EXPECT_GT(pauses.size(), 20U);
}

TEST_F(EventConversationTest, TenThousandConnectionsLeakNothing) {
    PuppetDaemon daemon(directory_.path());
    const auto connect_and_break = [&](int times) {
        for (int number = 0; number < times;) {
            turn();
            if (daemon.accept()) {
                ++number;
                if (number % 2 == 0) {
                    daemon.welcome();
                    turn();  // sends its batch
                }
                daemon.hang_up();
            }
        }
    };
    connect_and_break(10);
    const int descriptors = descriptor_count();
#if !defined(BURGEE_ASAN) && !defined(BURGEE_TSAN)
    const std::size_t heap = mallinfo2().uordblks;
#endif
    connect_and_break(10'000);
    EXPECT_EQ(descriptor_count(), descriptors);
#if !defined(BURGEE_ASAN) && !defined(BURGEE_TSAN)
    EXPECT_EQ(mallinfo2().uordblks, heap);
#endif
    EXPECT_EQ(process_->sessions.load(), 1U);
    EXPECT_EQ(process_->connections.load(), 5'005U);
}

}  // namespace
}  // namespace burgee::test
