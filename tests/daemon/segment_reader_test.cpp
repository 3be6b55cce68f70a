// Promise: a frame is believed only if its events, each as long as it says, are as many as its
// header counts and fill its payload; a signature alone is not enough, for readers walk by these
// sizes. Method: one good frame in a file of its own, spoiled in one place and signed again.
#include "daemon/spool/segment_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <burgee/checksum.hpp>
#include <cstring>

namespace burgee::test {
namespace {

using daemon::EventsPrefix;
using daemon::SpoolFrameHeader;
using daemon::SpoolFrameType;

constexpr std::uint64_t kSalt = 17;
constexpr std::uint32_t kFirstEventSize = 64;
constexpr std::uint32_t kSecondEventSize = 72;

class BytesFile final : public daemon::SpoolFile {
public:
    explicit BytesFile(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
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
    std::vector<std::byte> bytes_;
};

class SegmentReaderTest : public ::testing::Test {
protected:
    SegmentReaderTest() {
        set_size(sizeof(EventsPrefix), kFirstEventSize);
        set_size(sizeof(EventsPrefix) + kFirstEventSize, kSecondEventSize);
        header_.magic = daemon::kSpoolFrameMagic;
        header_.type = static_cast<std::uint16_t>(SpoolFrameType::kEvents);
        header_.first_lsn = 1;
        header_.count = 2;
    }

    void set_size(std::size_t offset, std::uint32_t size_bytes) {
        std::memcpy(payload_.data() + offset, &size_bytes, sizeof size_bytes);
    }

    bool is_believed() {
        header_.payload_size = static_cast<std::uint32_t>(payload_.size());
        header_.payload_checksum = hash64(payload_.data(), payload_.size(), kSalt);
        header_.header_checksum =
            hash64(&header_, offsetof(SpoolFrameHeader, header_checksum), kSalt);
        std::vector<std::byte> bytes(sizeof header_);
        std::memcpy(bytes.data(), &header_, sizeof header_);
        bytes.insert(bytes.end(), payload_.begin(), payload_.end());
        const BytesFile file(bytes);
        return daemon::SegmentReader(file, kSalt, bytes.size()).frame_at(0).has_value();
    }

    std::vector<std::byte> payload_ =
        std::vector<std::byte>(sizeof(EventsPrefix) + kFirstEventSize + kSecondEventSize);
    SpoolFrameHeader header_{};
};

TEST_F(SegmentReaderTest, BelievesAFrameThatHoldsWhatItCounts) {
    EXPECT_TRUE(is_believed());
    payload_.resize(sizeof(EventsPrefix));
    header_.count = 0;
    EXPECT_TRUE(is_believed()) << "all its events were refused";
}

TEST_F(SegmentReaderTest, RefusesAFrameThatCountsOtherEventsThanItHolds) {
    for (const std::uint32_t count : {0U, 1U, 3U, 0xFFFF'FFFFU}) {
        header_.count = count;
        EXPECT_FALSE(is_believed()) << count << " events";
    }
    header_.count = 0;
    payload_.resize(sizeof(EventsPrefix) - 8);
    EXPECT_FALSE(is_believed()) << "no room for the prefix";
}

TEST_F(SegmentReaderTest, RefusesEventsWhoseSizesLeadElsewhere) {
    for (const std::uint32_t size_bytes : {0U, 8U, 65U, 72U, 136U, 144U, 0xFFFF'FFF8U}) {
        set_size(sizeof(EventsPrefix), size_bytes);
        EXPECT_FALSE(is_believed()) << size_bytes << " bytes";
    }
}

TEST_F(SegmentReaderTest, RefusesBookkeepingThatCountsEvents) {
    payload_.assign(sizeof(daemon::SessionRecord), std::byte{0});
    for (const SpoolFrameType type : {SpoolFrameType::kSessions, SpoolFrameType::kWatermark}) {
        header_.type = static_cast<std::uint16_t>(type);
        header_.count = 0;
        EXPECT_TRUE(is_believed());
        header_.count = 1;
        EXPECT_FALSE(is_believed());
    }
}

}  // namespace
}  // namespace burgee::test
