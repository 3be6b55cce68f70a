#include "daemon/spool/segment_reader.hpp"

#include <algorithm>
#include <burgee/checksum.hpp>
#include <cstring>

#include "daemon/spool/event_sequence.hpp"
#include "daemon/spool/mutations.hpp"

namespace burgee::daemon {
namespace {

/// What one read brings in: large enough to be cheap, small enough to stay in the second-level
/// cache.
constexpr std::size_t kWindowSize = 512U << 10U;
/// A failed read is repeated in pieces of this size, so that one bad block costs one block.
constexpr std::size_t kBlockSize = 4096;
static_assert(kWindowSize >= sizeof(SpoolFrameHeader) + kFramePayloadSizeMax);

bool begins_with_magic(const std::byte* bytes) {
    std::uint32_t magic = 0;
    std::memcpy(&magic, bytes, sizeof magic);
    return magic == kSpoolFrameMagic;
}

}  // namespace

SegmentReader::SegmentReader(const SpoolFile& file, std::uint64_t salt, std::uint64_t end_offset)
    : file_(file), salt_(salt), end_offset_(end_offset) {}

std::span<const std::byte> SegmentReader::bytes_at(std::uint64_t offset, std::size_t size_bytes) {
    if (offset > end_offset_ || size_bytes > end_offset_ - offset) {
        return {};
    }
    const bool is_at_hand = offset >= window_offset_ && offset - window_offset_ <= window_size_ &&
                            size_bytes <= window_size_ - (offset - window_offset_);
    if (!is_at_hand) {
        const std::uint64_t left = end_offset_ - offset;
        fill_window(offset, static_cast<std::size_t>(std::min<std::uint64_t>(left, kWindowSize)));
    }
    const auto skipped = static_cast<std::size_t>(offset - window_offset_);
    return std::span(window_).first(window_size_).subspan(skipped);
}

void SegmentReader::fill_window(std::uint64_t offset, std::size_t size_bytes) {
    window_offset_ = offset;
    window_size_ = size_bytes;
    has_unread_part_ = false;
    if (window_.size() < size_bytes) {
        window_.resize(size_bytes);  // at most kWindowSize; a small file needs no more than it has
    }
    const std::span<std::byte> target = std::span(window_).first(size_bytes);
    std::size_t read_bytes = 0;
    if (file_.read(target, offset, &read_bytes) == 0) {
        std::fill(target.begin() + static_cast<std::ptrdiff_t>(read_bytes), target.end(),
                  std::byte{0});
        return;
    }
    for (std::size_t start = 0; start < size_bytes; start += kBlockSize) {
        const auto block = target.subspan(start, std::min(kBlockSize, size_bytes - start));
        const bool is_read = file_.read(block, offset + start, &read_bytes) == 0;
        std::fill(block.begin() + static_cast<std::ptrdiff_t>(is_read ? read_bytes : 0),
                  block.end(), std::byte{0});
        has_unread_part_ = has_unread_part_ || !is_read;
    }
}

bool SegmentReader::is_header(const std::byte* bytes, SpoolFrameHeader* header) const {
    if (!begins_with_magic(bytes)) {
        return false;
    }
    std::memcpy(header, bytes, sizeof *header);
    if (!kMutateNoChecksum && hash64(bytes, offsetof(SpoolFrameHeader, header_checksum), salt_) !=
                                  header->header_checksum) {
        return false;
    }
    return header->payload_size <= kFramePayloadSizeMax && header->payload_size % 8 == 0;
}

std::optional<FrameView> SegmentReader::frame_at(std::uint64_t offset) {
    FrameView frame;
    frame.offset = offset;
    std::span<const std::byte> bytes = bytes_at(offset, sizeof(SpoolFrameHeader));
    if (bytes.empty() || !is_header(bytes.data(), &frame.header)) {
        return std::nullopt;
    }
    const std::size_t size_bytes = sizeof(SpoolFrameHeader) + frame.header.payload_size;
    bytes = bytes_at(offset, size_bytes);
    if (bytes.empty()) {
        return std::nullopt;
    }
    frame.payload = bytes.first(size_bytes).subspan(sizeof(SpoolFrameHeader));
    if (!kMutateNoChecksum && hash64(frame.payload.data(), frame.payload.size(), salt_) !=
                                  frame.header.payload_checksum) {
        return std::nullopt;
    }
    // Checksums tell of damage, not of who wrote: readers walk the events by their sizes.
    if (!holds_its_events(frame.type(), frame.header.count, frame.payload)) {
        return std::nullopt;
    }
    return frame;
}

std::optional<std::uint64_t> SegmentReader::find_header(std::uint64_t from,
                                                        SpoolFrameHeader* header) {
    std::uint64_t offset = (from + 7) / 8 * 8;
    while (true) {
        const std::span<const std::byte> bytes = bytes_at(offset, sizeof(SpoolFrameHeader));
        if (bytes.empty()) {
            return std::nullopt;
        }
        const std::byte* const begin = bytes.data();
        const std::byte* const last = begin + (bytes.size() - sizeof(SpoolFrameHeader));
        const std::byte* at = begin;
        for (; at <= last; at += 8) {
            // Most of what is looked at are zeros: not worth a call.
            if (begins_with_magic(at) && is_header(at, header)) {
                return offset + static_cast<std::uint64_t>(at - begin);
            }
        }
        offset += static_cast<std::uint64_t>(at - begin);
    }
}

std::optional<FrameView> SegmentReader::find_frame(std::uint64_t from, const Accept& accept) {
    SpoolFrameHeader header{};
    while (const auto offset = find_header(from, &header)) {
        if (accept(header)) {
            if (auto frame = frame_at(*offset)) {
                return frame;
            }
        }
        from = *offset + 8;
    }
    return std::nullopt;
}

std::uint64_t SegmentReader::durable_lsn_after(std::uint64_t from) {
    std::uint64_t highest = 0;
    SpoolFrameHeader header{};
    while (const auto offset = find_header(from, &header)) {
        highest = std::max(highest, header.durable_lsn);
        from = *offset + 8;
    }
    return highest;
}

}  // namespace burgee::daemon
