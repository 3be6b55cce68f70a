// Promise: the service manager hears us, wherever it listens, and its absence changes nothing.
// Method: a real datagram socket in the role of the manager, on a path and on an abstract name.
#include "daemon/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>

#include "tests/support/temporary_directory.hpp"

namespace burgee::daemon {
namespace {

class NotifyTest : public ::testing::Test {
protected:
    void TearDown() override {
        ::unsetenv("NOTIFY_SOCKET");
        ::unsetenv("WATCHDOG_USEC");
        ::unsetenv("WATCHDOG_PID");
        ::close(fd_);
    }

    /// Listens on `name` and points $NOTIFY_SOCKET at it; "@..." is abstract.
    void listen_on(const std::string& name) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        name.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
        if (name[0] == '@') {
            address.sun_path[0] = '\0';
        }
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        ASSERT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0);
        ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    }

    std::string heard() {
        std::array<char, 256> text{};
        const ssize_t size = ::recv(fd_, text.data(), text.size(), MSG_DONTWAIT);
        return size < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(size));
    }

    test::TemporaryDirectory directory_;
    int fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

TEST_F(NotifyTest, ReachesAPathAndAnAbstractName) {
    listen_on(directory_.file("notify"));
    EXPECT_TRUE(notify_service_manager("READY=1"));
    EXPECT_EQ(heard(), "READY=1");
    ::close(fd_);
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    listen_on("@burgee-test-" + std::to_string(::getpid()));
    EXPECT_TRUE(notify_service_manager("STOPPING=1"));
    EXPECT_EQ(heard(), "STOPPING=1");
}

TEST_F(NotifyTest, SaysNothingWithoutAManager) {
    EXPECT_FALSE(notify_service_manager("READY=1"));
    ::setenv("NOTIFY_SOCKET", directory_.file("nobody").c_str(), 1);
    EXPECT_FALSE(notify_service_manager("READY=1"));
}

TEST_F(NotifyTest, WatchdogIsHalfTheIntervalAndOnlyOurs) {
    EXPECT_EQ(watchdog_interval().count(), 0);
    ::setenv("WATCHDOG_USEC", "10000000", 1);
    EXPECT_EQ(watchdog_interval().count(), 5'000'000);
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
    EXPECT_EQ(watchdog_interval().count(), 5'000'000);
    ::setenv("WATCHDOG_PID", "1", 1);
    EXPECT_EQ(watchdog_interval().count(), 0);
    ::setenv("WATCHDOG_USEC", "soon", 1);
    EXPECT_EQ(watchdog_interval().count(), 0);
}

}  // namespace
}  // namespace burgee::daemon
