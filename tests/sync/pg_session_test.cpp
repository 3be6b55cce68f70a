// Promise: every way in which a database can fail us is told apart, named in one line without a
// password, and survived: the same session works again when the server does.
// Method: one real server, spoiled in one way at a time.
#include "sync/pg_session.hpp"

#include <chrono>
#include <csignal>
#include <thread>

#include "sync/connection_text.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

class PgSessionTest : public ::testing::Test {
protected:
    test::PostgresCluster cluster_;
    PgSession session_{{.dsn = cluster_.dsn()}};

    SyncResult<std::int64_t> ask(const char* sql, const PgValues& values = {}) {
        return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
            return open.query(sql, values).integer(0, 0);
        });
    }
    SyncErrorKind kind_of(const char* sql, const PgValues& values = {}) {
        const auto answer = ask(sql, values);
        EXPECT_FALSE(answer) << sql;
        return answer ? SyncErrorKind::kInvalid : answer.error().kind;
    }
};

TEST_F(PgSessionTest, SurvivesStopCrashAndStart) {
    EXPECT_EQ(ask("SELECT 1").value(), 1);
    cluster_.stop();
    EXPECT_EQ(kind_of("SELECT 1"), SyncErrorKind::kUnreachable);
    EXPECT_EQ(kind_of("SELECT 1"), SyncErrorKind::kUnreachable);
    cluster_.start();
    EXPECT_EQ(ask("SELECT 2").value(), 2);
    cluster_.kill9();
    EXPECT_EQ(kind_of("SELECT 1"), SyncErrorKind::kUnreachable);
    cluster_.start();
    EXPECT_EQ(ask("SELECT 3").value(), 3);
    EXPECT_EQ(kind_of("SELECT pg_terminate_backend(pg_backend_pid())::int"),
              SyncErrorKind::kUnreachable);
    EXPECT_EQ(ask("SELECT 4").value(), 4);
}

TEST_F(PgSessionTest, TellsFailuresApart) {
    EXPECT_EQ(kind_of("SELECT n FROM burgee.nowhere"), SyncErrorKind::kMissingSchema);
    EXPECT_EQ(kind_of("SELECT nothing"), SyncErrorKind::kConfiguration);
    EXPECT_EQ(kind_of("SELECT 1/0"), SyncErrorKind::kRejected);
    EXPECT_EQ(kind_of("SELECT length($1)", {std::string("a\0b", 3)}), SyncErrorKind::kRejected);
    EXPECT_EQ(kind_of("SELECT length($1)", {"\xff"}), SyncErrorKind::kRejected);
    EXPECT_EQ(ask("SELECT length($1)", {"'; DROP TABLE x; --"}).value(), 19);
    const auto written = session_.transaction(PgAccess::kReadOnly, [](PgTransaction& open) {
        open.script("CREATE TABLE public.t(n int)");
    });
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().sqlstate, "25006");
}

TEST_F(PgSessionTest, LeavesAServerThatTakesNoWritesAnyMore) {
    const auto write = [this] {
        return session_.transaction(PgAccess::kReadWrite, [](PgTransaction& open) {
            open.script("CREATE TABLE IF NOT EXISTS public.t(n int)");
        });
    };
    ASSERT_TRUE(write());
    cluster_.execute("ALTER SYSTEM SET default_transaction_read_only = on");
    cluster_.execute("SELECT pg_reload_conf()");
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    auto refused = write();
    while (refused && std::chrono::steady_clock::now() < deadline) {
        refused = write();  // the server reads its settings when it comes to it
    }
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().sqlstate, "25006");
    EXPECT_TRUE(refused.error().is_transient());
    EXPECT_FALSE(session_.is_connected()) << "another of the servers may be the primary by now";
}

TEST_F(PgSessionTest, RollsBackWhatFailed) {
    cluster_.execute("CREATE TABLE t(n int)");
    const auto failed = session_.transaction(PgAccess::kReadWrite, [](PgTransaction& open) {
        open.query("INSERT INTO public.t VALUES (1)");
        throw SyncFailure(SyncErrorKind::kInvalid, "we changed our mind");
    });
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message, "we changed our mind");
    EXPECT_EQ(cluster_.value("SELECT count(*) FROM t"), "0");
}

