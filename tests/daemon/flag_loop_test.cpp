// Promise: what is committed is published, whatever else happens; nothing published is taken away.
// Method: the real loop between a real PostgreSQL and a real run directory, read through the view.
#include "daemon/flag_loop.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <burgee/snapshot_view.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>

#include "daemon/row_problems.hpp"
#include "shm/publisher.hpp"
#include "sync/migrations.hpp"
#include "sync/pg_session.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::daemon {
namespace {

using ::testing::HasSubstr;

class FlagLoopTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::filesystem::create_directories(run_directory_);
        ::chmod(run_directory_.c_str(), 0755);
        sync::PgSession session({postgres_.dsn()});
        ASSERT_TRUE(sync::migrate(session));
        config_.database_dsn = postgres_.dsn();
        config_.poll_interval = std::chrono::milliseconds(50);
        config_.state_directory = directory_.path();
        auto opened = Publisher::open(run_directory_);
        ASSERT_TRUE(opened) << opened.error().message;
        publisher_.emplace(std::move(*opened));
        start();
    }

    void start() {
        loop_ = std::make_unique<FlagLoop>(config_, *publisher_);
        greeting_ = loop_->publish_last_known_good();
        loop_->start();
    }

    bool eventually(const std::function<bool(const FlagLoopStatus&)>& holds) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!holds(loop_->status())) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        return true;
    }

    void insert(const std::string& name, const std::string& status) {
        postgres_.execute("INSERT INTO public.feature_flags (name, status) VALUES ('" + name +
                          "', '" + status + "')");
    }

    /// Status of a flag in the current snapshot; nothing if it is not there.
    std::optional<Status> published(const std::string& name) {
        std::optional<Status> status;
        look([&](const SnapshotView& view) {
            const FlagRecord* flag = view.find(hash64(name));
            status =
                flag == nullptr ? std::nullopt : std::optional(static_cast<Status>(flag->status));
        });
        return status;
    }
    std::optional<std::uint32_t> published_experiment_count() {
        std::optional<std::uint32_t> count;
        look([&](const SnapshotView& view) { count = view.header().experiment_count; });
        return count;
    }
    /// Shows the current snapshot to `see`, if there is one.
    void look(const std::function<void(const SnapshotView&)>& see) {
        char file_name[64];
        std::snprintf(file_name, sizeof file_name, "snap.L1.G%016llx",
                      static_cast<unsigned long long>(publisher_->current_generation()));
        const int fd = ::open((run_directory_ + "/" + file_name).c_str(), O_RDONLY | O_CLOEXEC);
        struct stat facts {};
        if (fd < 0 || ::fstat(fd, &facts) != 0) {
            return;
        }
        const auto size = static_cast<std::size_t>(facts.st_size);
        void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
        ::close(fd);
        SnapshotView view;
        if (SnapshotView::open(static_cast<const std::byte*>(memory), size, view) ==
            ViewError::kNone) {
            see(view);
        }
        ::munmap(memory, size);
    }

    test::PostgresCluster postgres_;
    test::TemporaryDirectory directory_;
    std::string run_directory_ = directory_.file("run");
    Config config_;
    std::optional<Publisher> publisher_;
    std::unique_ptr<FlagLoop> loop_;
    std::string greeting_;
};

TEST_F(FlagLoopTest, PublishesAnEmptySetAndThenWhatIsCommitted) {
    ASSERT_TRUE(eventually([](const auto& s) { return s.generation > 0; }));
    EXPECT_EQ(published("search"), std::nullopt);
    insert("search", "enabled");
    ASSERT_TRUE(eventually([](const auto& s) { return s.flag_count == 1; }));
    EXPECT_EQ(published("search"), Status::kEnabled);
    postgres_.execute("DELETE FROM public.feature_flags");
    ASSERT_TRUE(eventually([](const auto& s) { return s.flag_count == 0; }));
    EXPECT_EQ(published("search"), std::nullopt);
}

