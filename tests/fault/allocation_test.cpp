// Promise: when memory runs out at any allocation, an operation fails with an error or the process
// ends with std::bad_alloc; nothing that was acknowledged is lost or stored twice, no reader sees a
// torn snapshot, and the next attempt works.
// Method: this program's malloc refuses its n-th call, n = 1, 2, 3, ... until an operation finishes
// without being refused: over a spool's whole life, the upload of a batch, and building and
// publishing flags; and over all of burgeed for a sample of n. Each attempt is a process of its
// own.
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "shm/publisher.hpp"
#include "tests/daemon/upload_fixture.hpp"
#include "tests/fault/fault_count.hpp"
#include "tests/fault/private_mount.hpp"
#include "tests/fault/spool_life.hpp"
#include "tests/fault/starved_memory.hpp"
#include "tests/fault/syscall_sweep.hpp"
#include "tests/shm/sample_flags.hpp"
#include "tests/shm/snapshot_directory.hpp"

namespace burgee::test {
namespace {

namespace files = std::filesystem;

/// How the process of an attempt may end, beside 0: it says so itself.
constexpr int kNeverStarved = 10;

/// What became of an operation whose n-th allocation was refused.
enum class Outcome {
    kFinished,     ///< it was not refused anything: n is past its end
    kWentOn,       ///< an error at most, and it went on
    kDiedCleanly,  ///< std::bad_alloc, uncaught
    kCrashed,
};

Outcome outcome_of(const ForkedRun& run) {
    if (run.exit_code == kNeverStarved) {
        return Outcome::kFinished;
    }
    if (run.exit_code == 0) {
        return Outcome::kWentOn;
    }
    const bool is_clean =
        run.signal == SIGABRT && run.error_output.find("std::bad_alloc") != std::string::npos;
    return is_clean ? Outcome::kDiedCleanly : Outcome::kCrashed;
}

/// Refuses allocation after allocation; counts what became of it.
class Starvation {
public:
    struct Operation {
        std::function<void()> prepare = [] {};
        std::function<void()> run;           ///< in a process of its own
        std::function<std::string()> judge;  ///< afterwards: "" or what is wrong
    };

    void sweep(const Operation& operation, std::uint64_t stride) {
        for (std::uint64_t number = 1;; number += stride) {
            operation.prepare();
            const ForkedRun run = run_forked([&] {
                starve_at(number);
                operation.run();
                const bool is_over = !has_starved();
                starve_at(0);
                ::_exit(is_over ? kNeverStarved : 0);
            });
            const Outcome outcome = outcome_of(run);
            ASSERT_NE(outcome, Outcome::kCrashed)
                << "allocation " << number << ": exit code " << run.exit_code << ", signal "
                << run.signal << "\n"
                << run.error_output;
            ASSERT_EQ(operation.judge(), "") << "allocation " << number;
            if (outcome == Outcome::kFinished) {
                std::cout << "ran every " << stride << ". of " << number - 1
                          << " allocations: " << went_on_ << " went on, " << died_
                          << " ended with std::bad_alloc\n";
                return;
            }
            went_on_ += outcome == Outcome::kWentOn ? 1U : 0U;
            died_ += outcome == Outcome::kDiedCleanly ? 1U : 0U;
        }
    }
    std::uint64_t count() const { return went_on_ + died_; }

private:
    std::uint64_t went_on_ = 0;
    std::uint64_t died_ = 0;
};

std::uint64_t stride() {
    return std::max<std::uint64_t>(1, count_from_environment("BURGEE_FAULT_ALLOCATION_STRIDE", 1));
}

TEST(AllocationTest, ASpoolLosesNothingAtAnyAllocation) {
    const PrivateMount disk(PrivateMount::Kind::kMemory, 64);
    const SpoolLife life;
    const SharedNotes notes;
    const std::string spool = disk.path() + "/spool";
    Starvation starvation;
    starvation.sweep({[&] {
                          files::remove_all(spool);
                          files::create_directory(spool);
                          notes->reset();
                      },
                      [&] { life.live(spool, *notes); }, [&] { return life.judge(spool, *notes); }},
                     stride());
    EXPECT_GT(starvation.count(), 100U);
}

TEST(AllocationTest, APublicationIsWholeOrNotThereAtAnyAllocation) {
    const SnapshotDirectory directory;
    std::uint64_t newest_seen = 0;
    const auto look = [&]() -> std::string {
        if (!files::exists(directory.file(kControlFileName))) {
            return "";
        }
        const std::uint64_t generation = ControlReader(directory.path()).generation();
        if (generation < newest_seen) {
            return "went back";
        }
        newest_seen = generation;
        if (generation == 0) {
            return "";
        }
        const std::vector<std::byte> bytes = directory.read(generation);
        SnapshotView view;
        const bool is_whole =
            SnapshotView::open(bytes.data(), bytes.size(), view) == ViewError::kNone &&
            view.check_bodies() == ViewError::kNone && view.header().generation == generation;
        return is_whole ? "" : "torn";
    };
    Starvation starvation;
    starvation.sweep({[] {},
                      [&] {
                          auto publisher = Publisher::open(directory.path());
                          if (publisher) {
                              (void)publisher->publish(snapshot_of(one_of_each()), {});
                          }
                      },
                      look},
                     stride());
    EXPECT_GT(starvation.count(), 100U);
    EXPECT_GT(newest_seen, 0U);
}

class AllocationUploadTest : public UploadFixture {
protected:
    AllocationUploadTest() { spool_options_.segment_size_bytes = 1 << 20; }

    /// What the process of one attempt does; exits by itself when the events are there.
    void upload() {
        auto opened = daemon::Spool::open(directory_.path(), spool_options_);
        if (!opened) {
            return;
        }
        daemon::Counters counters;
        daemon::Spool& spool = **opened;
        {
            daemon::UploaderOptions options = upload_options(cluster_.dsn());
            options.turn_patience = std::chrono::seconds(1);
            daemon::Uploader uploader(spool, counters, options);
            const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
            while (uploader.status().cursor_lsn != spool.durable_end_lsn() ||
                   !uploader.status().is_connected) {
                if (std::chrono::steady_clock::now() > end) {
                    const auto status = uploader.status();
                    std::cerr << "not uploaded: at event " << status.cursor_lsn << " of "
                              << spool.durable_end_lsn() << ", " << status.error << "\n";
                    ::_exit(4);
                }
                uploader.break_stuck_turn();
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        }
        if (!complaint(accounts_of(spool.statistics(), counters, 0)).empty()) {
            ::_exit(5);
        }
    }

    void spool_more() {
        open_spool();
        spool_events(5);
        spool_.reset();  // the next process opens it
    }

    /// Nothing below the cursor is missing, and nothing is there that it has not passed.
    std::string judge() {
        const std::string passed =
            value("SELECT coalesce(max(next_lsn), 1) - 1 FROM burgee.spool_cursor");
        const std::string rows = value("SELECT count(DISTINCT lsn) FROM public.ab_test_metrics");
        return passed == rows ? "" : passed + " passed, " + rows + " stored";
    }
};

TEST_F(AllocationUploadTest, AnUploadStoresOnceAtAnyAllocation) {
    Starvation starvation;
    starvation.sweep({[this] { spool_more(); }, [this] { upload(); }, [this] { return judge(); }},
                     count_from_environment("BURGEE_FAULT_UPLOAD_ALLOCATION_STRIDE", 25));
    EXPECT_GT(starvation.count(), 20U);
    upload();  // without a fault, in this process: what is left
    expect_stored_once();
}

}  // namespace
}  // namespace burgee::test