TEST_F(PgSessionTest, LimitsHoldInEveryTransactionAndLeaveNoState) {
    PgSession hasty({.dsn = cluster_.dsn(), .statement_timeout = std::chrono::milliseconds(50)});
    const auto slow = hasty.transaction(
        PgAccess::kReadOnly, [](PgTransaction& open) { open.query("SELECT pg_sleep(60)"); });
    ASSERT_FALSE(slow);
    EXPECT_EQ(slow.error().kind, SyncErrorKind::kBusy);
    const auto after = hasty.transaction(PgAccess::kReadOnly, [](PgTransaction& open) {
        return std::string(open.query("SELECT current_setting('search_path')").text(0, 0));
    });
    EXPECT_EQ(after.value(), "\"\"");
}

TEST_F(PgSessionTest, InterruptFreesAThreadThatHangs) {
    ASSERT_TRUE(ask("SELECT 1"));
    std::thread interrupter([this] {
        while (cluster_.value(
                   "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'") ==
               "0") {
        }
        session_.interrupt();
    });
    EXPECT_EQ(kind_of("SELECT pg_sleep(300)::text::int"), SyncErrorKind::kUnreachable);
    interrupter.join();
    EXPECT_EQ(ask("SELECT 5").value(), 5);
}

TEST_F(PgSessionTest, NamesRefusalsWithoutThePassword) {
    for (const std::string& dsn :
         {cluster_.dsn("nobody_known") + " password=hunter2secret",
          cluster_.dsn("postgres", "no_such_database") + " password=hunter2secret",
          std::string("postgresql://postgres:hunter2secret@/nowhere?host=") +
              cluster_.socket_directory()}) {
        PgSession refused({.dsn = dsn});
        const auto answer = refused.transaction(PgAccess::kReadOnly, [](PgTransaction&) {});
        ASSERT_FALSE(answer) << dsn;
        EXPECT_EQ(answer.error().kind, SyncErrorKind::kRefused) << answer.error().message;
        EXPECT_EQ(answer.error().message.find("hunter2secret"), std::string::npos)
            << answer.error().message;
        EXPECT_EQ(answer.error().message.find('\n'), std::string::npos);
    }
    PgSession unreadable({.dsn = "host=x pass word=hunter2secret"});
    const auto answer = unreadable.transaction(PgAccess::kReadOnly, [](PgTransaction&) {});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, SyncErrorKind::kInvalid);
    EXPECT_EQ(answer.error().message.find("hunter2secret"), std::string::npos);
    PgSession nowhere({.dsn = "host=/nonexistent dbname=x"});
    const auto lost = nowhere.transaction(PgAccess::kReadOnly, [](PgTransaction&) {});
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().kind, SyncErrorKind::kUnreachable);
}

TEST(ConnectionTextTest, StrikesOutEveryPasswordAndCompletesBothForms) {
    EXPECT_EQ(redacted("a pw b pw\nc\n", "pw"), "a *** b ***; c");
    EXPECT_EQ(redacted("***", "*"), "*********");
    const auto text = connection_text({.dsn = "postgresql://u:it%27s@h:1/d?connect_timeout=9"});
    ASSERT_TRUE(text);
    EXPECT_EQ(text->secret, "it's");
    EXPECT_THAT(text->keywords, ::testing::HasSubstr("password='it\\'s'"));
    EXPECT_THAT(text->keywords, ::testing::HasSubstr("connect_timeout='9'"));
    EXPECT_THAT(text->keywords, ::testing::HasSubstr("tcp_user_timeout='15000'"));
    EXPECT_FALSE(connection_text({.dsn = "postgresql://[broken"}));
}

TEST_F(PgSessionTest, KnowsWhyTheServerRefused) {
    for (const std::string code :
         {"0A000", "22012", "23502", "23503", "23505", "23514", "25006", "26000", "28000",
          "34000", "40001", "40P01", "42501", "42601", "42703", "42883", "42P01", "53000",
          "53100", "53200", "53300", "55P03", "57014", "57P01", "P0001", "P0002", "P0003"}) {
        const auto refused = session_.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
            open.script("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '" + code + "'; END $$");
        });
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().sqlstate, code);
    }
}

}  // namespace
}  // namespace burgee::sync
