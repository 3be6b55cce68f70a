// Promise: whatever bytes a snapshot holds, opening, checking and asking it ends, reads nothing
// outside of it, and breaks nothing; answers may be wrong.
// Method: a good snapshot with every kind of record, spoiled by a list of patches and signed again,
// so that what is spoiled gets past the checksums; then every question of ask_snapshot.hpp.
//
// An input: one byte of Mode bits, one byte for the file's size, then patches of 12 bytes each.
// What does not fill a patch is the text that one context has everywhere.

#include <memory>
#include <vector>

#include "tests/fuzz/ask_snapshot.hpp"
#include "tests/fuzz/base_snapshot.hpp"

namespace burgee::fuzz {
namespace {

enum Mode : std::uint8_t {
    kModeKeepSectionChecksums = 1U << 0U,
    kModeKeepHeaderChecksum = 1U << 1U,
    kModeChangeSize = 1U << 2U,  ///< the file is cut or extended
    kModeKeepSizeField = 1U << 3U,
};
constexpr unsigned kModeContextShift = 4;  ///< the bits above: which context asks a spoiled snapshot

/// What a patch writes: the value itself, or something that means more than chance would find.
enum class Source : std::uint8_t { kValue, kDifference, kSmall, kFlagHash, kCopy, kSegmentNumber };
constexpr std::uint8_t kSourceCount = 6;

struct Patch {
    std::uint8_t section;  ///< 0: header and table; else entry number + 1
    std::uint8_t width;    ///< low two bits: 1, 2, 4 or 8 bytes; the rest is a Source
    std::uint16_t place;   ///< in units of the width
    std::uint64_t value;
};
constexpr std::size_t kPatchSize = 12;

/// Memory that ends with the last byte, aligned as a mapping is enough for the view.
class ExactMemory {
public:
    ExactMemory(const std::vector<std::byte>& bytes, std::size_t size_bytes)
        : words_(static_cast<std::byte*>(std::aligned_alloc(8, size_bytes))), size_(size_bytes) {
        require(words_ != nullptr, "there is memory");
        std::memset(words_.get(), 0, size_);
        std::memcpy(words_.get(), bytes.data(), std::min(size_, bytes.size()));
    }
    std::byte* data() { return words_.get(); }
    std::size_t size() const { return size_; }

private:
    struct Free {
        void operator()(std::byte* bytes) const { std::free(bytes); }
    };
    std::unique_ptr<std::byte, Free> words_;
    std::size_t size_;
};

const std::vector<std::byte>& base() {
    static const std::vector<std::byte> kBytes = test::snapshot_of(base_changes());
    return kBytes;
}

template <typename Record>
Record* at(std::byte* bytes, std::size_t offset) {
    return static_cast<Record*>(static_cast<void*>(bytes + offset));
}

class SpoiledSnapshot {
public:
    SpoiledSnapshot(std::uint8_t mode, std::size_t size_bytes)
        : mode_(mode), memory_(base(), size_bytes) {
        static_cast<void>(SnapshotView::open(base().data(), base().size(), good_));
    }

    void apply(const Patch& patch) {
        const std::size_t width = std::size_t{1} << (patch.width % 4U);
        const auto [begin, size] = range_of(patch.section);
        if (size < width) {
            return;
        }
        const std::size_t offset = begin + patch.place * width % (size - width + 1);
        if (offset > memory_.size() || width > memory_.size() - offset) {
            return;
        }
        std::uint64_t old = 0;
        std::memcpy(&old, memory_.data() + offset, width);
        const std::uint64_t value = value_of(patch, old);
        std::memcpy(memory_.data() + offset, &value, width);
    }

    /// Makes the checksums fit again, and the size, unless the mode says to leave them.
    void sign() {
        if (memory_.size() < sizeof(SnapshotHeader)) {
            return;
        }
        auto& header = *at<SnapshotHeader>(memory_.data(), 0);
        if ((mode_ & kModeKeepSizeField) == 0) {
            header.size_bytes = memory_.size();
        }
        const std::size_t room = (memory_.size() - sizeof header) / sizeof(SectionEntry);
        if (header.section_count > room || header.section_count > kSectionCountMax) {
            return;
        }
        auto* sections = at<SectionEntry>(memory_.data(), sizeof header);
        if ((mode_ & kModeKeepSectionChecksums) == 0) {
            sign_sections(header, sections);
        }
        if ((mode_ & kModeKeepHeaderChecksum) == 0) {
            header.header_checksum = header_checksum(header, sections);
        }
    }

