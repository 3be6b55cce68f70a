// Promise: whatever stands in a segment, scanning it ends, believes a frame only where one checks,
// gives every number to one frame or one damaged place, and decides what a bad place means as
// docs/spool_format.md says.
// Method: one segment in memory, of signed frames and loose bytes, scanned with or without a
// successor; a plain walk over all offsets, which shares nothing with the scanner but the format,
// says what has to come out. Whole spools are fuzz_spool's; this is the part that every one of
// their bytes goes through, without a disk around it.

#include <cerrno>
#include <optional>

#include "daemon/spool/event_sequence.hpp"
#include "daemon/spool/segment_scan.hpp"
#include "tests/fuzz/frame_maker.hpp"

namespace burgee::fuzz {
namespace {

using daemon::DamagedRange;
using daemon::FrameView;
using daemon::SpoolFrameHeader;

enum class Piece : std::uint8_t { kFrame, kLooseBytes, kEvents };
constexpr std::uint8_t kPieceCount = 3;

class BytesFile final : public daemon::SpoolFile {
public:
    explicit BytesFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
    int read(std::span<std::byte> target, std::uint64_t offset,
             std::size_t* read_bytes) const override {
        const auto rest = bytes_.subspan(std::min<std::size_t>(offset, bytes_.size()));
        *read_bytes = std::min(target.size(), rest.size());
        std::copy_n(rest.begin(), *read_bytes, target.begin());
        return 0;
    }
    int write(std::span<const std::byte>, std::uint64_t) override { return EROFS; }
    int sync() override { return EROFS; }
    int allocate(std::uint64_t) override { return EROFS; }
    std::uint64_t size_bytes() const override { return bytes_.size(); }

private:
    std::span<const std::byte> bytes_;
};

/// What the scanner said, or has to say.
struct Account {
    std::vector<std::uint64_t> frame_offsets;
    std::vector<DamagedRange> damage;
    std::uint64_t events = 0;
    std::uint64_t end_lsn = 0;
    std::uint64_t end_offset = 0;
};

/// The rules in their plainest form: every offset is looked at on its own.
class PlainWalk {
public:
    PlainWalk(std::span<const std::byte> bytes, std::uint64_t first_lsn,
              std::optional<std::uint64_t> successor)
        : bytes_(bytes), successor_(successor) {
        account_.end_lsn = first_lsn;
        account_.end_offset = daemon::kSegmentHeaderSize;
        for (std::uint64_t offset = daemon::kSegmentHeaderSize;
             offset + sizeof(SpoolFrameHeader) <= bytes.size(); offset += 8) {
            look_at(offset);
        }
    }

    Account run() {
        do {
            while (follow()) {
            }
        } while (pass_damage());
        return std::move(account_);
    }

private:
    struct Place {
        std::uint64_t offset = 0;
        SpoolFrameHeader header{};
        bool is_whole = false;  ///< its payload checks, too
    };

    void look_at(std::uint64_t offset) {
        Place place;
        place.offset = offset;
        std::memcpy(&place.header, bytes_.data() + offset, sizeof place.header);
        const SpoolFrameHeader& header = place.header;
        if (header.magic != daemon::kSpoolFrameMagic || header.payload_size % 8 != 0 ||
            header.payload_size > daemon::kFramePayloadSizeMax ||
            header.header_checksum !=
                hash64(&header, offsetof(SpoolFrameHeader, header_checksum), FrameMaker::kSalt)) {
            return;
        }
        const auto behind = bytes_.subspan(offset + sizeof header);
        if (header.payload_size <= behind.size()) {
            const auto payload = behind.first(header.payload_size);
            place.is_whole =
                header.payload_checksum ==
                    hash64(payload.data(), payload.size(), FrameMaker::kSalt) &&
                daemon::holds_its_events(static_cast<daemon::SpoolFrameType>(header.type),
                                         header.count, payload);
        }
        places_.push_back(place);
    }

    bool ends_in_time(const SpoolFrameHeader& header) const {
        return !successor_ || header.first_lsn + header.count <= *successor_;
    }

    bool follow() {
        for (const Place& place : places_) {
            const bool is_next = place.offset == account_.end_offset && place.is_whole &&
                                 place.header.first_lsn == account_.end_lsn;
            if (is_next && ends_in_time(place.header)) {
                account_.frame_offsets.push_back(place.offset);
                account_.events += place.header.count;
                account_.end_lsn += place.header.count;
                account_.end_offset += sizeof place.header + place.header.payload_size;
                return true;
            }
        }
        return false;
    }

