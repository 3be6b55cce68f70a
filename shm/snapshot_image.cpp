#include "shm/snapshot_image.hpp"

#include "shm/assertion.hpp"

#include <algorithm>
#include <cstring>

#include <burgee/checksum.hpp>
#include <burgee/snapshot_view.hpp>

namespace burgee {
namespace {

constexpr std::uint64_t aligned(std::uint64_t offset) {
    return (offset + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

}  // namespace

SnapshotImage::SnapshotImage(std::span<const SectionSize> sections) {
    BURGEE_ASSERT(!sections.empty() && sections.size() <= kSectionCountMax);
    std::uint64_t end = sizeof(SnapshotHeader) + sections.size() * sizeof(SectionEntry);
    for (const SectionSize& section : sections) {
        const std::uint64_t offset = aligned(end);
        table_.push_back({.type = static_cast<std::uint32_t>(section.type),
                          .flags = kSectionMustUnderstand,
                          .offset = offset,
                          .size_bytes = section.size_bytes,
                          .checksum = 0});
        end = offset + section.size_bytes;
    }
    BURGEE_ASSERT(end <= kSnapshotSizeMax);
    bytes_.resize(end);
}

std::byte* SnapshotImage::section(SectionType type) {
    const auto found =
        std::ranges::find(table_, static_cast<std::uint32_t>(type), &SectionEntry::type);
    return found != table_.end() && found->size_bytes > 0 ? bytes_.data() + found->offset : nullptr;
}

std::vector<std::byte> SnapshotImage::finish(SnapshotHeader header) && {
    BURGEE_ASSERT(header.generation > 0);
    std::vector<std::uint64_t> checksums;
    for (SectionEntry& entry : table_) {
        entry.checksum = hash64(bytes_.data() + entry.offset, entry.size_bytes);
        checksums.push_back(entry.checksum);
    }
    header.magic = kSnapshotMagic;
    header.layout_major = kLayoutMajor;
    header.layout_minor = kLayoutMinor;
    header.endian_tag = kEndianTag;
    header.section_count = static_cast<std::uint32_t>(table_.size());
    header.size_bytes = bytes_.size();
    header.content_hash = hash64(checksums.data(), checksums.size() * sizeof(checksums[0]));
    header.header_checksum = header_checksum(header, table_.data());
    std::memcpy(bytes_.data() + sizeof(header), table_.data(),
                table_.size() * sizeof(SectionEntry));
    std::memcpy(bytes_.data(), &header, sizeof(header));
    return std::move(bytes_);
}

SnapshotHeader restamped_header(std::span<const std::byte> image, std::uint64_t generation) {
    BURGEE_ASSERT(generation > 0 && image.size() >= sizeof(SnapshotHeader));
    SnapshotHeader header;
    std::memcpy(&header, image.data(), sizeof(header));
    std::vector<SectionEntry> table(header.section_count);
    BURGEE_ASSERT(table.size() * sizeof(SectionEntry) <= image.size() - sizeof(header));
    std::memcpy(table.data(), image.data() + sizeof(header), table.size() * sizeof(SectionEntry));
    header.generation = generation;
    header.header_checksum = header_checksum(header, table.data());
    return header;
}

}  // namespace burgee
