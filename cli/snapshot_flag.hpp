#pragma once

// What belongs to a flag of a snapshot; and a flag or an experiment that the snapshot does not have
// is answered with the one that was probably meant.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <burgee/snapshot_view.hpp>

#include "cli/exit_code.hpp"

namespace burgee::cli {

/// The failure for people who asked `view` for the flag `name`. Cost: linear in the flags, up to
/// 10 000 of them.
Failure flag_not_found(const SnapshotView& view, const std::string& name);

/// Calls `use(const VariantRecord&)` for each variant of `flag` that the view can reach.
template <typename Use>
void for_each_variant(const SnapshotView& view, const FlagRecord& flag, Use&& use) {
    for (std::uint32_t number = 0; number < flag.variant_count; ++number) {
        const VariantRecord* variant = view.variant(std::uint64_t{flag.variants_first} + number);
        if (variant != nullptr) {
            use(*variant);
        }
    }
}

/// The active experiment of `flag`; null when it has none.
inline const ExperimentRecord* experiment_of(const SnapshotView& view, const FlagRecord& flag) {
    return flag.experiment == 0 ? nullptr : view.experiment(flag.experiment - 1);
}

/// A variant that an active experiment hands out. Views into the snapshot.
struct PublishedVariant {
    std::array<std::uint8_t, 16> experiment_id;
    std::string_view variant;
};

/// Finds an active experiment by uuid or name, and one of its variants.
/// Throws Failure kNotFound when the snapshot has no such experiment or the experiment no such
/// variant, kUsage when several experiments have this name. Cost: linear in the flags.
PublishedVariant find_variant(const SnapshotView& view, const std::string& experiment,
                              const std::string& variant);

}  // namespace burgee::cli
