#pragma once

// SnapshotView::check_bodies(): everything about a snapshot that can be checked without evaluating
// it. The publisher runs it before announcing, the daemon before trusting a file from disk.
// Included by snapshot_view.hpp alone.

#include <burgee/attribute_key.hpp>
#include <burgee/detail/targeting_body_check.hpp>
#include <burgee/snapshot_view.hpp>

namespace burgee {

class SnapshotBodyCheck {
public:
    explicit SnapshotBodyCheck(const SnapshotView& view) noexcept : view_(view) {}

    ViewError run() const noexcept {
        using Check = ViewError (SnapshotBodyCheck::*)() const noexcept;
        constexpr Check kChecks[] = {
            &SnapshotBodyCheck::check_bytes,     &SnapshotBodyCheck::check_index_and_flags,
            &SnapshotBodyCheck::check_config,    &SnapshotBodyCheck::check_experiments,
            &SnapshotBodyCheck::check_targeting, &SnapshotBodyCheck::check_expiries};
        for (const Check check : kChecks) {
            if (const ViewError error = (this->*check)(); error != ViewError::kNone) {
                return error;
            }
        }
        return ViewError::kNone;
    }

private:
    const std::byte* data() const noexcept {
        return static_cast<const std::byte*>(static_cast<const void*>(view_.header_));
    }

    bool is_zero(std::uint64_t offset, std::uint64_t end) const noexcept {
        std::byte bits{};
        for (; offset < end; ++offset) {
            bits |= data()[offset];
        }
        return bits == std::byte{};
    }

    bool has_text(std::uint64_t offset, std::uint64_t size) const noexcept {
        return offset <= view_.strings_size_ && size <= view_.strings_size_ - offset;
    }

    static bool has_elements(std::uint64_t total, std::uint64_t first,
                             std::uint64_t count) noexcept {
        return first <= total && count <= total - first;
    }

    /// Section checksums, the content hash made of them, and zeros between the sections.
    ViewError check_bytes() const noexcept {
        const SnapshotHeader& header = *view_.header_;
        std::uint64_t checksums[kSectionCountMax];
        std::uint64_t end = sizeof(SnapshotHeader) + header.section_count * sizeof(SectionEntry);
        for (std::uint32_t number = 0; number < header.section_count; ++number) {
            const SectionEntry& entry = view_.sections_[number];
            if (!is_zero(end, entry.offset)) {
                return ViewError::kPadding;
            }
            end = entry.offset + entry.size_bytes;
            checksums[number] = hash64(data() + entry.offset, entry.size_bytes);
            if (checksums[number] != entry.checksum) {
                return ViewError::kBodyChecksum;
            }
        }
        if (!is_zero(end, header.size_bytes)) {
            return ViewError::kPadding;
        }
        const std::uint64_t content =
            hash64(checksums, header.section_count * sizeof(checksums[0]));
        return content == header.content_hash ? ViewError::kNone : ViewError::kContentHash;
    }

    /// Buckets tile the flags in order, none is longer than find() looks, and every flag lies in
    /// the bucket of its hash. One pass for index and flags: the records are most of the bytes.
    ViewError check_index_and_flags() const noexcept {
        std::uint64_t number = 0;
        const std::uint64_t bucket_count = view_.index_bucket_count();
        for (std::uint64_t bucket = 0; bucket < bucket_count; ++bucket) {
            const std::uint64_t end = view_.index_[bucket + 1];
            if (view_.index_[bucket] != number || end < number || end > view_.flag_count_ ||
                end - number > kIndexChainMax) {
                return ViewError::kIndexOrder;
            }
            for (; number < end; ++number) {
                if (view_.flags_[number].name_hash >> view_.index_shift_ != bucket) {
                    return ViewError::kIndexOrder;
                }
                if (const ViewError error = check_flag(number); error != ViewError::kNone) {
                    return error;
                }
            }
        }
        return number == view_.flag_count_ ? ViewError::kNone : ViewError::kIndexOrder;
    }

    ViewError check_flag(std::uint64_t number) const noexcept {
        const FlagRecord& flag = view_.flags_[number];
        if (number > 0 && view_.flags_[number - 1].name_hash >= flag.name_hash) {
            return ViewError::kFlagOrder;
        }
        if (!is_flag_sound(flag)) {
            return ViewError::kFlagRecord;
        }
        return are_variants_sound(flag) ? ViewError::kNone : ViewError::kVariantRecord;
    }

    bool is_flag_sound(const FlagRecord& flag) const noexcept {
        const bool are_enums_known = flag.status < kStatusCount &&
                                     flag.constant_reason < kReasonCount &&
                                     flag.path <= static_cast<std::uint8_t>(EvaluationPath::kFull);
        const bool are_numbers_inside =
            flag.gate_end <= bucket_count(flag) && flag.variant_count <= kVariantCountMax &&
            has_elements(view_.variant_count_, flag.variants_first, flag.variant_count) &&
            flag.experiment <= view_.experiment_count_ && flag.targeting <= view_.targeting_count_;
        const bool is_targeting_there =
            flag.targeting != 0 || flag.path != static_cast<std::uint8_t>(EvaluationPath::kFull);
        const bool is_name_sound = flag.name_size > 0 && flag.name_size <= kFlagNameSizeMax &&
                                   has_text(flag.name_offset, flag.name_size) &&
                                   hash64(view_.name(flag)) == flag.name_hash;
        return are_enums_known && are_numbers_inside && is_targeting_there && is_name_sound;
    }