    bool pass_damage() {
        std::uint64_t durable_lsn = 0;
        for (const Place& place : places_) {
            if (place.offset >= account_.end_offset) {
                durable_lsn = std::max(durable_lsn, place.header.durable_lsn);
            }
        }
        const std::uint64_t durable_end = successor_.value_or(durable_lsn + 1);
        if (durable_end <= account_.end_lsn) {
            return false;
        }
        DamagedRange damaged{1, account_.end_offset, bytes_.size() - account_.end_offset,
                             account_.end_lsn, durable_end - account_.end_lsn};
        bool goes_on = false;
        for (const Place& place : places_) {
            const std::uint64_t lsn = place.header.first_lsn;
            goes_on = place.offset >= account_.end_offset && place.is_whole &&
                      lsn >= account_.end_lsn && lsn <= durable_end && ends_in_time(place.header);
            if (goes_on) {
                damaged.size_bytes = place.offset - account_.end_offset;
                damaged.count = lsn - account_.end_lsn;
                break;
            }
        }
        account_.damage.push_back(damaged);
        account_.end_offset += damaged.size_bytes;
        account_.end_lsn += damaged.count;
        return goes_on;
    }

    std::span<const std::byte> bytes_;
    std::optional<std::uint64_t> successor_;
    std::vector<Place> places_;
    Account account_;
};

Account scanned(std::span<const std::byte> bytes, std::uint64_t first_lsn,
                std::optional<std::uint64_t> successor) {
    const BytesFile file(bytes);
    daemon::SegmentHeader header{};
    header.segment_no = 1;
    header.first_lsn = first_lsn;
    header.salt = FrameMaker::kSalt;
    Account account;
    const auto scan = daemon::scan_segment(file, header, successor, [&](const FrameView& frame) {
        account.frame_offsets.push_back(frame.offset);
        account.events += frame.header.count;
        require(frame.end_offset() <= bytes.size(), "a frame is of its file");
        [[maybe_unused]] static volatile std::uint64_t sink = 0;
        sink = hash64(frame.payload.data(), frame.payload.size());
    });
    require(scan.frames == account.frame_offsets.size(), "every frame that counts was shown");
    require(scan.events == account.events, "every event that counts was shown");
    account.damage = scan.damage;
    account.end_lsn = scan.end_lsn;
    account.end_offset = scan.end_offset;
    return account;
}

void check(std::span<const std::byte> bytes, std::optional<std::uint64_t> successor) {
    constexpr std::uint64_t kFirstLsn = 1;
    const Account said = scanned(bytes, kFirstLsn, successor);
    const Account right = PlainWalk(bytes, kFirstLsn, successor).run();
    require(said.frame_offsets == right.frame_offsets, "the right frames count");
    require(said.end_lsn == right.end_lsn && said.end_offset == right.end_offset,
            "it ends where it should");
    require(said.damage.size() == right.damage.size(), "all that is damaged is named, and no more");
    std::uint64_t lost = 0;
    for (std::size_t index = 0; index < said.damage.size(); ++index) {
        const DamagedRange& one = said.damage[index];
        const DamagedRange& other = right.damage[index];
        require(one.offset == other.offset && one.size_bytes == other.size_bytes &&
                    one.first_lsn == other.first_lsn && one.count == other.count,
                "damage is named by its place and its events");
        lost += one.count;
    }
    require(said.events + lost == said.end_lsn - kFirstLsn, "each number is in one place");
}

void run(InputReader input) {
    // The newest segment has no successor; of the others it says how far they reached.
    const auto choice = input.take<std::uint8_t>();
    const auto successor = choice < 128 ? std::nullopt : std::optional<std::uint64_t>(choice - 127);
    FrameMaker frames(input);
    while (!input.is_empty()) {
        const auto kind = static_cast<Piece>(input.take<std::uint8_t>() % kPieceCount);
        const std::size_t size = std::size_t{input.take<std::uint8_t>()} * 8;
        switch (kind) {
            case Piece::kFrame:
                frames.add_frame(size);
                break;
            case Piece::kLooseBytes:
                frames.add_loose(size);
                break;
            case Piece::kEvents:
                frames.add_events(size);
                break;
        }
    }
    std::vector<std::byte> bytes = frames.take();
    bytes.insert(bytes.begin(), daemon::kSegmentHeaderSize, std::byte{0});
    check(bytes, successor);
}

}  // namespace
}  // namespace burgee::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    burgee::fuzz::run(burgee::fuzz::InputReader(data, size));
    return 0;
}
