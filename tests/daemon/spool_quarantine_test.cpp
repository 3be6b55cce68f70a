// Promise: damaged bytes are kept as they were found, for whoever wants to know, and never so many
// that they fill the disk. Method: a disk in memory whose bytes are flipped.

#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/spool/spool.hpp"
#include "power_cut_disk.hpp"
#include "spool_events.hpp"

namespace burgee::test {
namespace {

using daemon::Spool;

class SpoolQuarantineTest : public ::testing::Test {
protected:
    void open() {
        spool_.reset();
        daemon::SpoolOptions options;
        options.segment_size_bytes = 1 << 20;
        auto opened = Spool::open(disk_.attach(), options);
        ASSERT_TRUE(opened) << opened.error().message;
        spool_ = std::move(*opened);
    }

    void store(std::uint32_t count) {
        const std::uint64_t seq = spool_->durable_end_lsn();
        const auto events = make_events(1, seq, count);
        ASSERT_TRUE(spool_->stage(make_batch(1, seq, count, events)));
        ASSERT_TRUE(spool_->commit());
    }

    static void flip(DiskFile& file, std::uint64_t offset) {
        file.cached[offset] ^= std::byte{0x10};
        file.durable.at(offset) = file.cached[offset];
    }

    std::vector<std::string> kept() {
        std::vector<std::string> names;
        for (const auto& [name, file] : disk_.files()) {
            if (name.starts_with("quarantine/")) {
                names.push_back(name);
            }
        }
        return names;
    }

    PowerCutDisk disk_{1};
    std::unique_ptr<Spool> spool_;
};

TEST_F(SpoolQuarantineTest, KeepsTheBytesAsTheyWereFound) {
    const std::string segment = "00000000000000000001";
    ASSERT_NO_FATAL_FAILURE(open());
    for (int group = 0; group < 3; ++group) {
        ASSERT_NO_FATAL_FAILURE(store(10));
    }
    ASSERT_TRUE(spool_->tick());
    spool_.reset();
    DiskFile& file = *disk_.files().at(segment);
    constexpr std::uint64_t kFlipped = daemon::kSegmentHeaderSize + 2'000;  // in the second frame
    flip(file, kFlipped);
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_EQ(spool_->statistics().events_lost, 10U);
    ASSERT_EQ(kept().size(), 1U);
    const std::string name = kept().front();
    const std::vector<std::byte>& bytes = disk_.files().at(name)->cached;
    const std::string prefix = "quarantine/" + segment + "-";
    ASSERT_TRUE(name.starts_with(prefix)) << name;
    const std::uint64_t offset = std::stoull(name.substr(prefix.size()));
    EXPECT_LE(offset, kFlipped);
    EXPECT_GT(offset + bytes.size(), kFlipped);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(),
                           file.cached.begin() + static_cast<std::ptrdiff_t>(offset)));
    EXPECT_EQ(spool_->statistics().quarantined_bytes, bytes.size());
}

TEST_F(SpoolQuarantineTest, KeepsAMebibyteAPlaceAnd64InAll) {
    ASSERT_NO_FATAL_FAILURE(open());
    while (spool_->statistics().segments <= 70) {
        ASSERT_NO_FATAL_FAILURE(store(800));
    }
    const std::uint64_t end = spool_->durable_end_lsn();
    spool_.reset();
    const std::string newest = std::prev(disk_.files().lower_bound("a"))->first;
    for (const auto& [name, file] : disk_.files()) {
        for (std::uint64_t at = daemon::kSegmentHeaderSize;
             name < newest && name.size() == newest.size() && at < file->cached.size();
             at += 4096) {
            flip(*file, at);
        }
    }
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_EQ(spool_->durable_end_lsn(), end);
    EXPECT_GT(spool_->statistics().events_lost, end / 2);
    std::uint64_t sum = 0;
    for (const std::string& name : kept()) {
        const std::uint64_t size_bytes = disk_.files().at(name)->cached.size();
        EXPECT_LE(size_bytes, 1U << 20) << name;
        sum += size_bytes;
    }
    EXPECT_GT(sum, 60U << 20);
    EXPECT_LE(sum, 64U << 20);
    EXPECT_EQ(spool_->statistics().quarantined_bytes, sum);
}

}  // namespace
}  // namespace burgee::test