TEST_F(FlagLoopTest, PublishesNothingWhenNothingChanged) {
    insert("search", "enabled");
    ASSERT_TRUE(eventually([](const auto& s) { return s.flag_count == 1; }));
    const FlagLoopStatus before = loop_->status();
    ASSERT_TRUE(eventually([&](const auto& s) { return s.polls >= before.polls + 5; }));
    EXPECT_EQ(loop_->status().publishes, before.publishes);
    EXPECT_EQ(loop_->status().rows_read, before.rows_read) << "a quiet poll reads no flag";
}

TEST_F(FlagLoopTest, KeepsTheSnapshotWhilePostgresIsAwayAndCatchesUp) {
    insert("search", "enabled");
    ASSERT_TRUE(eventually([](const auto& s) { return s.flag_count == 1; }));
    postgres_.kill9();
    ASSERT_TRUE(eventually([](const auto& s) { return !s.is_database_up; }));
    EXPECT_EQ(published("search"), Status::kEnabled);
    EXPECT_NE(publisher_->state() & kStateDatabaseDown, 0U);
    EXPECT_FALSE(loop_->status().database_error.empty());
    postgres_.start();
    postgres_.execute("UPDATE public.feature_flags SET status = 'disabled'");
    ASSERT_TRUE(eventually([&](const auto&) { return published("search") == Status::kDisabled; }));
    EXPECT_EQ(publisher_->state() & kStateDatabaseDown, 0U);
}

TEST_F(FlagLoopTest, ABadRowKeepsItsLastValidFormAndIsNamed) {
    insert("search", "enabled");
    insert("other", "enabled");
    ASSERT_TRUE(eventually([](const auto& s) { return s.flag_count == 2; }));
    postgres_.execute(
        "UPDATE public.feature_flags SET status = 'gradual_rollout', "
        "segments = '{\"bucketing\":\"xxh3\",\"salty\":1}' WHERE name = 'search'");
    ASSERT_TRUE(eventually([](const auto& s) { return !s.problems.empty(); }));
    EXPECT_EQ(loop_->status().problems.front().flag, "search");
    EXPECT_THAT(loop_->status().problems.front().field, HasSubstr("salty"));
    EXPECT_EQ(published("search"), Status::kEnabled);
    EXPECT_EQ(published("other"), Status::kEnabled);
    postgres_.execute(
        "UPDATE public.feature_flags SET segments = '{\"bucketing\":\"xxh3\"}' "
        "WHERE name = 'search'");
    ASSERT_TRUE(eventually([&](const auto& s) { return s.problems.empty(); }));
    EXPECT_TRUE(
        eventually([&](const auto&) { return published("search") == Status::kGradualRollout; }));
}

TEST_F(FlagLoopTest, AKillPassesAlsoWhenAnExperimentMadeTheRandomFlagARefusedOne) {
    postgres_.execute(
        "INSERT INTO public.feature_flags (name, status, rollout_percentage, segments) VALUES "
        "('search', 'gradual_rollout', 50, '{\"type\": \"random\"}')");
    ASSERT_TRUE(eventually([](const auto& s) { return s.flag_count == 1; }));
    postgres_.execute(
        "INSERT INTO public.ab_test_experiments (feature_flag_id, name) "
        "SELECT id, 'sizes' FROM public.feature_flags");
    ASSERT_TRUE(eventually([](const auto& s) { return !s.problems.empty(); }));
    EXPECT_TRUE(loop_->status().problems.front().is_refused);
    EXPECT_EQ(published("search"), Status::kGradualRollout);
    postgres_.execute("UPDATE public.feature_flags SET status = 'disabled'");
    EXPECT_TRUE(eventually([&](const auto&) { return published("search") == Status::kDisabled; }));
}

