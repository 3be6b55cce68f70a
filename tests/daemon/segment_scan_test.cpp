// Promise: a bad place in a segment is told for what it is: a torn tail, which nobody was promised,
// or damage, by the highest claim of all later frames; and a segment with a successor has to reach
// it. Method: segments written frame by frame, each with the claim it is given; single frames are
// broken by one bit.
#include "daemon/spool/segment_scan.hpp"

#include <burgee/checksum.hpp>
#include <cstring>

#include "spool_events.hpp"

namespace burgee::test {
namespace {

using daemon::SegmentScan;
using daemon::SpoolFrameHeader;
using daemon::SpoolFrameType;

constexpr std::uint64_t kSalt = 99;
constexpr std::uint32_t kEventsInFrame = 3;

class BytesFile final : public daemon::SpoolFile {
public:
    explicit BytesFile(const std::vector<std::byte>& bytes) : bytes_(bytes) {}
    int read(std::span<std::byte> target, std::uint64_t offset,
             std::size_t* read_bytes) const override {
        const std::size_t begin = std::min<std::size_t>(offset, bytes_.size());
        *read_bytes = std::min(target.size(), bytes_.size() - begin);
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(begin), *read_bytes,
                    target.begin());
        return 0;
    }
    int write(std::span<const std::byte>, std::uint64_t) override { return EROFS; }
    int sync() override { return 0; }
    int allocate(std::uint64_t) override { return EROFS; }
    std::uint64_t size_bytes() const override { return bytes_.size(); }

private:
    const std::vector<std::byte>& bytes_;
};

class SegmentScanTest : public ::testing::Test {
protected:
    /// Adds three events. @return the frame's number, for spoil().
    std::size_t add_events(std::uint64_t durable_lsn) {
        const auto events = make_events(1, next_lsn_, kEventsInFrame);
        std::vector<std::byte> payload(sizeof(daemon::EventsPrefix));
        payload.insert(payload.end(), events.begin(), events.end());
        const std::size_t frame =
            add(SpoolFrameType::kEvents, kEventsInFrame, durable_lsn, payload);
        next_lsn_ += kEventsInFrame;
        return frame;
    }
    std::size_t add_watermark(std::uint64_t durable_lsn) {
        return add(SpoolFrameType::kWatermark, 0, durable_lsn, {});
    }

    void spoil(std::size_t frame) {
        bytes_[offsets_[frame] + sizeof(SpoolFrameHeader) - 1] ^= std::byte{1};
    }
    void spoil_payload(std::size_t frame) {
        bytes_[offsets_[frame] + sizeof(SpoolFrameHeader) + 60] ^= std::byte{1};
    }

    SegmentScan scan(std::optional<std::uint64_t> successor = std::nullopt) const {
        daemon::SegmentHeader header{};
        header.segment_no = 5;
        header.first_lsn = 1;
        header.salt = kSalt;
        return daemon::scan_segment(BytesFile(bytes_), header, successor, {});
    }

    std::vector<std::byte> bytes_ = std::vector<std::byte>(daemon::kSegmentHeaderSize);
    std::vector<std::size_t> offsets_;
    std::uint64_t next_lsn_ = 1;

private:
    std::size_t add(SpoolFrameType type, std::uint32_t count, std::uint64_t durable_lsn,
                    const std::vector<std::byte>& payload) {
        SpoolFrameHeader header{};
        header.magic = daemon::kSpoolFrameMagic;
        header.type = static_cast<std::uint16_t>(type);
        header.first_lsn = next_lsn_;
        header.count = count;
        header.durable_lsn = durable_lsn;
        header.payload_size = static_cast<std::uint32_t>(payload.size());
        header.payload_checksum = hash64(payload.data(), payload.size(), kSalt);
        header.header_checksum =
            hash64(&header, offsetof(SpoolFrameHeader, header_checksum), kSalt);
        offsets_.push_back(bytes_.size());
        const auto head = std::as_bytes(std::span(&header, 1));
        bytes_.insert(bytes_.end(), head.begin(), head.end());
        bytes_.insert(bytes_.end(), payload.begin(), payload.end());
        return offsets_.size() - 1;
    }
};

TEST_F(SegmentScanTest, ABadFrameThatNobodyVouchesForIsATornTail) {
    add_events(0);
    const std::size_t torn = add_events(3);
    add_events(3);  // of the same group: it says no more than the one that is bad
    spoil(torn);
    const SegmentScan found = scan();
    EXPECT_EQ(found.events, 3U);
    EXPECT_EQ(found.end_lsn, 4U);
    EXPECT_EQ(found.end_offset, offsets_[torn]);
    EXPECT_TRUE(found.damage.empty());
}

// The first later frame is of the bad one's own group and knows nothing yet; the next group does.
TEST_F(SegmentScanTest, TheHighestClaimOfAllLaterFramesDecidesNotTheFirst) {
    add_events(0);
    const std::size_t rotten = add_events(3);
    add_events(3);
    add_events(9);
    spoil(rotten);
    const SegmentScan found = scan();
    EXPECT_EQ(found.events, 9U);
    EXPECT_EQ(found.end_lsn, 13U);
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_EQ(found.damage[0].first_lsn, 4U);
    EXPECT_EQ(found.damage[0].count, 3U);
    EXPECT_EQ(found.damage[0].offset, offsets_[rotten]);
    EXPECT_EQ(found.damage[0].size_bytes, offsets_[rotten + 1] - offsets_[rotten]);
}

// A claim counts even if the payload behind it is gone, for a header has a checksum of its own.
TEST_F(SegmentScanTest, ClaimsOfFramesWhosePayloadIsGoneCount) {
    add_events(0);
    const std::size_t first = add_events(3);
    const std::size_t second = add_events(6);
    spoil(first);
    spoil_payload(second);
    const SegmentScan found = scan();
    EXPECT_EQ(found.end_lsn, 7U) << "the six that were durable, the last three never were";
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_EQ(found.damage[0].count, 3U);
}

TEST_F(SegmentScanTest, AWatermarkVouchesForTheLastGroup) {
    const std::size_t last = add_events(0);
    spoil_payload(last);
    EXPECT_TRUE(scan().damage.empty()) << "without one nobody can tell";
    add_watermark(3);
    const SegmentScan found = scan();
    EXPECT_EQ(found.end_lsn, 4U);
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_EQ(found.damage[0].count, 3U);
}

TEST_F(SegmentScanTest, ASegmentWithASuccessorHasToReachIt) {
    add_events(0);
    add_events(3);
    EXPECT_TRUE(scan(7).damage.empty());
    const SegmentScan found = scan(10);
    EXPECT_EQ(found.end_lsn, 10U);
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_EQ(found.damage[0].first_lsn, 7U);
    EXPECT_EQ(found.damage[0].count, 3U);
}

TEST_F(SegmentScanTest, WhatLiesBeyondTheSuccessorsFirstEventIsVoid) {
    add_events(0);
    add_events(3);  // its sync failed: it was written again in the next segment
    const SegmentScan found = scan(4);
    EXPECT_EQ(found.events, 3U);
    EXPECT_EQ(found.end_lsn, 4U);
    EXPECT_TRUE(found.damage.empty());
}

TEST_F(SegmentScanTest, FramesUnderAnotherSaltAreNotThere) {
    add_events(0);
    const std::vector<std::byte> bytes = bytes_;
    daemon::SegmentHeader header{};
    header.first_lsn = 1;
    header.salt = kSalt + 1;
    EXPECT_EQ(daemon::scan_segment(BytesFile(bytes), header, std::nullopt, {}).frames, 0U);
}

}  // namespace
}  // namespace burgee::test
