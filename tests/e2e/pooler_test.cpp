// Promise: burgeed and `burgee` need nothing but a transaction pooler: flags arrive by polling,
// events are stored once, commands work. Method: the whole host, its only connection string that of
// PgBouncer in transaction mode.
#include "tests/sync/pooler.hpp"

#include <burgee/client.hpp>

#include "tests/e2e/host.hpp"
#include "tests/fault/event_load.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

class PoolerHostTest : public ::testing::Test {
protected:
    /// Runs `burgee` through the pooler. @return what it printed
    std::string burgee(const std::vector<std::string>& arguments) {
        std::vector<std::string> command{BURGEE_PATH};
        command.insert(command.end(), arguments.begin(), arguments.end());
        const ChildOutcome outcome = run_child(
            command, seconds(60), {dsn_variable_, "BURGEE_SHM_DIRECTORY=" + host_.run_directory()});
        EXPECT_EQ(outcome.exit.code, 0) << arguments[0] << ": " << outcome.error << outcome.output;
        return outcome.output;
    }

    static HostOptions polling() {
        HostOptions options;
        options.is_listening = false;
        options.has_schema = false;
        return options;
    }

    Host host_{polling()};
    Pooler pooler_{host_.postgres()};
    const std::string dsn_variable_ = "BURGEE_DATABASE_DSN=" + pooler_.dsn();
};

TEST_F(PoolerHostTest, FlagsEventsAndCommandsPass) {
    burgee({"db", "migrate"});
    create_load_flags(host_.postgres());
    burgee({"flag", "create", "made.here", "--status", "enabled"});
    host_.start_daemon({dsn_variable_});
    Client client(ClientOptions{host_.run_directory()});
    const Context user{{"user_id", "u"}};
    ASSERT_TRUE(wait_until([&] { return client.is_enabled("made.here", user); }, seconds(20)))
        << host_.daemon_log();
    burgee({"flag", "kill", "made.here"});
    EXPECT_TRUE(wait_until([&] { return !client.is_enabled("made.here", user); }, seconds(20)));
    for (int index = 0; index < 500; ++index) {
        const std::string id = "user-" + std::to_string(index);
        const Context one{{"user_id", id}};
        EXPECT_TRUE(client.track(client.evaluate("load", one), "impression", 1, one));
    }
    ASSERT_TRUE(client.flush(seconds(30)).complete);
    const std::string stored = std::to_string(client.counters().acknowledged);
    EXPECT_TRUE(wait_until(
        [&] {
            return host_.postgres().value("SELECT count(*) FROM public.ab_test_metrics") == stored;
        },
        seconds(30)))
        << host_.daemon_log();
    EXPECT_TRUE(wait_until(
        [&] { return host_.postgres().value("SELECT count(*) FROM burgee.hosts") == "1"; },
        seconds(30)));
    EXPECT_THAT(burgee({"results", "load", "-o", "json"}), ::testing::HasSubstr("conversion"));
    EXPECT_THAT(burgee({"db", "verify"}), ::testing::Not(::testing::HasSubstr("differs")));
    EXPECT_THAT(burgee({"flag", "list"}), ::testing::HasSubstr("made.here"));
    EXPECT_EQ(host_.stop_daemon(), 0);
}

}  // namespace
}  // namespace burgee::test