TEST_F(FlagLoopTest, TheProblemOfAnExperimentStandsUntilItIsMended) {
    insert("search", "enabled");
    postgres_.execute(
        "INSERT INTO public.ab_test_experiments (feature_flag_id, name, start_date) "
        "SELECT id, 'sizes', NULL FROM public.feature_flags");
    ASSERT_TRUE(eventually([](const auto& s) { return s.problems.size() == 1; }));
    EXPECT_THAT(loop_->status().problems.front().field, HasSubstr("sizes"));
    postgres_.execute("UPDATE public.feature_flags SET status = 'disabled'");
    ASSERT_TRUE(eventually([&](const auto&) { return published("search") == Status::kDisabled; }));
    const std::uint64_t polls = loop_->status().polls;
    ASSERT_TRUE(eventually([&](const auto& s) { return s.polls > polls; }));
    EXPECT_EQ(loop_->status().problems.size(), 1U) << "only the flag's row was read again";
    postgres_.execute("UPDATE public.ab_test_experiments SET start_date = now()");
    EXPECT_TRUE(eventually([](const auto& s) { return s.problems.empty(); }));
}

TEST_F(FlagLoopTest, KeepsNoMoreProblemsThanItMayAndCountsTheRest) {
    postgres_.execute(
        "INSERT INTO public.feature_flags (name, status, segments) SELECT 'flag.' || n, 'enabled', "
        "'{\"bucketing\":\"xxh3\",\"salty\":1}' FROM generate_series(1, " +
        std::to_string(kKeptProblemsMax + 50) + ") n");
    ASSERT_TRUE(eventually([](const auto& s) { return !s.problems.empty(); }));
    EXPECT_EQ(loop_->status().problems.size(), kKeptProblemsMax);
    EXPECT_EQ(loop_->status().more_problems, 50U);
    postgres_.execute("DELETE FROM public.feature_flags");
    ASSERT_TRUE(eventually([](const auto& s) { return s.problems.empty(); }));
    EXPECT_EQ(loop_->status().more_problems, 0U);
}

TEST_F(FlagLoopTest, StartsFromTheLastKnownGoodSnapshot) {
    insert("search", "enabled");
    ASSERT_TRUE(eventually([](const auto& s) { return s.flag_count == 1; }));
    loop_->stop();
    const std::uint64_t generation = publisher_->current_generation();
    postgres_.stop();
    start();
    EXPECT_THAT(greeting_, HasSubstr("flags=1"));
    EXPECT_GT(publisher_->current_generation(), generation);
    EXPECT_EQ(published("search"), Status::kEnabled);
}

TEST_F(FlagLoopTest, AnExperimentEndsAlsoWhenPostgresIsGoneSinceARestart) {
    insert("search", "enabled");
    postgres_.execute(
        "INSERT INTO public.ab_test_experiments (feature_flag_id, name, start_date, end_date) "
        "SELECT id, 'sizes', now() - interval '1 day', now() + interval '6 seconds' "
        "FROM public.feature_flags");
    ASSERT_TRUE(eventually([&](const auto&) { return published_experiment_count() == 1; }));
    loop_->stop();
    postgres_.stop();
    start();
    EXPECT_EQ(published("search"), Status::kEnabled);
    EXPECT_TRUE(eventually([&](const auto&) { return published_experiment_count() == 0; }));
    EXPECT_EQ(published("search"), Status::kEnabled);
    postgres_.start();
    postgres_.execute("UPDATE public.ab_test_experiments SET end_date = NULL");
    EXPECT_TRUE(eventually([&](const auto&) { return published_experiment_count() == 1; }));
}

TEST_F(FlagLoopTest, RowsThatVanishWithoutATraceAreHeld) {
    insert("search", "enabled");
    ASSERT_TRUE(eventually([](const auto& s) { return s.flag_count == 1; }));
    postgres_.execute("TRUNCATE public.feature_flags CASCADE");
    ASSERT_TRUE(eventually([](const auto& s) { return !s.held.empty(); }));
    EXPECT_EQ(loop_->status().held, std::vector<std::string>{"search"});
    EXPECT_EQ(published("search"), Status::kEnabled);
    EXPECT_NE(publisher_->state() & kStateGuardHeld, 0U);
}

