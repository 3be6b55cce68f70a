// Promise: whatever stands in a spool's segments, opening it ends, invents nothing outside of what
// it read, and gives every number to exactly one run of events or one gap.
// Method: segments made of frames and of loose bytes; frames are signed with the segment's salt, so
// that what they say gets past the checksums. Then the spool is opened, read to its end, and opened
// again.
//
// An input is a list of pieces, each of a kind, a size in 8 bytes, and what the kind asks for.

#include <vector>

#include "daemon/spool/segment_header.hpp"
#include "daemon/spool/spool.hpp"
#include "tests/fuzz/frame_maker.hpp"
#include "tests/fuzz/memory_disk.hpp"

namespace burgee::fuzz {
namespace {

enum class Piece : std::uint8_t { kFrame, kLooseBytes, kEvents, kSegment, kSpoiledHeader };
constexpr std::uint8_t kPieceCount = 5;
constexpr std::uint64_t kSegmentSize = 1U << 20U;
/// A spool can claim any number of events to be lost; so many reads must come to its end.
constexpr int kReadsMax = 1'000;

class SpoolMaker {
public:
    explicit SpoolMaker(InputReader input) : input_(input) { begin_segment(); }

    MemoryFiles make() {
        while (!input_.is_empty()) {
            add_piece();
        }
        finish_segment();
        return std::move(files_);
    }

private:
    void add_piece() {
        const auto kind = static_cast<Piece>(input_.take<std::uint8_t>() % kPieceCount);
        const std::size_t size = std::size_t{input_.take<std::uint8_t>()} * 8;
        switch (kind) {
            case Piece::kFrame:
                frames_.add_frame(size);
                break;
            case Piece::kLooseBytes:
                frames_.add_loose(size);
                break;
            case Piece::kEvents:
                frames_.add_events(size);
                break;
            case Piece::kSegment:
                finish_segment();
                frames_.next_lsn += size / 8;
                begin_segment();
                break;
            case Piece::kSpoiledHeader:
                header_.version += static_cast<std::uint32_t>(size);
                header_.segment_no = input_.take<std::uint64_t>();
                break;
        }
    }

    void begin_segment() {
        header_ = {};
        header_.magic = daemon::kSegmentMagic;
        header_.version = daemon::kSpoolFormatVersion;
        header_.header_size = daemon::kSegmentHeaderSize;
        header_.spool_id[0] = 1;
        header_.segment_no = ++segment_no_;
        header_.first_lsn = frames_.next_lsn;
        header_.salt = FrameMaker::kSalt;
        header_.segment_size = kSegmentSize;
    }

    void finish_segment() {
        const auto page = daemon::encode_segment_header(header_);
        auto file = std::make_shared<MemoryFile>();
        file->bytes.assign(page.begin(), page.end());
        const std::vector<std::byte> frames = frames_.take();
        file->bytes.insert(file->bytes.end(), frames.begin(), frames.end());
        file->size = file->bytes.size();
        files_[daemon::segment_file_name(header_.first_lsn)] = std::move(file);
    }

    InputReader input_;
    MemoryFiles files_;
    daemon::SegmentHeader header_{};
    FrameMaker frames_{input_};
    std::uint64_t segment_no_ = 0;
};

/// Every number from the oldest to the end is in one run or one gap, in order.
void read_to_the_end(daemon::Spool& spool) {
    daemon::SpoolBatch batch;
    std::uint64_t next_lsn = spool.oldest_lsn();
    for (int round = 0; next_lsn < spool.durable_end_lsn(); ++round) {
        require(round < kReadsMax, "reading comes to an end");
        require(spool.read(next_lsn, {1'000, 64U << 10U}, batch).has_value(), "a read works");
        require(batch.first_lsn == next_lsn, "a batch begins where it was asked for");
        std::uint64_t held = 0;
        for (const auto& run : batch.runs) {
            held += run.count;
        }
        for (const auto& gap : batch.gaps) {
            held += gap.count;
        }
        require(held == batch.end_lsn - batch.first_lsn, "each number is in a run or a gap");
        batch.for_each_event([&](std::uint64_t lsn, std::span<const std::byte> event) {
            require(lsn >= batch.first_lsn && lsn < batch.end_lsn, "an event is of its batch");
            [[maybe_unused]] static volatile std::uint64_t sink = 0;
            sink = hash64(event.data(), event.size());
        });
        next_lsn = batch.end_lsn;
    }
}

std::unique_ptr<daemon::Spool> open(MemoryFiles& files) {
    daemon::SpoolOptions options;
    options.segment_size_bytes = kSegmentSize;
    auto spool = daemon::Spool::open(std::make_unique<MemoryDisk>(files), options);
    return spool ? std::move(*spool) : nullptr;
}

void run(InputReader input) {
    MemoryFiles files = SpoolMaker(input).make();
    std::uint64_t end_lsn = 0;
    {
        const auto spool = open(files);
        if (spool == nullptr) {
            return;
        }
        read_to_the_end(*spool);
        static_cast<void>(spool->statistics());
        static_cast<void>(spool->sessions());
        static_cast<void>(spool->refusals());
        static_cast<void>(spool->session_totals());
        end_lsn = spool->durable_end_lsn();
    }
    const auto again = open(files);
    require(again != nullptr, "what was opened once is opened again");
    require(again->durable_end_lsn() == end_lsn, "nothing is lost or invented by opening");
    read_to_the_end(*again);
}

}  // namespace
}  // namespace burgee::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    burgee::fuzz::run(burgee::fuzz::InputReader(data, size));
    return 0;
}
