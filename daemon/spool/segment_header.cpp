#include "daemon/spool/segment_header.hpp"

#include <unistd.h>

#include <burgee/checksum.hpp>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace burgee::daemon {
namespace {

constexpr std::size_t kNameDigits = 20;  // of 2^64 - 1

std::uint64_t checksum_of(const SegmentHeader& header) {
    return hash64(&header, offsetof(SegmentHeader, checksum));
}

HeaderState check(const SegmentHeader& header) {
    if (header.magic != kSegmentMagic) {
        return HeaderState::kDamaged;
    }
    if (header.version > kSpoolFormatVersion) {
        return HeaderState::kNewer;
    }
    const bool is_good = header.version == kSpoolFormatVersion &&
                         header.header_size == kSegmentHeaderSize &&
                         header.checksum == checksum_of(header);
    return is_good ? HeaderState::kGood : HeaderState::kDamaged;
}

}  // namespace

std::string segment_file_name(std::uint64_t first_lsn) {
    const std::string digits = std::to_string(first_lsn);
    return std::string(kNameDigits - digits.size(), '0') + digits;
}

std::optional<std::uint64_t> parse_segment_file_name(const std::string& name) {
    std::uint64_t first_lsn = 0;
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data(), end, first_lsn);
    const bool is_name = name.size() == kNameDigits && parsed.ec == std::errc() &&
                         parsed.ptr == end && first_lsn != 0;
    return is_name ? std::optional(first_lsn) : std::nullopt;
}

std::array<std::byte, kSegmentHeaderSize> encode_segment_header(SegmentHeader header) {
    header.magic = kSegmentMagic;
    header.version = kSpoolFormatVersion;
    header.header_size = kSegmentHeaderSize;
    header.checksum = checksum_of(header);
    std::array<std::byte, kSegmentHeaderSize> page{};
    std::memcpy(page.data(), &header, sizeof header);
    std::memcpy(page.data() + kHeaderCopyOffset, &header, sizeof header);
    return page;
}

HeaderState read_segment_header(const SpoolFile& file, SegmentHeader* header) {
    HeaderState states[2] = {HeaderState::kDamaged, HeaderState::kDamaged};
    for (std::size_t copy = 0; copy < 2; ++copy) {
        std::size_t read_bytes = 0;
        const auto target = std::as_writable_bytes(std::span(header, 1));
        const int error = file.read(target, copy * kHeaderCopyOffset, &read_bytes);
        if (error == 0 && read_bytes == target.size()) {
            states[copy] = check(*header);
        }
        if (states[copy] == HeaderState::kGood) {
            return HeaderState::kGood;
        }
    }
    // One flipped bit must not make a segment look as if the future had written it.
    const bool is_newer = states[0] == HeaderState::kNewer && states[1] == HeaderState::kNewer;
    return is_newer ? HeaderState::kNewer : HeaderState::kDamaged;
}

std::uint64_t random_number() {
    std::uint64_t number = 0;
    if (::getentropy(&number, sizeof number) != 0) {
        std::abort();  // no kernel we run on is without it
    }
    return number;
}

}  // namespace burgee::daemon
