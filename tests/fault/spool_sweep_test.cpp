// Promise: a crash at any system call of the spool's life, or a failure of any one of them, loses
// nothing that was acknowledged, invents nothing, and is over with the next attempt; and a file
// whose sync has failed is never synced again.
// Method: one clean run of a whole life counts its calls; then the life is lived again once for
// each stop, killed there, and once for each call and errno, which that call gives without being
// done. The next process is held against what was acknowledged.
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "tests/fault/event_load.hpp"
#include "tests/fault/private_mount.hpp"
#include "tests/fault/spool_life.hpp"
#include "tests/fault/syscall_stop.hpp"
#include "tests/fault/syscall_sweep.hpp"

namespace burgee::test {
namespace {

namespace files = std::filesystem;

constexpr int kErrors[] = {ENOSPC, EIO, EINTR, ENOMEM, EMFILE};

/// Calls that ask the disk or for a descriptor. Memory is the subject of allocation_test.cpp;
/// getentropy() can only be interrupted, and the C library tries again.
const std::set<long> kFallible{
    SYS_openat,     SYS_close,    SYS_pread64,  SYS_pwrite64, SYS_fdatasync,  SYS_fsync,
    SYS_fallocate,  SYS_renameat, SYS_unlinkat, SYS_mkdirat,  SYS_newfstatat, SYS_fcntl,
    SYS_getdents64, SYS_lseek,    SYS_read,     SYS_write,    SYS_fstat};

class SpoolSweepTest : public ::testing::Test {
protected:
    /// One life in an empty directory, and the judgement of the next process on it.
    SweepRun live(const SweepAction& action) {
        const std::string spool = disk_.path() + "/spool";
        files::remove_all(spool);
        files::create_directory(spool);
        notes_->reset();
        const SweepRun run = run_traced([&] { life_.live(spool, *notes_); }, action);
        verdict_ = life_.judge(spool, *notes_);
        return run;
    }

    /// A life without a fault: what there is to sweep.
    SweepRun live_in_peace() {
        const SweepRun run = live({});
        EXPECT_EQ(run.exit_code, 0) << run.error_output;
        EXPECT_EQ(verdict_, "");
        std::cout << "on " << disk_.kind() << ": " << run.calls.size() << " calls ("
                  << describe_calls(count_calls(run.calls)) << "), " << run.stops << " stops\n";
        for (const long wanted : {SYS_pwrite64, SYS_fdatasync, SYS_fsync, SYS_fallocate,
                                  SYS_renameat, SYS_unlinkat, SYS_pread64, SYS_openat}) {
            EXPECT_GT(count_calls(run.calls)[wanted], 0U) << syscall_name(wanted);
        }
        return run;
    }

    PrivateMount disk_{PrivateMount::Kind::kMemory, 64};
    SpoolLife life_;
    SharedNotes notes_;
    std::string verdict_;
};

TEST_F(SpoolSweepTest, SurvivesAKillAtEverySystemCall) {
    const SweepRun clean = live_in_peace();
    const std::uint64_t stride =
        stride_of(clean.stops, count_from_environment("BURGEE_FAULT_SPOOL_POINTS", 0));
    std::map<long, std::uint64_t> killed_at;
    std::uint64_t killed = 0;
    // Until a run outlives its point: what the allocator asks of the kernel differs by a call or
    // two.
    for (std::uint64_t stop = 1;; stop += stride) {
        const SweepRun run = live({SweepAction::Kind::kKill, stop});
        ASSERT_EQ(verdict_, "") << "killed at stop " << stop << ", " << syscall_name(run.acted_on);
        if (run.signal != SIGKILL) {
            ASSERT_EQ(run.exit_code, 0);
            break;
        }
        ++killed;
        ++killed_at[run.acted_on];
    }
    std::cout << "ran " << killed << " of " << clean.stops
              << " kill points: " << describe_calls(killed_at) << "\n";
    EXPECT_GE((killed + 1) * stride, clean.stops * 9 / 10);
}

TEST_F(SpoolSweepTest, SurvivesAFailureOfEverySystemCall) {
    live_in_peace();
    const std::uint64_t stride =
        std::max<std::uint64_t>(1, count_from_environment("BURGEE_FAULT_SPOOL_ERROR_STRIDE", 1));
    std::map<long, std::uint64_t> failed_at;
    std::uint64_t failed = 0;
    std::uint64_t refused = 0;
    for (const int error : kErrors) {
        for (std::uint64_t call = 1;; call += stride) {
            const SweepRun run = live({SweepAction::Kind::kFail, call, error, kFallible});
            const std::string where = "call " + std::to_string(call) + ", " +
                                      syscall_name(run.acted_on) + ", " + std::strerror(error);
            ASSERT_EQ(verdict_, "") << where;
            ASSERT_EQ(run.exit_code, 0) << where << ": signal " << run.signal << "\n"
                                        << run.error_output;
            ASSERT_EQ(run.blind_syncs, 0U) << where;
            if (notes_->failed_openings == 0) {  // recovery alone writes again and syncs again
                ASSERT_EQ(run.syncs_after_failure, 0U) << where;
            }
            if (!run.has_acted) {
                break;
            }
            ++failed;
            ++failed_at[run.acted_on];
            refused += notes_->refusals > 0 ? 1U : 0U;
        }
    }
    std::cout << "ran " << failed << " failures, every " << stride
              << ".: " << describe_calls(failed_at) << "; " << refused
              << " were told to the caller, the others went by unnoticed\n";
    EXPECT_GT(refused, 0U);
}

}  // namespace
}  // namespace burgee::test
