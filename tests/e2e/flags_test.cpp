// Promise: a committed change reaches every process of the host, and nothing that happens to the
// daemon or to PostgreSQL takes an answer away.
// Method: a real server, a real burgeed, the real command; the test itself is the service.
#include <burgee/client.hpp>

#include <csignal>
#include <fstream>

#include "tests/e2e/host.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

const Context kUser{{"user_id", "user123"}};

class FlagsTest : public ::testing::Test {
protected:
    void create(const std::string& name, const std::string& columns, const std::string& values) {
        host_.postgres().execute("INSERT INTO public.feature_flags (name, " + columns +
                                 ") VALUES ('" + name + "', " + values + ")");
    }

    /// Waits until `client` answers `is_on` for the flag.
    static bool becomes(const Client& client, const std::string& name, bool is_on) {
        return wait_until([&] { return client.is_enabled(name, kUser, !is_on) == is_on; },
                          seconds(20));
    }

    Host host_;
};

TEST_F(FlagsTest, ACommitReachesEveryProcess) {
    create("search", "status", "'disabled'");
    host_.start_daemon();
    const Client here(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(becomes(here, "search", false)) << host_.daemon_log();
    host_.burgee_ok({"flag", "enable", "search", "--why", "test"});
    EXPECT_TRUE(becomes(here, "search", true));
    // Another process: the command reads the snapshot with its own client.
    EXPECT_EQ(host_.burgee({"is-enabled", "search", "--user", "u"}).exit.code, 0);
    const std::string killed = host_.burgee_ok({"flag", "kill", "search", "--why", "smoke"});
    EXPECT_FALSE(here.is_enabled("search", kUser, true));
    EXPECT_THAT(killed, HasSubstr("ms"));
    EXPECT_EQ(host_.burgee({"is-enabled", "search", "--user", "u"}).exit.code, 1);
}

TEST_F(FlagsTest, PollingAloneIsEnough) {
    HostOptions options;
    options.is_listening = false;
    Host host(options);
    host.postgres().execute(
        "INSERT INTO public.feature_flags (name, status) VALUES ('search', 'disabled')");
    host.start_daemon();
    const Client here(ClientOptions{host.run_directory()});
    ASSERT_TRUE(becomes(here, "search", false));
    host.postgres().execute("UPDATE public.feature_flags SET status = 'enabled'");
    EXPECT_TRUE(becomes(here, "search", true));
}

TEST_F(FlagsTest, ADeadDaemonChangesNoAnswer) {
    create("search", "status", "'enabled'");
    host_.start_daemon();
    const Client here(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(becomes(here, "search", true));
    EXPECT_EQ(here.status().daemon, DaemonLife::kAlive);
    host_.kill_daemon();
    EXPECT_TRUE(here.is_enabled("search", kUser));
    const Client late(ClientOptions{host_.run_directory()});
    EXPECT_TRUE(late.is_enabled("search", kUser));
    EXPECT_TRUE(wait_until([&] { return late.status().daemon == DaemonLife::kDead; }, seconds(5)));
    EXPECT_EQ(host_.burgee({"is-enabled", "search", "--user", "u"}).exit.code, 0);
    host_.start_daemon();
    host_.postgres().execute("UPDATE public.feature_flags SET status = 'disabled'");
    EXPECT_TRUE(becomes(here, "search", false));
    EXPECT_TRUE(becomes(late, "search", false));
}

TEST_F(FlagsTest, AHostThatBootsWithoutPostgresAnswersAtOnce) {
    create("search", "status", "'enabled'");
    host_.start_daemon();
    const Client here(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(becomes(here, "search", true));
    EXPECT_EQ(host_.stop_daemon(), 0);
    host_.postgres().stop();
    std::filesystem::remove_all(host_.run_directory());  // as a reboot empties /run
    std::filesystem::create_directory(host_.run_directory());
    host_.start_daemon();
    const Client booted(ClientOptions{host_.run_directory()});
    EXPECT_TRUE(booted.is_enabled("search", kUser));
    EXPECT_TRUE(becomes(here, "search", true));
    EXPECT_TRUE(wait_until(
        [&] { return (booted.status().control_state & kStateDatabaseDown) != 0; }, seconds(20)));
    EXPECT_THAT(host_.daemon_log(), HasSubstr("database down"));
    host_.postgres().start();
    host_.postgres().execute("UPDATE public.feature_flags SET status = 'disabled'");
    EXPECT_TRUE(becomes(booted, "search", false));
}

TEST_F(FlagsTest, WithoutASnapshotTheCallerDecides) {
    const Client early(ClientOptions{host_.run_directory()});
    EXPECT_TRUE(early.is_enabled("search", kUser, true));
    EXPECT_EQ(early.evaluate("search", kUser).reason(), Reason::kNotReady);
    create("search", "status", "'enabled'");
    host_.start_daemon();
    EXPECT_TRUE(becomes(early, "search", true));
    EXPECT_EQ(early.evaluate("nobody", kUser, true).reason(), Reason::kFlagNotFound);
    EXPECT_TRUE(early.is_enabled("nobody", kUser, true));
}

TEST_F(FlagsTest, ABadRowIsNamedAndHarmsNobody) {
    create("good", "status", "'enabled'");
    create("turns_bad", "status, segments", "'enabled', '{\"bucketing\":\"xxh3\"}'");
    create("born_bad", "status, segments", "'gradual_rollout', '{\"peppery\":1}'");
    host_.start_daemon();
    const Client here(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(becomes(here, "turns_bad", true));
    host_.postgres().execute(
        "UPDATE public.feature_flags SET status = 'gradual_rollout', segments = '{\"salty\":1}' "
        "WHERE name = 'turns_bad'; "
        "UPDATE public.feature_flags SET status = 'disabled' WHERE name = 'good'");
    EXPECT_TRUE(becomes(here, "good", false));
    EXPECT_TRUE(here.is_enabled("turns_bad", kUser)) << "its last valid form stays published";
    EXPECT_TRUE(wait_until(
        [&] {
            const std::string problems = host_.burgee({"flag", "problems"}).output;
            return problems.find("turns_bad") != std::string::npos &&
                   problems.find("salty") != std::string::npos;
        },
        seconds(10)));
    const auto logged = [&](const std::string& flag) {
        const std::string log = host_.daemon_log();
        const std::size_t begin = log.find("flag " + flag + ":");
        return begin == std::string::npos ? "" : log.substr(begin, log.find('\n', begin) - begin);
    };
    EXPECT_THAT(logged("turns_bad"), HasSubstr("its last valid form stays"));
    EXPECT_THAT(logged("born_bad"), HasSubstr("it is not published"));
    host_.postgres().execute(
        "UPDATE public.feature_flags SET segments = '{\"bucketing\":\"xxh3\"}' "
        "WHERE name = 'turns_bad'");
    EXPECT_TRUE(becomes(here, "turns_bad", false));
}

TEST_F(FlagsTest, ARowThatBecameBadWhileTheDaemonWasDeadKeepsItsLastForm) {
    host_.postgres().execute(
        "INSERT INTO burgee.segments (name, constraints) VALUES ('payers', "
        "'[{\"attribute\":\"plan\",\"operator\":\"IN\",\"values\":[\"pro\",\"a longer plan\"]}]')");
    create("models", "status, rollout_percentage, variants, segments",
           R"('ab_test', 100,
              '[{"name":"control","weight":50,"config_overrides":{"model":"small"}},
                {"name":"treatment","weight":50,"config_overrides":{"model":"large"}}]',
              '{"bucketing":"xxh3","exclude":["eve","mallory"],"rules":[
                {"name":"payers","constraints":[{"segment":"payers"},
                  {"attribute":"mail","operator":"REGEX","value":"@example\\.(org|net)$"}],
                 "serve":{"variant":"treatment"}}]}')");
    host_.postgres().execute(
        "INSERT INTO public.ab_test_experiments (feature_flag_id, name) "
        "SELECT id, 'sizes' FROM public.feature_flags WHERE name = 'models'");
    create("needy", "status, segments",
           R"('enabled', '{"bucketing":"xxh3","requires":[{"flag":"search","enabled":true}]}')");
    create("search", "status", "'enabled'");
    create("goes", "status", "'enabled'");
    host_.start_daemon();
    const Client here(ClientOptions{host_.run_directory()});
    const Context payer{
        {"user_id", "user123"}, {"plan", "a longer plan"}, {"mail", "a@example.org"}};
    const auto expect_the_last_forms = [&] {
        const Evaluation served = here.evaluate("models", payer);
        EXPECT_EQ(served.variant(), "treatment");
        EXPECT_EQ(served.reason(), Reason::kRuleMatch);
        EXPECT_EQ(served.config().string("model", "none"), "large");
        EXPECT_EQ(here.evaluate("models", Context{{"user_id", "eve"}}).reason(), Reason::kExcluded);
        const Evaluation drawn = here.evaluate("models", kUser);
        EXPECT_TRUE(drawn.in_experiment());
        EXPECT_EQ(drawn.reason(), Reason::kSplit);
    };
    ASSERT_TRUE(becomes(here, "needy", true)) << host_.daemon_log();
    ASSERT_TRUE(
        wait_until([&] { return here.evaluate("models", kUser).in_experiment(); }, seconds(20)));
    expect_the_last_forms();
    host_.kill_daemon();
    host_.postgres().execute(
        "UPDATE public.feature_flags SET segments = '{\"bucketing\":\"xxh3\",\"salty\":1}' "
        "WHERE name IN ('models', 'needy'); "
        "UPDATE burgee.segments SET constraints = '[{\"attribute\":1}]'; "
        "DELETE FROM public.feature_flags WHERE name = 'goes'");
    host_.start_daemon();
    ASSERT_TRUE(
        wait_until([&] { return here.evaluate("goes", kUser).reason() == Reason::kFlagNotFound; },
                   seconds(20)))
        << "deleted is deleted";
    expect_the_last_forms();
    EXPECT_TRUE(here.is_enabled("needy", kUser));
    host_.burgee_ok({"flag", "kill", "search", "--why", "test"});
    EXPECT_TRUE(becomes(here, "needy", false)) << "what it required is off";
    EXPECT_EQ(here.evaluate("needy", kUser).reason(), Reason::kPrerequisiteFailed);
    const auto problems = [&] { return host_.burgee({"flag", "problems"}).output; };
    EXPECT_TRUE(wait_until(
        [&] {
            const std::string said = problems();
            return said.find("models") != std::string::npos &&
                   said.find("segment payers") != std::string::npos;
        },
        seconds(10)))
        << problems();
    host_.postgres().execute(
        "UPDATE public.feature_flags SET segments = '{\"bucketing\":\"xxh3\"}' "
        "WHERE name = 'models'");
    EXPECT_TRUE(wait_until(
        [&] { return here.evaluate("models", payer).reason() == Reason::kSplit; }, seconds(20)))
        << "the next good row replaces the old form";
}

TEST_F(FlagsTest, ExpiryTakesEffectWithoutAnybodyTouchingARow) {
    create("brief", "status, expires_at", "'enabled', now() + interval '2 seconds'");
    host_.start_daemon();
    const Client here(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(becomes(here, "brief", true)) << host_.daemon_log();
    host_.postgres().stop();  // the daemon's own clock carries database time on
    EXPECT_TRUE(becomes(here, "brief", false));
    EXPECT_EQ(here.evaluate("brief", kUser).reason(), Reason::kExpired);
}

TEST_F(FlagsTest, ExpiryTakesEffectOnAHostThatBootedWithoutPostgres) {
    create("brief", "status, expires_at", "'enabled', now() + interval '8 seconds'");
    host_.start_daemon();
    const Client here(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(becomes(here, "brief", true)) << host_.daemon_log();
    EXPECT_EQ(host_.stop_daemon(), 0);
    host_.postgres().stop();
    host_.start_daemon();
    EXPECT_TRUE(becomes(here, "brief", false)) << host_.daemon_log();
    EXPECT_EQ(here.evaluate("brief", kUser).reason(), Reason::kExpired);
}

TEST_F(FlagsTest, ASecondDaemonIsRefusedAndChangesNothing) {
    create("search", "status", "'enabled'");
    host_.start_daemon();
    const Client here(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(becomes(here, "search", true));
    const std::uint64_t generation = here.generation();
    const ChildOutcome second = run_child(host_.daemon_command());
    EXPECT_EQ(second.exit.code, 75);
    EXPECT_THAT(second.error, HasSubstr("another"));
    EXPECT_EQ(here.status().daemon, DaemonLife::kAlive);
    EXPECT_EQ(here.generation(), generation);
}

TEST_F(FlagsTest, SaysWhatIsMissingAndRecoversByItself) {
    HostOptions options;
    options.has_schema = false;
    Host bare(options);
    bare.start_daemon();
    EXPECT_TRUE(
        wait_until([&] { return bare.daemon_log().find("burgee db migrate") != std::string::npos; },
                   seconds(20)))
        << bare.daemon_log();
    const Client here(ClientOptions{bare.run_directory()});
    EXPECT_EQ(here.evaluate("search", kUser).reason(), Reason::kNotReady);
    bare.burgee_ok({"db", "migrate"});
    bare.postgres().execute(
        "INSERT INTO public.feature_flags (name, status) VALUES ('search', 'enabled')");
    EXPECT_TRUE(becomes(here, "search", true));
}

TEST_F(FlagsTest, AnUnusableDirectoryOrConfigurationStopsTheStartWithOneLine) {
    const auto start = [&](const std::string& text) {
        const std::string path = host_.state_directory() + "/bad.toml";
        std::ofstream(path) << text;
        return run_child({BURGEED_PATH, "--config", path});
    };
    const ChildOutcome typo = start("[database]\nlistten = true\n");
    EXPECT_EQ(typo.exit.code, 78);
    EXPECT_THAT(typo.error, HasSubstr("unknown key 'database.listten'"));
    const ChildOutcome absent =
        start("[shm]\ndirectory = \"/proc/nowhere\"\n[spool]\ndirectory = \"" +
              host_.state_directory() + "\"\n");
    EXPECT_EQ(absent.exit.code, 78);
    EXPECT_THAT(absent.error, HasSubstr("/proc/nowhere"));
    EXPECT_EQ(run_child({BURGEED_PATH, "--nonsense"}).exit.code, 64);
    EXPECT_EQ(
        run_child({BURGEED_PATH, "--config", host_.config_path(), "--check-config"}).exit.code, 0);
}

TEST_F(FlagsTest, StopsCleanlyAndKeepsTheSnapshot) {
    create("search", "status", "'enabled'");
    host_.start_daemon();
    const Client here(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(becomes(here, "search", true));
    EXPECT_EQ(host_.stop_daemon(), 0);
    EXPECT_TRUE(host_.notify().wait_for("STOPPING=1", seconds(5)));
    const Client late(ClientOptions{host_.run_directory()});
    EXPECT_TRUE(late.is_enabled("search", kUser));
}

}  // namespace
}  // namespace burgee::test