/// burgeed was away while rows vanished or became bad, so only what it published tells their last
/// form.
class RestartedFlagLoopTest : public FlagLoopTest {
protected:
    /// Publishes the flags "search" and "other", which asks for the segment "beta"; then stops, and
    /// starts again after `meanwhile`.
    void restart_after(const std::string& meanwhile) {
        postgres_.execute("INSERT INTO burgee.segments (name, constraints) VALUES ('beta', '[]')");
        insert("search", "enabled");
        postgres_.execute(
            "INSERT INTO public.feature_flags (name, status, segments) VALUES ('other', 'enabled', "
            "'{\"audience\": [{\"segment\": \"beta\"}]}')");
        ASSERT_TRUE(eventually([](const auto& s) { return s.flag_count == 2; }));
        loop_->stop();
        postgres_.execute(meanwhile);
        start();
        ASSERT_THAT(greeting_, HasSubstr("flags=2"));
    }
    /// Of `meanwhile` no trigger hears.
    void restart_after_untraced(const std::string& meanwhile) {
        restart_after("SET session_replication_role = replica; " + meanwhile);
    }
    void set_status(const std::string& name, const std::string& status) {
        postgres_.execute("UPDATE public.feature_flags SET status = '" + status +
                          "' WHERE name = '" + name + "'");
    }
    bool becomes(const std::string& name, std::optional<Status> status) {
        return eventually([&](const auto&) { return published(name) == status; });
    }
    bool is_refused(const std::string& name) {
        const auto problems = loop_->status().problems;
        return std::ranges::any_of(problems, [&](const FlagProblem& problem) {
            return problem.flag == name && problem.is_refused;
        });
    }
};

TEST_F(RestartedFlagLoopTest, RowsThatVanishedMeanwhileAreHeldAndAKillPasses) {
    restart_after_untraced("TRUNCATE public.feature_flags CASCADE");
    ASSERT_TRUE(eventually([](const auto& s) { return s.publishes > 0 && !s.held.empty(); }));
    EXPECT_EQ(loop_->status().held, (std::vector<std::string>{"other", "search"}));
    EXPECT_EQ(published("search"), Status::kEnabled);
    EXPECT_EQ(published("other"), Status::kEnabled);
    insert("search", "disabled");
    EXPECT_TRUE(becomes("search", Status::kDisabled)) << "the kill waits for nobody";
    EXPECT_EQ(loop_->status().held, std::vector<std::string>{"other"});
    EXPECT_EQ(published("other"), Status::kEnabled);
    EXPECT_NE(publisher_->state() & kStateGuardHeld, 0U);
    loop_->stop();
    start();
    EXPECT_THAT(greeting_, HasSubstr("flags=2")) << "nothing less was saved";
    ASSERT_TRUE(eventually([](const auto& s) { return s.publishes > 0 && !s.held.empty(); }));
    EXPECT_EQ(published("other"), Status::kEnabled);
    insert("other", "enabled");
    EXPECT_TRUE(eventually([](const auto& s) { return s.held.empty(); }));
    EXPECT_TRUE(
        eventually([&](const auto&) { return (publisher_->state() & kStateGuardHeld) == 0; }));
}

TEST_F(RestartedFlagLoopTest, ARowThatVanishedMeanwhileAmongOthersIsHeldAndAKillPasses) {
    restart_after_untraced("DELETE FROM public.feature_flags WHERE name = 'search'");
    ASSERT_TRUE(eventually([](const auto& s) { return !s.held.empty(); }));
    EXPECT_EQ(loop_->status().held, std::vector<std::string>{"search"});
    set_status("other", "disabled");
    EXPECT_TRUE(becomes("other", Status::kDisabled));
    EXPECT_EQ(published("search"), Status::kEnabled);
}

