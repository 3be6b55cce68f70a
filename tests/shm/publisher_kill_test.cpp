// Promise: kill -9 at any moment of publishing leaves a whole snapshot in force, never an older one
// than was seen before, and no litter once the daemon is back.
// Method: a child publishes. First it is killed at each of its system calls in turn, entries and
// exits, counted by ptrace; then at moments drawn from its own count of snapshots, while this
// process reads all the time. After each kill a reader looks first, then a new publisher takes
// over.

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <atomic>
#include <new>
#include <random>

#include "shm/publisher.hpp"
#include "tests/shm/random_seed.hpp"
#include "tests/shm/sample_flags.hpp"
#include "tests/shm/snapshot_directory.hpp"

namespace burgee::test {
namespace {

constexpr PublisherOptions kRetireAtOnce{.retire_after = std::chrono::milliseconds(0)};

class PublisherKillTest : public ::testing::Test {
protected:
    PublisherKillTest() {
        void* shared = ::mmap(nullptr, sizeof(std::atomic<std::uint64_t>), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        progress_ = new (shared) std::atomic<std::uint64_t>(0);
    }
    ~PublisherKillTest() override { ::munmap(progress_, sizeof *progress_); }

    /// What the child does: takes over and publishes `count` snapshots. Ends without clean-up, so
    /// that nothing of the test framework runs twice.
    [[noreturn]] void publish_and_exit(std::uint64_t count) {
        auto publisher = Publisher::open(directory_.path(), kRetireAtOnce);
        for (std::uint64_t number = 0; publisher && number < count; ++number) {
            publisher->beat();
            if (!publisher->publish(image_, {})) {
                ::_exit(2);
            }
            progress_->fetch_add(1);
        }
        ::_exit(publisher ? 0 : 1);
    }

    /// Looks as a reader does; counts what must never be seen.
    void look(const ControlReader& reader) {
        for (int attempt = 0; attempt < 16; ++attempt) {
            const std::uint64_t generation = reader.generation();
            if (generation == 0) {
                return;
            }
            went_back_ += generation < newest_seen_ ? 1 : 0;
            newest_seen_ = std::max(newest_seen_, generation);
            const std::vector<std::byte> bytes = directory_.read(generation);
            SnapshotView view;
            if (bytes.empty()) {
                continue;  // replaced meanwhile: ask again
            }
            const bool is_whole =
                SnapshotView::open(bytes.data(), bytes.size(), view) == ViewError::kNone &&
                view.check_bodies() == ViewError::kNone && view.header().generation == generation;
            torn_ += is_whole ? 0 : 1;
            ++looks_;
            return;
        }
        ++lost_;
    }
    bool has_control() const { return std::filesystem::exists(directory_.file(kControlFileName)); }
    void look_after_kill() {
        if (has_control()) {
            look(ControlReader(directory_.path()));
        }
    }
    /// A new daemon starts, and ends: everything but the last two generations must be gone.
    void take_over() {
        const auto publisher = Publisher::open(directory_.path(), kRetireAtOnce);
        ASSERT_TRUE(publisher.has_value()) << publisher.error().message;
        EXPECT_GT(publisher->next_generation(), newest_seen_);
        EXPECT_LE(directory_.files().size(), 2U);
        look(ControlReader(directory_.path()));
    }
    void expect_unharmed() const {
        EXPECT_EQ(torn_, 0);
        EXPECT_EQ(went_back_, 0);
        EXPECT_EQ(lost_, 0);
    }

    /// Runs a traced child until its stop number `stop` and kills it there. False when it had ended
    /// before. Each system call makes two stops: before it and after it.
    bool kill_at_stop(int stop) {
        const ::pid_t child = ::fork();
        if (child == 0) {
            ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
            ::raise(SIGSTOP);
            publish_and_exit(2);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_EXITKILL);
        for (int number = 0; number < stop; ++number) {
            ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
            ::waitpid(child, &status, 0);
            if (WIFEXITED(status)) {
                EXPECT_EQ(WEXITSTATUS(status), 0) << "the child must publish when nobody kills it";
                return false;
            }
        }
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status));
        return true;
    }

    SnapshotDirectory directory_;
    std::vector<std::byte> image_ = snapshot_of(one_of_each());
    std::atomic<std::uint64_t>* progress_ = nullptr;
    std::uint64_t newest_seen_ = 0;
    int torn_ = 0;
    int went_back_ = 0;
    int lost_ = 0;
    int looks_ = 0;
};

TEST_F(PublisherKillTest, SurvivesAKillAtEverySystemCall) {
    int stop = 1;
    for (; kill_at_stop(stop); ++stop) {
        look_after_kill();
        take_over();
        if (HasFailure()) {
            FAIL() << "killed at stop " << stop;
        }
    }
    look_after_kill();
    take_over();
    expect_unharmed();
    std::printf("%d kill points, %d looks, generation %llu\n", stop - 1, looks_,
                static_cast<unsigned long long>(newest_seen_));
    EXPECT_GT(stop, 60) << "two publications take more system calls than that";
}

TEST_F(PublisherKillTest, SurvivesAKillAtEverySystemCallOfAFirstStart) {
    for (int stop = 1; kill_at_stop(stop); ++stop) {
        look_after_kill();
        take_over();
        std::filesystem::remove_all(directory_.path());
        std::filesystem::create_directory(directory_.path());
        newest_seen_ = 0;
        if (HasFailure()) {
            FAIL() << "killed at stop " << stop;
        }
    }
    expect_unharmed();
}

TEST_F(PublisherKillTest, ReadersSeeNothingOfRandomKills) {
    std::mt19937_64 random(random_seed());
    int killed_at_work = 0;
    constexpr int kKills = 200;
    { ASSERT_TRUE(Publisher::open(directory_.path()).has_value()); }
    for (int round = 0; round < kKills; ++round) {
        const std::uint64_t until = progress_->load() + random() % 8;
        const ::pid_t child = ::fork();
        if (child == 0) {
            publish_and_exit(UINT64_MAX);
        }
        const ControlReader reader(directory_.path());
        while (progress_->load() <= until) {
            look(reader);
        }
        for (std::uint64_t looks = random() % 4; looks > 0; --looks) {
            look(reader);
        }
        killed_at_work += progress_->load() > until ? 1 : 0;
        ::kill(child, SIGKILL);
        int status = 0;
        ::waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
        look(reader);
    }
    take_over();
    expect_unharmed();
    EXPECT_EQ(killed_at_work, kKills);
    EXPECT_GT(looks_, kKills);
    std::printf("%d kills, %llu snapshots, %d looks\n", kKills,
                static_cast<unsigned long long>(progress_->load()), looks_);
}

}  // namespace
}  // namespace burgee::test
