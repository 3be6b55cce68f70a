#pragma once

// Flags to build snapshots from: one of each kind, small enough to spoil byte by byte.

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <burgee/checksum.hpp>
#include <burgee/snapshot_view.hpp>

#include "shm/flag_set.hpp"
#include "shm/snapshot_builder.hpp"

namespace burgee::test {

inline constexpr std::int64_t kNow = 1'700'000'000'000;  // 2023-11-14, in unix milliseconds
inline constexpr std::int64_t kDay = 86'400'000;

inline FlagDefinition flag_of(const std::string& name, Status status, double percentage = 0) {
    FlagDefinition flag;
    flag.name = name;
    flag.salt = name;
    flag.status = status;
    flag.rollout_percentage = percentage;
    flag.revision = 1;
    return flag;
}

inline VariantDefinition variant_of(const std::string& name, double weight,
                                    const std::string& model) {
    return {
        .name = name,
        .weight = weight,
        .config_json = R"({"limit": 20, "model": ")" + model + R"(", "safe": true, "score": 0.5})",
        .config = {{"model", model}, {"limit", std::int64_t{20}}, {"score", 0.5}, {"safe", true}}};
}

inline FlagDefinition ab_test_of(const std::string& name, double percentage = 50) {
    FlagDefinition flag = flag_of(name, Status::kAbTest, percentage);
    flag.variants = {variant_of("control", 50, "gpt-3.5"), variant_of("treatment", 50, "gpt-4")};
    return flag;
}

inline ExperimentDefinition experiment_of(const std::string& name, const std::string& flag_name,
                                          std::int64_t start_unix_ms) {
    ExperimentDefinition experiment;
    for (std::size_t number = 0; number < experiment.id.size(); ++number) {
        experiment.id[number] = static_cast<std::uint8_t>(number + name.size());
    }
    experiment.name = name;
    experiment.flag_name = flag_name;
    experiment.start_unix_ms = start_unix_ms;
    return experiment;
}

/// Every status, every path, every kind of targeting and config; one experiment. Frozen: the golden
/// file holds these very flags.
inline FlagChanges one_of_each() {
    FlagChanges changes;
    changes.revision = 42;
    changes.source_id = 7;
    changes.database_unix_ms = kNow;
    changes.is_full = true;
    FlagDefinition targeted = flag_of("beta.editor", Status::kCanary, 5);
    targeted.include = {"anna", "berta"};
    targeted.exclude = {"carl"};
    targeted.bucket_by = {"account", "user_id"};
    FlagDefinition legacy = flag_of("old.layout", Status::kGradualRollout, 33.3);
    legacy.bucketing = Bucketing::kLegacyMd5;
    legacy.salt = "rag-cms-features";
    FlagDefinition random = flag_of("sampled.log", Status::kGradualRollout, 10);
    random.strategy = Strategy::kRandom;
    FlagDefinition expired = flag_of("winter.sale", Status::kEnabled);
    expired.expires_unix_ms = kNow - kDay;
    changes.changed = {flag_of("dark.mode", Status::kDisabled, 100),
                       flag_of("search.enhanced", Status::kGradualRollout, 25),
                       flag_of("everywhere", Status::kEnabled),
                       ab_test_of("model_comparison"),
                       targeted,
                       legacy,
                       random,
                       expired};
    changes.experiments = {experiment_of("models", "model_comparison", kNow - kDay)};
    return changes;
}

inline std::vector<std::byte> snapshot_of(const FlagChanges& changes,
                                          std::uint64_t generation = 1) {
    SnapshotBuilder builder;
    builder.apply(changes);
    return builder.build({generation, changes.database_unix_ms});
}

inline ViewError open_error(const std::vector<std::byte>& image) {
    SnapshotView view;
    return SnapshotView::open(image.data(), image.size(), view);
}

/// What a number leads to; a number that leads nowhere ends the test.
template <typename Record>
const Record& must(const Record* record) {
    if (record == nullptr) {
        throw std::logic_error("the snapshot has no such record");
    }
    return *record;
}

/// The whole check, as the publisher makes it.
inline ViewError full_error(const std::vector<std::byte>& image) {
    SnapshotView view;
    const ViewError error = SnapshotView::open(image.data(), image.size(), view);
    return error == ViewError::kNone ? view.check_bodies() : error;
}

}  // namespace burgee::test