TEST_F(RestartedFlagLoopTest, ASegmentThatVanishedMeanwhileTakesNoFlagAwayAndAKillPasses) {
    restart_after_untraced("TRUNCATE burgee.segments CASCADE");
    ASSERT_TRUE(eventually([](const auto& s) { return s.publishes > 0; }));
    EXPECT_NE(publisher_->state() & kStateGuardHeld, 0U);
    EXPECT_EQ(published("other"), Status::kEnabled);
    EXPECT_FALSE(is_refused("other"));
    set_status("search", "disabled");
    EXPECT_TRUE(becomes("search", Status::kDisabled));
    EXPECT_EQ(published("other"), Status::kEnabled);
    postgres_.execute("INSERT INTO burgee.segments (name, constraints) VALUES ('beta', '[]')");
    EXPECT_TRUE(
        eventually([&](const auto&) { return (publisher_->state() & kStateGuardHeld) == 0; }));
    EXPECT_EQ(published("other"), Status::kEnabled);
}

TEST_F(RestartedFlagLoopTest, ARowThatWasDeletedMeanwhileIsNotHeld) {
    restart_after("DELETE FROM public.feature_flags WHERE name = 'search'");
    ASSERT_TRUE(eventually([](const auto& s) { return s.publishes > 0; }));
    EXPECT_EQ(published("search"), std::nullopt);
    EXPECT_EQ(published("other"), Status::kEnabled);
}

TEST_F(RestartedFlagLoopTest, ARowThatBecameBadMeanwhileKeepsItsFormUntilItIsMendedOrDeleted) {
    restart_after(
        "UPDATE public.feature_flags SET status = 'gradual_rollout', "
        "segments = '{\"bucketing\":\"xxh3\",\"salty\":1}'");
    for (int start_count = 1; start_count <= 2; ++start_count) {
        ASSERT_TRUE(eventually([](const auto& s) { return s.publishes > 0; }));
        ASSERT_TRUE(eventually([&](const auto&) { return is_refused("search"); }));
        EXPECT_TRUE(is_refused("other"));
        EXPECT_EQ(published("search"), Status::kEnabled) << start_count;
        EXPECT_EQ(published("other"), Status::kEnabled) << start_count;
        loop_->stop();
        start();
    }
    postgres_.execute(
        "UPDATE public.feature_flags SET segments = '{\"bucketing\":\"xxh3\"}' "
        "WHERE name = 'search'");
    EXPECT_TRUE(becomes("search", Status::kGradualRollout));
    EXPECT_TRUE(eventually([&](const auto&) { return !is_refused("search"); }));
    EXPECT_EQ(published("other"), Status::kEnabled);
    postgres_.execute("DELETE FROM public.feature_flags WHERE name = 'other'");
    EXPECT_TRUE(becomes("other", std::nullopt));
}

TEST_F(RestartedFlagLoopTest, ABadRowOfAnotherDatabaseKeepsNoFormOfThisOne) {
    restart_after_untraced(
        "UPDATE burgee.revision SET source_id = source_id + 1; "
        "UPDATE public.feature_flags SET status = 'gradual_rollout', "
        "segments = '{\"bucketing\":\"xxh3\",\"salty\":1}' WHERE name = 'search'");
    ASSERT_TRUE(eventually([](const auto& s) { return s.publishes > 0; }));
    EXPECT_EQ(published("search"), std::nullopt);
    EXPECT_EQ(published("other"), Status::kEnabled);
}

TEST_F(RestartedFlagLoopTest, GoesOnWithTheSnapshotInForceWhenTheDiskIsBehind) {
    insert("search", "enabled");
    ASSERT_TRUE(eventually([](const auto& s) { return s.flag_count == 1; }));
    loop_->stop();
    const std::string saved = directory_.file("lkg.L1");
    std::filesystem::copy(saved, directory_.file("older"));
    start();
    set_status("search", "disabled");
    ASSERT_TRUE(becomes("search", Status::kDisabled));
    loop_->stop();
    postgres_.stop();
    std::filesystem::rename(directory_.file("older"),
                            saved);  // as a kill before the save leaves it
    start();
    EXPECT_EQ(published("search"), Status::kDisabled) << "the kill stays";
}

