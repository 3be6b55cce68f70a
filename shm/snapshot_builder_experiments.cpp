// The part of SnapshotBuilder that chooses which experiment each flag is measured for.

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include <burgee/checksum.hpp>

#include "shm/json_text.hpp"
#include "shm/snapshot_builder.hpp"

namespace burgee {
namespace {

constexpr std::size_t kExperimentNameSizeMax = 1'024;  // bytes; chosen by feel

bool is_active_at(const ExperimentDefinition& experiment, std::int64_t now_unix_ms) {
    return experiment.start_unix_ms <= now_unix_ms &&
           now_unix_ms < experiment.end_unix_ms.value_or(INT64_MAX);
}

}  // namespace

/// The active experiments, so that they end in time also when nothing can be polled.
void SnapshotBuilder::take_experiments(const SnapshotView& published) {
    for (std::uint64_t number = 0; number < published.experiment_count(); ++number) {
        const ExperimentRecord& record = *published.experiment(number);
        const FlagTable::Slot* slot = flags_.find(record.flag_name_hash);
        if (slot == nullptr) {
            continue;  // its flag was not taken
        }
        ExperimentDefinition experiment;
        experiment.id = record.id;
        experiment.name = published.text(record.name_offset, record.name_size);
        experiment.flag_name = flags_.name(*slot);
        experiment.start_unix_ms = record.start_unix_ms;
        if (record.end_unix_ms != INT64_MAX) {
            experiment.end_unix_ms = record.end_unix_ms;
        }
        experiment.phase = record.phase;
        experiments_.push_back(std::move(experiment));
    }
}

bool SnapshotBuilder::can_take_part(const ExperimentDefinition& experiment) {
    const FlagTable::Slot* slot = flags_.find(hash64(experiment.flag_name));
    if (slot == nullptr || flags_.name(*slot) != experiment.flag_name) {
        return false;  // its flag is not published, and that is reported with the flag
    }
    if (experiment.name.size() > kExperimentNameSizeMax) {
        report_experiment(experiment, "its name is longer than 1024 bytes: shorten it");
        return false;
    }
    if ((slot->record.traits & kTraitRandom) != 0) {
        report_experiment(experiment,
                          "it is not measured: a flag of strategy random gives one unit many "
                          "variants; use hash_based");
        return false;
    }
    return true;
}

void SnapshotBuilder::report_experiment(const ExperimentDefinition& experiment,
                                        std::string message) {
    experiment_problems_.push_back({.flag = experiment.flag_name,
                                    .field = "experiment " + json_quoted(experiment.name),
                                    .message = std::move(message),
                                    .is_refused = false});
}

void SnapshotBuilder::choose_experiments(std::int64_t database_unix_ms) {
    active_.clear();
    experiment_problems_.clear();
    for (const ExperimentDefinition& experiment : experiments_) {
        if (is_active_at(experiment, database_unix_ms) && can_take_part(experiment)) {
            active_.push_back({hash64(experiment.flag_name), &experiment});
        }
    }
    // Newest first within a flag; of two that started together the greater id, so that every host
    // chooses the same.
    std::ranges::sort(active_, [](const ActiveExperiment& left, const ActiveExperiment& right) {
        return std::tie(left.flag_name_hash, right.experiment->start_unix_ms,
                        right.experiment->id) <
               std::tie(right.flag_name_hash, left.experiment->start_unix_ms, left.experiment->id);
    });
    std::size_t kept = 0;
    for (const ActiveExperiment& active : active_) {
        if (kept == 0 || active_[kept - 1].flag_name_hash != active.flag_name_hash) {
            active_[kept++] = active;
        } else {
            report_experiment(*active.experiment,
                              "it is not measured: the flag's active experiment is the newer " +
                                  json_quoted(active_[kept - 1].experiment->name) +
                                  "; complete one of them");
        }
    }
    active_.resize(kept);
}

}  // namespace burgee
