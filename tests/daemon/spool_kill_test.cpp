// Promise: kill -9 at any system call of the spool loses nothing that was acknowledged. Method: a
// child appends to a real directory through a disk that counts its calls and ends the process at a
// drawn one; what was acknowledged comes through a pipe, never from the spool.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "spool_events.hpp"
#include "tests/fault/accounting.hpp"
#include "tests/fault/fault_count.hpp"

namespace burgee::test {
namespace {

namespace files = std::filesystem;
using daemon::Spool;
using daemon::SpoolDisk;
using daemon::SpoolFile;

constexpr std::uint64_t kKeptEvents =
    8'000;  // most of a segment, so that there is something to lose

/// Ends this process, uncleanly, at one of its calls.
class Fuse {
public:
    explicit Fuse(std::uint64_t calls) : calls_left_(calls) {}
    void burn() {
        if (calls_left_-- == 0) {
            ::kill(::getpid(), SIGKILL);
        }
    }

private:
    std::uint64_t calls_left_;
};

class FusedFile final : public SpoolFile {
public:
    FusedFile(Fuse& fuse, std::unique_ptr<SpoolFile> file) : fuse_(fuse), file_(std::move(file)) {}
    int read(std::span<std::byte> target, std::uint64_t offset, std::size_t* size) const override {
        return file_->read(target, offset, size);
    }
    int write(std::span<const std::byte> source, std::uint64_t offset) override {
        // A kill may find a write half done.
        file_->write(source.first(source.size() / 2), offset);
        fuse_.burn();
        return file_->write(source, offset);
    }
    int sync() override {
        fuse_.burn();
        const int error = file_->sync();
        fuse_.burn();
        return error;
    }
    int allocate(std::uint64_t size) override {
        fuse_.burn();
        return file_->allocate(size);
    }
    std::uint64_t size_bytes() const override { return file_->size_bytes(); }

private:
    Fuse& fuse_;
    std::unique_ptr<SpoolFile> file_;
};

class FusedDisk final : public SpoolDisk {
public:
    FusedDisk(Fuse& fuse, std::unique_ptr<SpoolDisk> disk) : fuse_(fuse), disk_(std::move(disk)) {}
    std::string name() const override { return disk_->name(); }
    int lock() override { return disk_->lock(); }
    int list(std::vector<std::string>* names) const override { return disk_->list(names); }
    int open(const std::string& name, bool create, std::unique_ptr<SpoolFile>* file) override {
        std::unique_ptr<SpoolFile> plain;
        const int error = disk_->open(name, create, &plain);
        *file = std::make_unique<FusedFile>(fuse_, std::move(plain));
        return error;
    }
    int rename(const std::string& from, const std::string& to) override {
        fuse_.burn();
        const int error = disk_->rename(from, to);
        fuse_.burn();
        return error;
    }
    int remove(const std::string& name) override {
        fuse_.burn();
        return disk_->remove(name);
    }
    int sync_names() override {
        fuse_.burn();
        return disk_->sync_names();
    }

private:
    Fuse& fuse_;
    std::unique_ptr<SpoolDisk> disk_;
};

class SpoolKillTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (files::temp_directory_path() / "burgee-kill-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        options_.segment_size_bytes = 1 << 20;
        options_.replay_window_bytes = 0;
    }
    void TearDown() override { files::remove_all(directory_); }

    /// The child's life: appends, delivers and acknowledges until it is killed.
    [[noreturn]] void append_until_killed(std::uint64_t calls, int acknowledgements) {
        Fuse fuse(calls);
        auto opened = Spool::open(
            std::make_unique<FusedDisk>(fuse, daemon::make_directory_disk(directory_)), options_);
        if (!opened) {
            ::_exit(1);
        }
        Spool& spool = **opened;
        std::uint64_t seq = spool.sessions().empty() ? 1 : spool.sessions()[0].last_seq + 1;
        while (true) {
            const auto events = make_events(1, seq, 800);
            if (!spool.stage(make_batch(1, seq, 800, events)) || !spool.commit()) {
                ::_exit(1);
            }
            seq += 800;
            const std::uint64_t acknowledged = seq - 1;
            if (::write(acknowledgements, &acknowledged, sizeof acknowledged) < 0) {
                ::_exit(1);
            }
            // Delivered almost at once, so that segments are recycled under the kills too.
            spool.release(spool.durable_end_lsn() - std::min(spool.durable_end_lsn(), kKeptEvents));
        }
    }

    /// @return the last number that was acknowledged, at least `before`.
    std::uint64_t run_child(std::uint64_t calls, std::uint64_t before) {
        int ends[2];
        EXPECT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            append_until_killed(calls, ends[1]);
        }
        ::close(ends[1]);
        std::uint64_t acknowledged = before;
        while (::read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
        }
        ::close(ends[0]);
        int status = 0;
        ::waitpid(child, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
        return acknowledged;
    }

    std::string directory_;
    daemon::SpoolOptions options_;
    daemon::SpoolBatch batch_;
};

TEST_F(SpoolKillTest, LosesNothingAcknowledged) {
    std::mt19937_64 random(seed_of_run());
    const std::uint64_t rounds = count_from_environment("BURGEE_FAULT_SPOOL_KILLS", 50);
    std::uint64_t acknowledged = 0;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const std::uint64_t calls = random() % 120;
        SCOPED_TRACE("round " + std::to_string(round) + ", killed at call " +
                     std::to_string(calls));
        acknowledged = std::max(acknowledged, run_child(calls, acknowledged));
        auto opened = Spool::open(directory_, options_);
        ASSERT_TRUE(opened) << opened.error().message;
        Spool& spool = **opened;
        const std::uint64_t oldest = spool.oldest_lsn();
        const auto numbers = read_numbers(spool, oldest, &batch_);
        ASSERT_TRUE(batch_.gaps.empty());
        ASSERT_GE(spool.durable_end_lsn(), acknowledged + 1);
        // One client, no refusals: event n has LSN n, whatever was killed in between.
        for (std::size_t index = 0; index < numbers.size(); ++index) {
            ASSERT_EQ(numbers[index], 1'000'000'000 + oldest + index);
        }
        ASSERT_EQ(oldest + numbers.size(), spool.durable_end_lsn());
        ASSERT_EQ(spool.statistics().events_lost, 0U);
        ASSERT_EQ(complaint(spool.statistics(), batch_), "");
    }
    std::cout << "ran " << rounds << " kills\n";
    EXPECT_GT(acknowledged, 10'000U) << "the kills left nothing to lose";
}

}  // namespace
}  // namespace burgee::test