/// While it lives no file may grow: publishing fails, as in a run directory that is full.
class NoFileGrows {
public:
    NoFileGrows() : previous_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &previous_limit_);
        const rlimit none{1, previous_limit_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &none);
    }
    ~NoFileGrows() {
        ::setrlimit(RLIMIT_FSIZE, &previous_limit_);
        std::signal(SIGXFSZ, previous_handler_);
    }
    NoFileGrows(const NoFileGrows&) = delete;
    NoFileGrows& operator=(const NoFileGrows&) = delete;

private:
    void (*previous_handler_)(int);
    rlimit previous_limit_{};
};

TEST_F(FlagLoopTest, PublishesAKillThatFailedAlsoWhenPostgresIsGoneByThen) {
    insert("search", "enabled");
    ASSERT_TRUE(eventually([](const auto& s) { return s.flag_count == 1; }));
    {
        const NoFileGrows full;
        postgres_.execute("UPDATE public.feature_flags SET status = 'disabled'");
        ASSERT_TRUE(eventually([](const auto& s) { return s.publish_failures > 0; }));
        EXPECT_NE(publisher_->state() & kStatePublishFailed, 0U);
        postgres_.kill9();
        ASSERT_TRUE(eventually([](const auto& s) { return !s.is_database_up; }));
        EXPECT_EQ(published("search"), Status::kEnabled);
    }
    EXPECT_TRUE(eventually([&](const auto&) { return published("search") == Status::kDisabled; }));
    EXPECT_FALSE(loop_->status().is_database_up);
    EXPECT_EQ(publisher_->state() & kStatePublishFailed, 0U);
}

TEST_F(FlagLoopTest, MemoryDoesNotGrowWithFullReads) {
    constexpr std::uint64_t kFlags = 5'000;
    postgres_.execute(
        "INSERT INTO public.feature_flags (name, status) "
        "SELECT 'flag.' || n, 'enabled' FROM generate_series(1, 5000) n");
    ASSERT_TRUE(eventually([&](const auto& s) { return s.flag_count == kFlags; }));
    const auto read_everything = [&](int times) {
        for (int time = 0; time < times; ++time) {
            const std::uint64_t before = loop_->status().rows_read;
            loop_->refresh();
            ASSERT_TRUE(eventually([&](const auto& s) { return s.rows_read >= before + kFlags; }));
        }
    };
    const auto heap_at_rest = [&] {
        const std::uint64_t polls = loop_->status().polls;
        EXPECT_TRUE(eventually([&](const auto& s) { return s.polls >= polls + 3; }));
        const auto facts = ::mallinfo2();
        return facts.uordblks + facts.hblkhd;
    };
    read_everything(5);
    const std::size_t before = heap_at_rest();
    read_everything(60);
    // What this guards against: 8 bytes a flag and read, 2.4 MB here, for as long as burgeed runs.
    EXPECT_LT(heap_at_rest(), before + 1'000'000);
}

TEST_F(FlagLoopTest, StopsWhilePostgresHangs) {
    ASSERT_TRUE(eventually([](const auto& s) { return s.generation > 0; }));
    // A lock that stops the poll in the middle of its transaction.
    sync::PgSession blocker({postgres_.dsn()});
    const auto blocked = blocker.transaction(sync::PgAccess::kReadWrite, [&](auto& open) {
        open.script("LOCK TABLE burgee.revision IN ACCESS EXCLUSIVE MODE");
        const std::uint64_t polls = loop_->status().polls;
        std::this_thread::sleep_for(config_.poll_interval * 3);
        EXPECT_LE(loop_->status().polls, polls + 1);
        loop_->stop();
    });
    EXPECT_TRUE(blocked);
}

}  // namespace
}  // namespace burgee::daemon
