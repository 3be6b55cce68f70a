// Promise: whatever a disk does while the spool is being opened, the main loop goes on; each
// outcome is taken once, on the main loop's thread. Method: attempts that wait at a gate, or fail,
// under a real io_context.
#include "daemon/spool_opening.hpp"

#include <future>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>

#include "tests/support/temporary_directory.hpp"

namespace burgee::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SpoolOpeningTest : public ::testing::Test {
protected:
    static SpoolOpening::Outcome failure() {
        return SpoolError{SpoolErrorCode::kBadDirectory, "it is in the way"};
    }
    boost::asio::io_context io_context_{1};
};

using WorkGuard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;

TEST_F(SpoolOpeningTest, TheLoopGoesOnWhileAnAttemptHangs) {
    std::promise<void> gate;
    bool is_taken = false;
    SpoolOpening opening(
        io_context_,
        [&] {
            gate.get_future().wait();
            return failure();
        },
        [&](SpoolOpening::Outcome outcome) {
            is_taken = true;
            EXPECT_EQ(outcome.error().message, "it is in the way");
        });
    opening.begin();
    const WorkGuard other_work(io_context_.get_executor());  // as burgeed has all its life
    boost::asio::steady_timer heartbeat(io_context_, milliseconds(1));
    int beats = 0;
    heartbeat.async_wait([&](const boost::system::error_code&) {
        ++beats;
        EXPECT_FALSE(is_taken);
        gate.set_value();
    });
    io_context_.run_one_for(seconds(30));
    EXPECT_EQ(beats, 1);
    while (!is_taken && io_context_.run_one_for(seconds(30)) > 0) {
    }
    EXPECT_TRUE(is_taken);
}

TEST_F(SpoolOpeningTest, TriesAgainUntilItWorks) {
    const test::TemporaryDirectory directory;
    Config config;
    config.state_directory = directory.file("state");
    int attempts = 0;
    std::unique_ptr<Spool> spool;
    SpoolOpening opening(
        io_context_, [&] { return ++attempts < 2 ? failure() : open_spool(config); },
        [&](SpoolOpening::Outcome outcome) {
            if (outcome) {
                spool = std::move(*outcome);
            } else {
                opening.begin_later();
            }
        });
    opening.begin();
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (!spool && std::chrono::steady_clock::now() < deadline) {
        io_context_.run_for(milliseconds(100));
        io_context_.restart();
    }
    ASSERT_NE(spool, nullptr);
    EXPECT_EQ(attempts, 2);
    EXPECT_EQ(spool->durable_end_lsn(), 1U);
}

TEST_F(SpoolOpeningTest, NothingIsTakenOnceItIsStopped) {
    SpoolOpening opening(
        io_context_, [] { return failure(); },
        [](SpoolOpening::Outcome) { ADD_FAILURE() << "taken after stop()"; });
    opening.begin();
    opening.stop();
    io_context_.run();
}

}  // namespace
}  // namespace burgee::daemon
