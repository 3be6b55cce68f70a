// Promise: events go only to a daemon whose directory and socket are those of someone the client
// believes; whom it believes is the same as for snapshots, and a refusal is counted. Method: a real
// peer on a real socket, whose directory or socket is spoilt in one way, then mended.

#include "tests/clientlib/event_peer.hpp"
#include "tests/support/temporary_directory.hpp"

#include <burgee/client.hpp>
#include <burgee/event_sender.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

namespace burgee::test {
namespace {

using namespace std::chrono_literals;
using detail::EventSender;

constexpr uid_t kStranger = 65'534;

class EventTrustTest : public ::testing::Test {
protected:
    std::string socket_path() const { return directory_.path() + "/" + kEventSocketName; }

    /// Neither connects nor loses the event.
    void expect_refused(EventSender& sender) {
        ASSERT_TRUE(sender.offer(draft_with_value(1)));
        EXPECT_TRUE(eventually([&] {
            (void)sender.flush(1ms);
            return sender.counters().untrusted >= 2;
        })) << "it goes on trying";
        EXPECT_EQ(peer_.connection_count(), 0U);
        EXPECT_EQ(sender.counters().connections, 0U);
        EXPECT_EQ(sender.counters().in_flight, 1U);
        expect_identities(sender.counters());
    }
    void expect_sent(EventSender& sender) {
        EXPECT_TRUE(sender.flush(20s).complete);
        EXPECT_EQ(sender.counters().acknowledged, 1U);
    }
    void give_away(const std::string& path) {
        ASSERT_EQ(::chown(path.c_str(), kStranger, kStranger), 0);
    }
    static bool is_root() { return ::geteuid() == 0; }

    TemporaryDirectory directory_;
    EventPeer peer_{directory_.path()};
};

TEST_F(EventTrustTest, CountsNothingWhereAllIsWell) {
    EventSender sender(directory_.path());
    ASSERT_TRUE(sender.offer(draft_with_value(1)));
    expect_sent(sender);
    EXPECT_EQ(sender.counters().untrusted, 0U);
}

TEST_F(EventTrustTest, RefusesADirectoryThatOthersCanWrite) {
    EventSender sender(directory_.path());
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0777), 0);
    expect_refused(sender);
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
    expect_sent(sender);
}

TEST_F(EventTrustTest, ConnectsToASocketThatAGroupMayWrite) {
    EventSender sender(directory_.path());
    ASSERT_EQ(::chmod(socket_path().c_str(), 0666), 0);
    ASSERT_TRUE(sender.offer(draft_with_value(1)));
    expect_sent(sender);
}

TEST_F(EventTrustTest, RefusesASymlinkInTheSocketsPlace) {
    EventSender sender(directory_.path());
    const std::string aside = directory_.path() + "/aside";
    std::filesystem::rename(socket_path(), aside);
    std::filesystem::create_symlink(aside, socket_path());
    expect_refused(sender);
    std::filesystem::rename(aside, socket_path());
    expect_sent(sender);
}

TEST_F(EventTrustTest, RefusesASocketOfAnother) {
    if (!is_root()) {
        GTEST_SKIP() << "this test gives a socket away, for which it must run as root";
    }
    EventSender sender(directory_.path());
    give_away(socket_path());
    expect_refused(sender);
    ASSERT_EQ(::chown(socket_path().c_str(), 0, 0), 0);
    expect_sent(sender);
}

TEST_F(EventTrustTest, BelievesADirectoryOnlyOfWhoIsExpected) {
    if (!is_root()) {
        GTEST_SKIP() << "this test gives a directory away, for which it must run as root";
    }
    give_away(directory_.path());
    give_away(socket_path());
    detail::EventOptions options;
    options.expected_owner = kStranger - 1;
    EventSender stricter(directory_.path(), options);
    expect_refused(stricter);
    ClientOptions expecting{directory_.path()};
    expecting.expected_owner = kStranger;
    Client client(expecting);
    const ExperimentRef experiment("11111111-2222-3333-4444-555555555555", "control");
    ASSERT_TRUE(client.track(experiment, "conversion", 1, Context{{"user_id", 1}}));
    EXPECT_TRUE(client.flush(20s).complete);
    EXPECT_EQ(client.counters().acknowledged, 1U);
    EXPECT_EQ(client.counters().untrusted, 0U);
    EXPECT_EQ(stricter.counters().in_flight, 1U) << "nobody believes for another";
    EXPECT_EQ(stricter.counters().connections, 0U);
}

}  // namespace
}  // namespace burgee::test
