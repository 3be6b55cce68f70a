#pragma once

// Writes and reads the header page of a segment, and its file name. Relied on by the segment store
// and by recovery.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "daemon/spool/spool_disk.hpp"
#include "daemon/spool/spool_format.hpp"

namespace burgee::daemon {

/// The file of the segment that begins with this LSN: 20 digits, so that names sort like numbers.
std::string segment_file_name(std::uint64_t first_lsn);

/// The first LSN in a segment's file name; nothing if it is no such name.
std::optional<std::uint64_t> parse_segment_file_name(const std::string& name);

/// The page with both copies of `header`, whose checksum is filled in.
std::array<std::byte, kSegmentHeaderSize> encode_segment_header(SegmentHeader header);

enum class HeaderState {
    kGood,
    kDamaged,  ///< neither copy checks
    kNewer,    ///< both copies name a later format
};

/// Reads the header of `file`, from its second copy if the first is damaged.
HeaderState read_segment_header(const SpoolFile& file, SegmentHeader* header);

/// A number nobody can guess, from the kernel.
std::uint64_t random_number();

}  // namespace burgee::daemon
