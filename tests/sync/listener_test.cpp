// Promise: a change wakes whoever waits, a lost or refused listener costs nothing but time, and a
// waiting thread can always be woken. Method: real notifications, real crashes of the server.
#include "sync/listener.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "tests/sync/migrated_cluster.hpp"
#include "tests/sync/silent_server.hpp"

namespace burgee::sync {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class FlagListenerTest : public test::PostgresTest {
protected:
    FlagListener listener_{{.dsn = cluster_.dsn()}};
    int wake_fd_ = ::eventfd(0, EFD_CLOEXEC);

    ~FlagListenerTest() override { ::close(wake_fd_); }

    void wake() { ASSERT_EQ(::eventfd_write(wake_fd_, 1), 0); }
    void change() {
        execute(
            "INSERT INTO feature_flags (name, status) VALUES (gen_random_uuid()::text, 'enabled')");
    }
    /// Waits past other outcomes until `wanted` comes, for a minute at most.
    bool comes(WaitOutcome wanted) {
        const auto deadline = std::chrono::steady_clock::now() + seconds(60);
        while (std::chrono::steady_clock::now() < deadline) {
            if (listener_.wait(milliseconds(200), wake_fd_) == wanted) {
                return true;
            }
        }
        return false;
    }
};

TEST_F(FlagListenerTest, AChangeIsAHintAndManyAreOne) {
    EXPECT_EQ(listener_.wait(seconds(60)), WaitOutcome::kHint)
        << "just connected: something may have come before";
    EXPECT_TRUE(listener_.is_listening());
    EXPECT_EQ(listener_.wait(milliseconds(1)), WaitOutcome::kTimeout);
    change();
    EXPECT_EQ(listener_.wait(seconds(60)), WaitOutcome::kHint);
    EXPECT_EQ(listener_.notification_count(), 1U);
    for (int count = 0; count < 10; ++count) {
        change();
    }
    int hints = 0;
    while (listener_.notification_count() < 11) {
        hints += listener_.wait(seconds(60)) == WaitOutcome::kHint ? 1 : 0;
    }
    EXPECT_LE(hints, 10);
    EXPECT_GE(hints, 1);
}

TEST_F(FlagListenerTest, CanBeWokenInEveryState) {
    wake();
    listener_.wait(seconds(60), wake_fd_);
    EXPECT_EQ(listener_.wait(seconds(60), wake_fd_), WaitOutcome::kWoken);
    FlagListener disabled({.dsn = cluster_.dsn()}, false);
    EXPECT_EQ(disabled.wait(seconds(60), wake_fd_), WaitOutcome::kWoken);
    EXPECT_FALSE(disabled.is_listening());
    FlagListener refused({.dsn = "host=/nonexistent"});
    EXPECT_EQ(refused.wait(seconds(60), wake_fd_), WaitOutcome::kWoken);
    EXPECT_THAT(refused.last_error(), ::testing::HasSubstr("cannot be reached"));
}

TEST_F(FlagListenerTest, WaitsPlainlyWithoutAServerAndResumes) {
    ASSERT_TRUE(comes(WaitOutcome::kHint));
    cluster_.kill9();
    EXPECT_EQ(listener_.wait(seconds(60)), WaitOutcome::kBroken);
    EXPECT_FALSE(listener_.is_listening());
    EXPECT_FALSE(listener_.last_error().empty());
    EXPECT_EQ(listener_.wait(milliseconds(10)), WaitOutcome::kTimeout);
    cluster_.start();
    EXPECT_TRUE(comes(WaitOutcome::kHint));
    EXPECT_TRUE(listener_.is_listening());
    EXPECT_EQ(listener_.last_error(), "");
    change();
    EXPECT_EQ(listener_.wait(seconds(60)), WaitOutcome::kHint);
}

TEST_F(FlagListenerTest, NoticesThatItsBackendWasTerminated) {
    ASSERT_TRUE(comes(WaitOutcome::kHint));
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid "
        "<> pg_backend_pid()");
    EXPECT_EQ(listener_.wait(seconds(60)), WaitOutcome::kBroken);
    EXPECT_TRUE(comes(WaitOutcome::kHint));
}

/// A listener whose server takes the connection and never says what is waited for.
class SilentListenerTest : public ::testing::TestWithParam<bool> {
protected:
    static constexpr milliseconds kConnectTimeout{300};
    test::SilentServer server_{GetParam()};
    FlagListener listener_{{.dsn = server_.dsn(), .connect_timeout = kConnectTimeout}};

    static milliseconds took(const std::function<void()>& call) {
        const auto start = std::chrono::steady_clock::now();
        call();
        return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
    }
};

TEST_P(SilentListenerTest, HoldsUpNoPoll) {
    for (int poll = 0; poll < 20; ++poll) {
        const milliseconds pause =
            took([&] { EXPECT_EQ(listener_.wait(milliseconds(20)), WaitOutcome::kTimeout); });
        EXPECT_LT(pause, milliseconds(1'000)) << "poll " << poll;
    }
    EXPECT_GE(server_.connections(), 1);
    EXPECT_FALSE(listener_.is_listening());
}

TEST_P(SilentListenerTest, CanBeWokenAndStopped) {
    const int wake_fd = ::eventfd(0, EFD_CLOEXEC);
    std::thread waker([&] {
        while (server_.connections() == 0) {
            std::this_thread::yield();
        }
        ::eventfd_write(wake_fd, 1);
    });
    const milliseconds pause =
        took([&] { EXPECT_EQ(listener_.wait(seconds(60), wake_fd), WaitOutcome::kWoken); });
    EXPECT_LT(pause, milliseconds(1'500));
    waker.join();
    ::close(wake_fd);
}

TEST_P(SilentListenerTest, IsGivenUpInTimeAndTriedAgain) {
    EXPECT_EQ(listener_.wait(4 * kConnectTimeout + milliseconds(500)), WaitOutcome::kTimeout);
    EXPECT_THAT(listener_.last_error(),
                ::testing::HasSubstr(GetParam() ? "LISTEN was not answered" : "said nothing"));
    EXPECT_EQ(listener_.wait(seconds(2)), WaitOutcome::kTimeout);
    EXPECT_EQ(server_.connections(), 2);
}

INSTANTIATE_TEST_SUITE_P(AServerThat, SilentListenerTest, ::testing::Bool(), [](const auto& test) {
    return test.param ? "OnlySaysHello" : "SaysNothing";
});

}  // namespace
}  // namespace burgee::sync
