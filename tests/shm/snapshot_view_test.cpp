// Promise: a reader never reads bytes it cannot trust, learns which check refused them, and
// whatever the bytes are, never leaves them. Method: take a snapshot the real builder wrote, spoil
// exactly one thing, ask again; then spoil at random, with checksums made right again, and ask
// everything.

#include <cstring>
#include <memory>
#include <random>

#include "tests/shm/random_seed.hpp"
#include "tests/shm/spoilt_snapshot.hpp"

namespace burgee::test {
namespace {

class SnapshotViewTest : public SpoiltSnapshot {
protected:
    SnapshotViewTest() : SpoiltSnapshot(snapshot_of(one_of_each())) {}
};

TEST_F(SnapshotViewTest, AcceptsWhatTheBuilderWrote) {
    EXPECT_EQ(full_error(bytes_), ViewError::kNone);
    EXPECT_EQ(view().flag_count(), one_of_each().changed.size());
}

TEST_F(SnapshotViewTest, FindsEveryFlagAndNoOther) {
    for (const FlagDefinition& flag : one_of_each().changed) {
        const FlagRecord* record = view().find(hash64(flag.name));
        ASSERT_NE(record, nullptr) << flag.name;
        EXPECT_EQ(view().name(*record), flag.name);
    }
    EXPECT_EQ(view().find(hash64(std::string_view("unknown"))), nullptr);
    EXPECT_EQ(view().find(0), nullptr);
    EXPECT_EQ(view().find(UINT64_MAX), nullptr);
}

TEST_F(SnapshotViewTest, AnEmptyViewHasNoFlags) {
    const SnapshotView empty;
    EXPECT_EQ(empty.find(0), nullptr);
    EXPECT_EQ(empty.find(UINT64_MAX), nullptr);
    EXPECT_EQ(empty.flag(0), nullptr);
    EXPECT_FALSE(empty.set_contains(0, 1, 0));
    EXPECT_EQ(empty.text(0, 1), "");
    EXPECT_EQ(empty.header().generation, 0U);
    EXPECT_EQ(empty.check_bodies(), ViewError::kNone);
}

TEST_F(SnapshotViewTest, AnEmptySetIsASnapshotToo) {
    FlagChanges nothing;
    nothing.is_full = true;
    bytes_ = snapshot_of(nothing);
    EXPECT_EQ(full_error(bytes_), ViewError::kNone);
    EXPECT_EQ(view().find(hash64(std::string_view("any"))), nullptr);
}

TEST_F(SnapshotViewTest, RefusesEveryTruncation) {
    for (std::size_t size_bytes = 0; size_bytes < bytes_.size(); ++size_bytes) {
        SnapshotView out;
        // A buffer of exactly that size: reading past it would be noticed by the sanitizer.
        const auto exact = std::make_unique<std::uint64_t[]>(size_bytes / 8 + 1);
        std::memcpy(exact.get(), bytes_.data(), size_bytes);
        const auto* data = static_cast<const std::byte*>(static_cast<const void*>(exact.get()));
        EXPECT_EQ(SnapshotView::open(data, size_bytes, out), ViewError::kTooShort)
            << "size_bytes=" << size_bytes;
    }
}

TEST_F(SnapshotViewTest, RefusesBytesBehindTheEnd) {
    bytes_.resize(bytes_.size() + 1);
    EXPECT_EQ(open_error(bytes_), ViewError::kTooLarge);
}

TEST_F(SnapshotViewTest, RefusesMisalignedBytes) {
    std::vector<std::byte> shifted(bytes_.size() + 1);
    std::memcpy(shifted.data() + 1, bytes_.data(), bytes_.size());
    SnapshotView out;
    EXPECT_EQ(SnapshotView::open(shifted.data() + 1, bytes_.size(), out), ViewError::kMisaligned);
}

TEST_F(SnapshotViewTest, RefusesEveryBitFlipOfHeaderAndTable) {
    const std::size_t end = sizeof(SnapshotHeader) + header().section_count * sizeof(SectionEntry);
    for (std::size_t bit = 0; bit < end * 8; ++bit) {
        bytes_[bit / 8] ^= std::byte{1} << (bit % 8);
        EXPECT_NE(open_error(bytes_), ViewError::kNone) << "bit=" << bit;
        bytes_[bit / 8] ^= std::byte{1} << (bit % 8);
    }
}

TEST_F(SnapshotViewTest, RefusesEveryByteFlipOfTheBodies) {
    const std::size_t begin =
        sizeof(SnapshotHeader) + header().section_count * sizeof(SectionEntry);
    for (std::size_t offset = begin; offset < bytes_.size(); ++offset) {
        bytes_[offset] ^= std::byte{0x10};
        const ViewError error = full_error(bytes_);
        EXPECT_TRUE(error == ViewError::kBodyChecksum || error == ViewError::kPadding)
            << "offset=" << offset << ": " << describe(error);
        bytes_[offset] ^= std::byte{0x10};
    }
}

TEST_F(SnapshotViewTest, NamesWhatIsWrongWithAHeader) {
    const std::vector<std::byte> good = bytes_;
    const auto expect = [&](ViewError error, const std::function<void(SnapshotHeader&)>& change) {
        bytes_ = good;
        EXPECT_EQ(spoil_header(change), error) << describe(error);
    };
    expect(ViewError::kNotASnapshot, [](SnapshotHeader& spoilt) { spoilt.magic[7] = '2'; });
    expect(ViewError::kOtherLayout, [](SnapshotHeader& spoilt) { ++spoilt.layout_major; });
    expect(ViewError::kOtherEndian, [](SnapshotHeader& spoilt) { spoilt.endian_tag = 0x04030201; });
    expect(ViewError::kTooShort, [](SnapshotHeader& spoilt) { ++spoilt.size_bytes; });
    expect(ViewError::kTooLarge, [](SnapshotHeader& spoilt) { --spoilt.size_bytes; });
    expect(ViewError::kHeaderField, [](SnapshotHeader& spoilt) { spoilt.generation = 0; });
    expect(ViewError::kCounts, [](SnapshotHeader& spoilt) { ++spoilt.flag_count; });
    expect(ViewError::kCounts, [](SnapshotHeader& spoilt) { --spoilt.experiment_count; });
    expect(ViewError::kNone, [](SnapshotHeader& spoilt) { ++spoilt.layout_minor; });
    bytes_ = good;
    auto spoilt = header();
    spoilt.section_count = kSectionCountMax + 1;
    std::memcpy(bytes_.data(), &spoilt, sizeof spoilt);
    EXPECT_EQ(open_error(bytes_), ViewError::kSectionCount);
    spoilt.section_count = 0;
    std::memcpy(bytes_.data(), &spoilt, sizeof spoilt);
    EXPECT_EQ(open_error(bytes_), ViewError::kHeaderField);
}

TEST_F(SnapshotViewTest, NamesWhatIsWrongWithASection) {
    const std::vector<std::byte> good = bytes_;
    const auto expect = [&](ViewError error, SectionType type,
                            const std::function<void(SectionEntry&)>& change) {
        bytes_ = good;
        EXPECT_EQ(spoil_section(type, change), error) << describe(error);
    };
    using S = SectionType;
    expect(ViewError::kSectionAlignment, S::kFlags, [](auto& entry) { entry.offset += 8; });
    expect(ViewError::kSectionBounds, S::kFlags, [](auto& entry) { entry.offset = 0; });
    expect(ViewError::kSectionBounds, S::kFlags, [](auto& entry) { entry.offset -= 64; });
    expect(ViewError::kSectionBounds, S::kStrings, [](auto& entry) { ++entry.size_bytes; });
    expect(ViewError::kSectionBounds, S::kStrings,
           [](auto& entry) { entry.size_bytes = UINT64_MAX - 63; });
    expect(ViewError::kSectionBounds, S::kStrings,
           [](auto& entry) { entry.offset = UINT64_MAX - 63; });
    expect(ViewError::kElementSize, S::kFlags, [](auto& entry) { entry.size_bytes -= 1; });
    expect(ViewError::kCounts, S::kFlags, [](auto& entry) { entry.size_bytes -= 64; });
    expect(ViewError::kIndexShape, S::kIndex, [](auto& entry) { entry.size_bytes -= 4; });
    expect(ViewError::kIndexShape, S::kIndex, [](auto& entry) { entry.size_bytes = 0; });
    expect(ViewError::kIndexShape, S::kIndex, [](auto& entry) { entry.size_bytes = 8; });
    expect(ViewError::kElementSize, S::kIndex, [](auto& entry) { entry.size_bytes -= 1; });
    expect(ViewError::kSectionRepeated, S::kSets,
           [](auto& entry) { entry.type = static_cast<std::uint32_t>(S::kConfig); });
    expect(ViewError::kMustUnderstand, S::kSets, [](auto& entry) { entry.type = 99; });
    expect(ViewError::kMustUnderstand, S::kSets, [](auto& entry) { entry.type = 0; });
    expect(ViewError::kSectionMissing, S::kStrings, [](auto& entry) {
        entry.type = 99;
        entry.flags = 0;
    });
    expect(ViewError::kNone, S::kSets, [](auto& entry) {  // what is not needed is skipped
        entry.type = 99;
        entry.flags = 0;
    });
}

TEST_F(SnapshotViewTest, NamesWhatIsWrongWithARecord) {
    const std::vector<std::byte> good = bytes_;
    const auto expect = [&]<typename Record>(ViewError error, SectionType type, std::size_t number,
                                             void (*change)(Record&)) {
        bytes_ = good;
        EXPECT_EQ(spoil_record<Record>(type, number, change), error) << describe(error);
    };
    using S = SectionType;
    expect(
        ViewError::kIndexOrder, S::kIndex, 0, +[](std::uint32_t& first) { first = 1; });
    expect(
        ViewError::kIndexOrder, S::kIndex, 8, +[](std::uint32_t& first) { --first; });
    expect(
        ViewError::kIndexOrder, S::kIndex, 4, +[](std::uint32_t& first) { first = UINT32_MAX; });
    expect(
        ViewError::kFlagRecord, S::kFlags, 0, +[](FlagRecord& flag) { flag.status = 5; });
    expect(
        ViewError::kFlagRecord, S::kFlags, 0, +[](FlagRecord& flag) { flag.path = 4; });
    expect(
        ViewError::kFlagRecord, S::kFlags, 0, +[](FlagRecord& flag) { flag.name_size = 0; });
    expect(
        ViewError::kFlagRecord, S::kFlags, 0, +[](FlagRecord& flag) { --flag.name_size; });
    expect(
        ViewError::kFlagRecord, S::kFlags, 0,
        +[](FlagRecord& flag) { flag.gate_end = kBucketCount + 1; });
    expect(
        ViewError::kFlagRecord, S::kFlags, 0,
        +[](FlagRecord& flag) { flag.name_offset = UINT32_MAX; });
    expect(
        ViewError::kFlagRecord, S::kFlags, 0, +[](FlagRecord& flag) { flag.targeting = 9; });
    expect(
        ViewError::kFlagRecord, S::kFlags, 0, +[](FlagRecord& flag) { flag.experiment = 2; });
    expect(
        ViewError::kFlagRecord, S::kFlags, 0,
        +[](FlagRecord& flag) { flag.variant_count = kVariantCountMax + 1; });
    expect(
        ViewError::kVariantRecord, S::kVariants, 1,
        +[](VariantRecord& variant) { --variant.range_end; });
    expect(
        ViewError::kVariantRecord, S::kVariants, 0,
        +[](VariantRecord& variant) { variant.range_end = kBucketCount + 1; });
    expect(
        ViewError::kVariantRecord, S::kVariants, 0,
        +[](VariantRecord& variant) { variant.config_count = UINT32_MAX; });
    expect(
        ViewError::kConfigRecord, S::kConfig, 0, +[](ConfigField& field) { field.type = 9; });
    expect(
        ViewError::kConfigRecord, S::kConfig, 1, +[](ConfigField& field) {
            field.value = UINT64_MAX;  // "model", a string
        });
    expect(
        ViewError::kExperimentRecord, S::kExperiments, 0,
        +[](ExperimentRecord& experiment) { ++experiment.flag_name_hash; });
    expect(
        ViewError::kTargetingRecord, S::kTargeting, 0,
        +[](TargetingRecord& targeting) { targeting.include_count = UINT32_MAX; });
    expect(
        ViewError::kTargetingRecord, S::kTextRefs, 0, +[](TextRef& ref) { ref.size = UINT32_MAX; });
    expect(
        ViewError::kTargetingRecord, S::kSets, 0, +[](std::uint64_t& hash) { hash = UINT64_MAX; });
}

TEST_F(SnapshotViewTest, SetsContainWhatWasPutInOnly) {
    FlagChanges changes = one_of_each();
    FlagDefinition& targeted = changes.changed.at(4);
    for (const std::size_t count : {1U, 2U, 7U, 8U, 9U, 10U, 63U, 64U, 65U, 1'000U}) {
        targeted.include.clear();
        for (std::size_t number = 0; number < count; ++number) {
            targeted.include.push_back("unit" + std::to_string(number));
        }
        bytes_ = snapshot_of(changes);
        const FlagRecord* flag = view().find(hash64(targeted.name));
        ASSERT_NE(flag, nullptr);
        const TargetingRecord* targeting = view().targeting(flag->targeting - 1);
        ASSERT_NE(targeting, nullptr);
        ASSERT_EQ(targeting->include_count, count);
        const auto contains = [&](const std::string& unit) {
            return view().set_contains(targeting->include_first, targeting->include_count,
                                       hash64(unit));
        };
        for (const std::string& unit : targeted.include) {
            EXPECT_TRUE(contains(unit)) << unit << " of " << count;
        }
        EXPECT_FALSE(contains("carl")) << "the neighbouring set must not count";
        EXPECT_FALSE(contains("unit" + std::to_string(count)));
    }
}

/// Asks everything that a reader can ask; the sanitizers watch. Returns something that depends on
/// it all, so that nothing is optimized away.
std::uint64_t ask_everything(const SnapshotView& view, std::mt19937_64& random) {
    std::uint64_t sum = 0;
    const auto read = [&](std::string_view text) { sum += hash64(text); };
    for (int round = 0; round < 8; ++round) {
        const FlagRecord* any = view.flag(random() % 16);
        const FlagRecord* flag = view.find(any != nullptr ? any->name_hash : random());
        if (flag == nullptr) {
            continue;
        }
        read(view.name(*flag));
        const VariantRecord* variant = view.variant(flag->variants_first + random() % 3);
        if (variant != nullptr) {
            read(view.name(*variant));
            read(view.text(variant->json_offset, variant->json_size));
            const ConfigField* field = view.config_field(std::uint64_t{variant->config_first} + 1);
            read(field != nullptr ? view.text(field->value & 0xFFFFFFFFU, field->value >> 32U)
                                  : "");
        }
        const TargetingRecord* targeting = view.targeting(std::uint64_t{flag->targeting} - 1);
        if (targeting != nullptr) {
            sum += view.set_contains(targeting->include_first, targeting->include_count, random());
            sum += view.set_contains(targeting->exclude_first, targeting->exclude_count, 1);
            const TextRef* ref = view.text_ref(targeting->bucket_by_first);
            read(ref != nullptr ? view.text(*ref) : view.text(targeting->salt));
        }
        const ExperimentRecord* experiment = view.experiment(std::uint64_t{flag->experiment} - 1);
        read(experiment != nullptr ? view.text(experiment->name_offset, experiment->name_size)
                                   : "");
    }
    return sum + static_cast<std::uint64_t>(view.check_bodies());
}

TEST_F(SnapshotViewTest, HostileBytesNeverLeadOutside) {
    std::mt19937_64 random(random_seed());
    const std::vector<std::byte> good = bytes_;
    std::uint64_t sum = 0;
    int opened_count = 0;
    for (int iteration = 0; iteration < 200'000; ++iteration) {
        bytes_ = good;
        for (std::uint64_t spoilt = random() % 6 + 1; spoilt > 0; --spoilt) {
            const std::uint64_t kind = random() % 4;
            // Header and table rarely, or open() would refuse nearly everything.
            const std::size_t begin = kind == 0 ? 24 : 128 + 9 * sizeof(SectionEntry);
            const std::size_t offset = begin + random() % (bytes_.size() - begin - 8);
            const std::uint64_t value = kind == 1   ? random()
                                        : kind == 2 ? UINT64_MAX - random() % 4
                                                    : random() % 512;
            std::memcpy(bytes_.data() + offset, &value, 1U << random() % 4);
        }
        if (header().section_count <= kSectionCountMax) {
            const std::vector<SectionEntry> entries = table();
            store(header(), entries);
        }
        SnapshotView spoilt_view;
        if (SnapshotView::open(bytes_.data(), bytes_.size(), spoilt_view) == ViewError::kNone) {
            ++opened_count;
            sum += ask_everything(spoilt_view, random);
        }
    }
    EXPECT_NE(sum, 0U);
    EXPECT_GT(opened_count, 50'000) << "most must get past the door, or nothing was tested";
}

}  // namespace
}  // namespace burgee::test
