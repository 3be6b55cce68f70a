#pragma once

// The frames that the next commit stores, in one buffer, so that they go to disk in one write.
// Relied on by the spool's writer. Frames get their checksums late, by seal(), because a group
// whose segment failed is written again under another salt.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/spool/spool.hpp"
#include "daemon/spool/spool_format.hpp"

namespace burgee::daemon {

class FrameGroup {
public:
    struct Frame {
        std::size_t offset = 0;  ///< in bytes()
        std::size_t size_bytes = 0;
        std::uint64_t first_lsn = 0;
        std::uint64_t end_lsn = 0;
        SpoolFrameType type = SpoolFrameType::kEvents;
    };

    /// What the batch says of its session goes first: a group that is torn apart by a power cut
    /// must not leave the numbers used up and the refusals unknown.
    void add_batch(const StagedBatch& batch, std::uint64_t first_lsn);
    void add_watermark(std::uint64_t next_lsn);
    /// As many frames as the records need.
    void add_sessions(std::span<const SessionPosition> sessions, std::uint64_t next_lsn);
    void add_refusals(std::span<const RefusalRecord> refusals, std::uint64_t next_lsn);
    void add_totals(std::span<const TotalsRecord> totals, std::uint64_t next_lsn);
    void add_gaps(std::span<const GapRecord> gaps, std::uint64_t next_lsn);
    /// Keeps the first `count` frames; one at least.
    void truncate(std::size_t count);
    void clear();

    /// Fills in durable_lsn and checksums of the frames [begin, end).
    void seal(std::size_t begin, std::size_t end, std::uint64_t salt, std::uint64_t durable_lsn);

    const std::vector<Frame>& frames() const { return frames_; }
    /// The bytes of the frames [begin, end).
    std::span<const std::byte> bytes(std::size_t begin, std::size_t end) const;
    std::span<const std::byte> payload(const Frame& frame) const;
    std::size_t size_bytes() const { return bytes_.size(); }
    bool is_empty() const { return frames_.empty(); }

private:
    void add_events(const StagedBatch& batch, std::uint64_t first_lsn);
    /// Appends a frame with room for its payload. @return the payload's place, to be filled.
    std::byte* append(SpoolFrameType type, std::uint64_t first_lsn, std::uint32_t count,
                      std::size_t payload_size);
    template <class Record>
    void add_records(SpoolFrameType type, std::span<const Record> records, std::uint64_t next_lsn);

    std::vector<std::byte> bytes_;
    std::vector<Frame> frames_;
};

}  // namespace burgee::daemon
