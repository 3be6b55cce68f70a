#pragma once

// The frame of a snapshot: places sections, fills in the table, checksums and header. What the
// sections mean is the builder's business.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <burgee/snapshot_layout.hpp>

namespace burgee {

/// How many bytes a section takes.
struct SectionSize {
    SectionType type;
    std::uint64_t size_bytes;
};

/// One snapshot in the making: zeros at first, then sections, then finish().
class SnapshotImage {
public:
    /// Lays the sections out in the order given, each at a multiple of kSectionAlignment.
    /// Preconditions, asserted: at most kSectionCountMax sections, kSnapshotSizeMax bytes.
    explicit SnapshotImage(std::span<const SectionSize> sections);

    /// The elements of a section; null when it is empty or was not laid out.
    template <typename Element>
    Element* elements(SectionType type) {
        return static_cast<Element*>(static_cast<void*>(section(type)));
    }

    /// Completes the image: section checksums, content hash, header. `header` says generation,
    /// revision, times, counts and source; the rest of it is filled in here.
    std::vector<std::byte> finish(SnapshotHeader header) &&;

private:
    std::byte* section(SectionType type);

    std::vector<SectionEntry> table_;
    std::vector<std::byte> bytes_;
};

/// The header that `image` would have as `generation`, with its checksum. Nothing else in a
/// snapshot depends on the generation, so that replacing the header re-numbers the whole.
/// Precondition: `image` passed SnapshotView::open().
SnapshotHeader restamped_header(std::span<const std::byte> image, std::uint64_t generation);

}  // namespace burgee
