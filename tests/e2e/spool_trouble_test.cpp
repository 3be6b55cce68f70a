// Promise: a spool that cannot be opened costs events and no flag, is named where an operator looks,
// and needs no restart once it is mended; a spool that is not ours stops the start.
// Method: a real burgeed whose spool directory is in the way, mended while it runs.
#include <burgee/client.hpp>

#include <filesystem>
#include <fstream>

#include "tests/e2e/host.hpp"
#include "tests/fault/event_load.hpp"

namespace burgee::test {
namespace {

namespace files = std::filesystem;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

class SpoolTroubleTest : public ::testing::Test {
protected:
    void SetUp() override { create_load_flags(host_.postgres()); }

    std::string spool() const { return host_.state_directory() + "/spool"; }

    bool status_says(const std::string& text) {
        return wait_until(
            [&] { return host_.burgee({"status"}).output.find(text) != std::string::npos; },
            seconds(20));
    }

    Host host_;
};

TEST_F(SpoolTroubleTest, CostsNoFlagAndHealsUnaided) {
    std::ofstream(spool()) << "somebody's file";
    host_.start_daemon();
    Client client(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(wait_until([&] { return client.generation() > 0; }, seconds(20)));
    const Context user{{"user_id", "u"}};
    EXPECT_TRUE(client.evaluate("load", user).enabled());
    host_.postgres().execute(
        "UPDATE public.feature_flags SET status = 'disabled' WHERE name = 'pair.a'");
    EXPECT_TRUE(wait_until([&] { return !client.is_enabled("pair.a", user, true); }, seconds(20)))
        << "changes go on arriving";
    EXPECT_TRUE(status_says("NOT OPEN"));
    const std::string status = host_.burgee({"status"}).output;
    EXPECT_THAT(status, HasSubstr("refusing events"));
    EXPECT_THAT(status, HasSubstr(spool() + ": is no directory"));
    EXPECT_THAT(read_file(host_.run_directory() + "/status.json"),
                HasSubstr(R"("is_open": false)"));
    EXPECT_THAT(host_.daemon_log(), HasSubstr("events are refused until this is mended"));

    EXPECT_TRUE(client.track(client.evaluate("load", user), "impression", 1, user));
    files::remove(spool());
    EXPECT_TRUE(wait_until(
        [&] {
            return host_.postgres().value("SELECT count(*) FROM public.ab_test_metrics") == "1";
        },
        seconds(60)))
        << host_.daemon_log();
    EXPECT_TRUE(status_says("ok: burgeed is"));
    EXPECT_THAT(host_.burgee({"status"}).output, Not(HasSubstr("refusing events")));
    EXPECT_EQ(host_.stop_daemon(), 0);
}

TEST_F(SpoolTroubleTest, AStateDirectoryThatIsMendedGetsTheLastKnownGoodSnapshotToo) {
    files::remove(host_.state_directory());
    std::ofstream(host_.state_directory()) << "somebody's file";
    host_.start_daemon();
    const Client client(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(wait_until([&] { return client.generation() > 0; }, seconds(20)));
    EXPECT_TRUE(status_says(host_.state_directory() + ": is no directory"));
    files::remove(host_.state_directory());
    EXPECT_TRUE(wait_until([&] { return files::exists(host_.state_directory() + "/lkg.L1"); },
                           seconds(60)))
        << host_.daemon_log();
    EXPECT_TRUE(status_says("ok: burgeed is"));
}

TEST_F(SpoolTroubleTest, StopsAtOnceWhileItIsNotOpen) {
    std::ofstream(spool()) << "somebody's file";
    host_.start_daemon();
    EXPECT_EQ(host_.stop_daemon(), 0);
}

TEST_F(SpoolTroubleTest, AnotherDaemonsSpoolAndALaterFormatStopTheStart) {
    host_.start_daemon();
    const TemporaryDirectory elsewhere("burgee-run");
    const std::string config = elsewhere.file("burgee.toml");
    std::ofstream(config) << "[database]\ndsn = \"" << host_.postgres().dsn() << "\"\n"
                          << "[shm]\ndirectory = \"" << elsewhere.file("run") << "\"\n"
                          << "[spool]\ndirectory = \"" << host_.state_directory()
                          << "\"\nsegment_mib = 4\n";
    const std::vector<std::string> second{BURGEED_PATH, "--config", config};
    const ChildOutcome locked = run_child(second);
    EXPECT_EQ(locked.exit.code, 75);
    EXPECT_THAT(locked.error, HasSubstr("in use by another burgeed"));

    ASSERT_EQ(host_.stop_daemon(), 0);
    std::string segment;
    for (const auto& entry : files::directory_iterator(spool())) {
        const std::string name = entry.path().filename();
        segment = name.size() == 20 ? entry.path().string() : segment;
    }
    std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8).put(2);  // the version in both copies of the header
    file.seekp(2048 + 8).put(2);
    file.close();
    const ChildOutcome newer = run_child(second);
    EXPECT_EQ(newer.exit.code, 78);
    EXPECT_THAT(newer.error, HasSubstr("written by a later burgee"));
}

}  // namespace
}  // namespace burgee::test
