// Promise: a process whose threads track while exit() ends its static client ends as it wanted to.
// Method: a program of its own that does just that, some times over: its threads track before,
// while and after the client goes, and only then the process ends.

#include "tests/clientlib/event_peer.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/sanitizers.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {
namespace {

// Whoever is inside track() when the client ends writes into a ring that was blanked under it: it
// stays mapped, and nobody reads it any more. The thread sanitizer rightly calls that a race.
#ifndef BURGEE_TSAN
TEST(EventExitTest, AThreadThatTracksWhileTheProcessExitsHarmsNothing) {
    constexpr int kRounds = 10;
    const TemporaryDirectory directory;
    const EventPeer peer(directory.path());
    for (int round = 0; round < kRounds; ++round) {
        const ChildOutcome outcome =
            run_child({BURGEE_EXIT_WHILE_TRACKING, directory.path()}, std::chrono::seconds(30));
        ASSERT_EQ(outcome.exit.code, 0)
            << "round " << round << ", signal " << outcome.exit.signal << ' ' << outcome.error;
    }
    EXPECT_GE(peer.stored_count(), kRounds * 1'000U);
    EXPECT_TRUE(peer.complaints().empty());
}
#endif

}  // namespace
}  // namespace burgee::test