    static std::uint32_t bucket_count(const FlagRecord& flag) noexcept {
        return (flag.traits & kTraitLegacy) != 0 ? kLegacyBucketCount : kBucketCount;
    }

    bool are_variants_sound(const FlagRecord& flag) const noexcept {
        std::uint32_t begin = 0;
        for (std::uint32_t number = 0; number < flag.variant_count; ++number) {
            const VariantRecord& variant = view_.variants_[flag.variants_first + number];
            if (variant.range_end < begin || !has_text(variant.name_offset, variant.name_size) ||
                !has_text(variant.json_offset, variant.json_size) ||
                !has_elements(view_.config_count_, variant.config_first, variant.config_count) ||
                !are_paths_ascending(variant)) {
                return false;
            }
            begin = variant.range_end;
        }
        return flag.variant_count == 0 || begin == bucket_count(flag);
    }

    bool are_paths_ascending(const VariantRecord& variant) const noexcept {
        for (std::uint32_t number = 1; number < variant.config_count; ++number) {
            const ConfigField& left = view_.config_[variant.config_first + number - 1];
            const ConfigField& right = view_.config_[variant.config_first + number];
            if (view_.text(left.path_offset, left.path_size) >=
                view_.text(right.path_offset, right.path_size)) {
                return false;
            }
        }
        return true;
    }

    ViewError check_config() const noexcept {
        for (std::uint64_t number = 0; number < view_.config_count_; ++number) {
            const ConfigField& field = view_.config_[number];
            const bool is_string = field.type == static_cast<std::uint8_t>(ConfigType::kString);
            const bool is_known = field.type >= static_cast<std::uint8_t>(ConfigType::kBoolean) &&
                                  field.type <= static_cast<std::uint8_t>(ConfigType::kString);
            if (!is_known || !has_text(field.path_offset, field.path_size) ||
                (is_string && !has_text(field.value & 0xFFFFFFFFU, field.value >> 32U))) {
                return ViewError::kConfigRecord;
            }
        }
        return ViewError::kNone;
    }

    ViewError check_experiments() const noexcept {
        for (std::uint64_t number = 0; number < view_.experiment_count_; ++number) {
            const ExperimentRecord& experiment = view_.experiments_[number];
            if (!has_text(experiment.name_offset, experiment.name_size) ||
                view_.find(experiment.flag_name_hash) == nullptr) {
                return ViewError::kExperimentRecord;
            }
        }
        return ViewError::kNone;
    }

    ViewError check_expiries() const noexcept {
        std::uint64_t flags_before = 0;  // all below the next one's
        for (std::uint64_t number = 0; number < view_.expiry_count_; ++number) {
            const ExpiryRecord& expiry = view_.expiries_[number];
            if (expiry.zero != 0 || expiry.flag < flags_before ||
                expiry.flag >= view_.flag_count_) {
                return ViewError::kExpiryRecord;
            }
            flags_before = std::uint64_t{expiry.flag} + 1;
        }
        return ViewError::kNone;
    }

    ViewError check_targeting() const noexcept {
        const TargetingBodyCheck targeting_check(view_);
        // Without a record no flag can name one, and the flags need not be read again.
        const std::uint64_t flag_count = view_.targeting_count_ > 0 ? view_.flag_count_ : 0;
        for (std::uint64_t number = 0; number < flag_count; ++number) {
            const FlagRecord& flag = view_.flags_[number];
            if (flag.targeting != 0 &&
                !targeting_check.is_sound(view_.targeting_[flag.targeting - 1],
                                          flag.variant_count)) {
                return ViewError::kRuleRecord;
            }
        }
        if (!targeting_check.are_segments_sound()) {
            return ViewError::kSegmentRecord;
        }
        for (std::uint64_t number = 0; number < view_.targeting_count_; ++number) {
            const TargetingRecord& targeting = view_.targeting_[number];
            if (!targeting_check.is_set_sound(targeting.include_first, targeting.include_count) ||
                !targeting_check.is_set_sound(targeting.exclude_first, targeting.exclude_count) ||
                !has_elements(view_.text_ref_count_, targeting.bucket_by_first,
                              targeting.bucket_by_count) ||
                targeting.bucket_by_count > kBucketByCountMax ||
                !has_text(targeting.salt.offset, targeting.salt.size)) {
                return ViewError::kTargetingRecord;
            }
        }
        for (std::uint64_t number = 0; number < view_.text_ref_count_; ++number) {
            const TextRef& ref = view_.text_refs_[number];
            if (!has_text(ref.offset, ref.size)) {
                return ViewError::kTargetingRecord;
            }
        }
        return ViewError::kNone;
    }

    const SnapshotView& view_;
};

inline ViewError SnapshotView::check_bodies() const noexcept {
    return header_->section_count == 0 ? ViewError::kNone : SnapshotBodyCheck(*this).run();
}

}  // namespace burgee
