// Promise: the fixture is a real server that can be stopped, crashed and started again, and that
// keeps committed rows over all of it. Method: one row, four ends of a server.
#include "tests/support/postgres_cluster.hpp"

#include <csignal>
#include <filesystem>

namespace burgee::test {
namespace {

TEST(PostgresClusterTest, KeepsRowsOverStopAndCrash) {
    PostgresCluster cluster;
    cluster.execute("create table kept(n int); insert into kept values (1)");
    cluster.stop(PostgresStop::kFast);
    EXPECT_FALSE(cluster.is_running());
    EXPECT_THROW(cluster.value("select 1"), std::runtime_error);
    cluster.start();
    cluster.stop(PostgresStop::kImmediate);
    cluster.start();
    cluster.kill9();
    EXPECT_FALSE(cluster.is_running());
    cluster.start();
    EXPECT_EQ(cluster.value("select sum(n) from kept"), "1");
}

TEST(PostgresClusterTest, AnyNumberStandOnOneInitdb) {
    constexpr const char* kIdentifier = "select system_identifier from pg_control_system()";
    PostgresCluster one;
    PostgresCluster two;
    EXPECT_EQ(one.value(kIdentifier), two.value(kIdentifier));
    one.execute("create table of_one(n int)");
    EXPECT_THROW(two.execute("select * from of_one"), std::runtime_error);
}

TEST(PostgresClusterTest, SaysWhatTheServerSays) {
    PostgresCluster cluster;
    try {
        cluster.execute("select * from nowhere");
        FAIL() << "a missing table was not noticed";
    } catch (const std::runtime_error& error) {
        EXPECT_THAT(error.what(), ::testing::HasSubstr("nowhere"));
    }
}

TEST(ChildProcessTest, GivesCodeSignalAndOutput) {
    const ChildOutcome ended = run_child({"sh", "-c", "echo out; echo $WORD >&2; exit 3"},
                                         std::chrono::seconds(10), {"WORD=err"});
    EXPECT_EQ(ended.exit.code, 3);
    EXPECT_EQ(ended.output, "out\n");
    EXPECT_EQ(ended.error, "err\n");
    ChildOptions endless;
    endless.arguments = {"tail", "-f", "/dev/null"};
    ChildProcess child(endless);
    EXPECT_TRUE(child.is_running());
    child.kill(SIGKILL);
    const std::optional<ChildExit> killed = child.wait(std::chrono::seconds(10));
    ASSERT_TRUE(killed.has_value());
    EXPECT_EQ(killed->signal, SIGKILL);
    EXPECT_EQ(run_child({"/nowhere/at/all"}).exit.code, 127);
}

TEST(TemporaryDirectoryTest, LeavesNothingBehind) {
    std::string path;
    {
        const TemporaryDirectory directory;
        path = directory.path();
        EXPECT_TRUE(std::filesystem::exists(path));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace burgee::test