    const std::byte* data() { return memory_.data(); }
    std::size_t size() const { return memory_.size(); }

private:
    struct Range {
        std::size_t begin;
        std::size_t size;
    };

    Range range_of(std::uint8_t number) const {
        const std::uint32_t count = good_.header().section_count;
        const std::uint32_t chosen = number % (count + 1);
        if (chosen == 0) {
            return {0, sizeof(SnapshotHeader) + count * sizeof(SectionEntry)};
        }
        const SectionEntry& entry = *good_.section(chosen - 1);
        return {entry.offset, entry.size_bytes};
    }

    std::uint64_t value_of(const Patch& patch, std::uint64_t old) const {
        switch (static_cast<Source>((patch.width >> 2U) % kSourceCount)) {
            case Source::kValue:
                break;
            case Source::kDifference:
                return old + patch.value;
            case Source::kSmall:
                return patch.value % 32;
            case Source::kFlagHash:
                return good_.flag(patch.value % good_.flag_count())->name_hash;
            case Source::kCopy: {
                std::uint64_t copied = 0;
                const std::size_t place = patch.value % (base().size() - sizeof copied);
                std::memcpy(&copied, base().data() + place / 4 * 4, sizeof copied);
                return copied;
            }
            case Source::kSegmentNumber:
                return patch.value % 3;
        }
        return patch.value;
    }

    void sign_sections(SnapshotHeader& header, SectionEntry* sections) {
        std::vector<std::uint64_t> checksums;
        for (std::uint32_t number = 0; number < header.section_count; ++number) {
            SectionEntry& entry = sections[number];
            if (entry.offset <= memory_.size() &&
                entry.size_bytes <= memory_.size() - entry.offset) {
                entry.checksum = hash64(memory_.data() + entry.offset, entry.size_bytes);
            }
            checksums.push_back(entry.checksum);
        }
        header.content_hash = hash64(checksums.data(), checksums.size() * sizeof(checksums[0]));
    }

    std::uint8_t mode_;
    ExactMemory memory_;
    SnapshotView good_;
};

void run(InputReader input, std::size_t size) {
    const auto mode = input.take<std::uint8_t>();
    const auto size_change = input.take<std::int8_t>();
    const std::size_t size_bytes =
        (mode & kModeChangeSize) == 0
            ? base().size()
            : static_cast<std::size_t>(static_cast<std::ptrdiff_t>(base().size()) +
                                       size_change * 16);
    SpoiledSnapshot spoiled(mode, size_bytes);
    std::size_t left = size < 2 ? 0 : size - 2;
    const bool is_spoiled = left >= kPatchSize || mode % (1U << kModeContextShift) != 0;
    for (; left >= kPatchSize; left -= kPatchSize) {
        Patch patch{};
        patch.section = input.take<std::uint8_t>();
        patch.width = input.take<std::uint8_t>();
        patch.place = input.take<std::uint16_t>();
        patch.value = input.take<std::uint64_t>();
        spoiled.apply(patch);
    }
    const std::string_view text = input.take_text(left);
    spoiled.sign();
    SnapshotView view;
    if (SnapshotView::open(spoiled.data(), spoiled.size(), view) != ViewError::kNone) {
        require(is_spoiled, "an untouched snapshot is opened");
        return;
    }
    require(view.check_bodies() == ViewError::kNone || is_spoiled,
            "an untouched snapshot is sound");
    Selection selection;
    if (is_spoiled) {
        selection.only_context = mode >> kModeContextShift;
    }
    ask_everything(view, !is_spoiled, text, selection);
}

}  // namespace
}  // namespace burgee::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    burgee::fuzz::run(burgee::fuzz::InputReader(data, size), size);
    return 0;
}
