#pragma once

// Reads frames of one segment and believes none that does not check. Relied on by recovery, by the
// uploader's reads and by `burgee spool`; it never decides what a bad frame means.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "daemon/spool/spool_disk.hpp"
#include "daemon/spool/spool_format.hpp"

namespace burgee::daemon {

/// A frame that checked. The payload is valid until the reader is asked again.
struct FrameView {
    SpoolFrameHeader header{};
    std::span<const std::byte> payload;
    std::uint64_t offset = 0;

    std::uint64_t end_offset() const { return offset + sizeof header + payload.size(); }
    std::uint64_t end_lsn() const { return header.first_lsn + header.count; }
    SpoolFrameType type() const { return static_cast<SpoolFrameType>(header.type); }
};

class SegmentReader {
public:
    using Accept = std::function<bool(const SpoolFrameHeader&)>;

    /// Reads `file` up to `end_offset`; the file must outlive the reader.
    SegmentReader(const SpoolFile& file, std::uint64_t salt, std::uint64_t end_offset);

    /// The frame at `offset`, if its header and payload check and it ends in time.
    std::optional<FrameView> frame_at(std::uint64_t offset);

    /// The first frame at or after `from` that checks and that `accept` takes.
    std::optional<FrameView> find_frame(std::uint64_t from, const Accept& accept);

    /// The highest durable_lsn any later frame header vouches for; 0 when there is none.
    /// Looks at every offset: only the first later frame would miss the truth in one case of three.
    std::uint64_t durable_lsn_after(std::uint64_t from);

    /// Whether the disk refused to read a part of what was asked for last: it came as zeros, which
    /// may be damage or may pass.
    bool has_unread_part() const { return has_unread_part_; }
    /// Reads again what is asked for next.
    void forget_window() { window_size_ = 0; }

    /// More of the file may be read now.
    void extend(std::uint64_t end_offset) { end_offset_ = end_offset; }

private:
    /// At least `size_bytes` bytes from `offset` on, more if they are at hand; empty past the end.
    /// What the disk cannot read comes as zeros.
    std::span<const std::byte> bytes_at(std::uint64_t offset, std::size_t size_bytes);
    void fill_window(std::uint64_t offset, std::size_t size_bytes);
    /// The first offset at or after `from` with a header that checks.
    std::optional<std::uint64_t> find_header(std::uint64_t from, SpoolFrameHeader* header);
    bool is_header(const std::byte* bytes, SpoolFrameHeader* header) const;

    const SpoolFile& file_;
    std::uint64_t salt_;
    std::uint64_t end_offset_;
    std::vector<std::byte> window_;
    std::uint64_t window_offset_ = 0;
    std::size_t window_size_ = 0;
    bool has_unread_part_ = false;  ///< of the window
};

}  // namespace burgee::daemon
