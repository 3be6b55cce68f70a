#include "sync/flag_reader.hpp"

#include <algorithm>
#include <iterator>

#include "sync/flag_queries.hpp"
#include "sync/migrations.hpp"

namespace burgee::sync {
namespace {

/// Farther behind than this, reading everything is cheaper than reading the history. Chosen by
/// feel.
constexpr std::uint64_t kIncrementRevisionsMax = 10'000;
constexpr std::size_t kHeldNamesShownMax = 20;  // problems of one poll about flags that are held

bool is_random_with_experiment(const FlagDefinition& flag,
                               const std::vector<ExperimentDefinition>& experiments) {
    return flag.strategy == Strategy::kRandom &&
           std::any_of(experiments.begin(), experiments.end(),
                       [&](const ExperimentDefinition& experiment) {
                           return experiment.flag_name == flag.name;
                       });
}

/// Checks rows and files each under changed or refused.
void check_rows(const std::vector<RawFlag>& rows, const FlagSettings& settings,
                FlagChanges& changes) {
    for (const RawFlag& row : rows) {
        FlagVerdict verdict = check_flag(row, settings);
        std::move(verdict.problems.begin(), verdict.problems.end(),
                  std::back_inserter(changes.problems));
        if (verdict.flag && is_random_with_experiment(*verdict.flag, changes.experiments)) {
            changes.problems.push_back(
                {shown_name(verdict.flag->name), "segments.type",
                 "is \"random\" in a flag with an active experiment, whose units would "
                 "change sides: use hash_based or pause the experiment",
                 true});
            verdict.flag.reset();
        }
        if (verdict.flag) {
            changes.changed.push_back(*std::move(verdict.flag));
        } else {
            changes.refused.push_back(row.name.value_or(""));
        }
    }
}

/// A table without a unique index on name may hold one twice: neither row is taken.
void refuse_duplicates(FlagChanges& changes) {
    std::vector<FlagDefinition>& flags = changes.changed;
    std::sort(flags.begin(), flags.end(),
              [](const FlagDefinition& one, const FlagDefinition& other) {
                  return one.name < other.name;
              });
    std::vector<FlagDefinition> unique;
    for (std::size_t first = 0; first < flags.size();) {
        std::size_t next = first + 1;
        while (next < flags.size() && flags[next].name == flags[first].name) {
            ++next;
        }
        if (next - first == 1) {
            unique.push_back(std::move(flags[first]));
        } else {
            changes.problems.push_back(
                {shown_name(flags[first].name), "name",
                 "is there in " + std::to_string(next - first) + " rows: delete all but one",
                 true});
            changes.refused.push_back(flags[first].name);
        }
        first = next;
    }
    flags = std::move(unique);
}

void take_experiments(PgTransaction& open, FlagChanges& changes) {
    ActiveExperiments active = read_experiments(open);
    changes.experiments = std::move(active.experiments);
    std::move(active.problems.begin(), active.problems.end(), std::back_inserter(changes.problems));
}

}  // namespace

struct FlagReader::Reading {
    RevisionRow row;
    FlagChanges changes;
    FlagSettings settings;
    bool is_everything = false;
    std::set<std::string> names;       // with a row, when everything was read
    std::vector<std::string> missing;  // known, without a row and without a tombstone; ascending
};

FlagReader::FlagReader(PgSession& session) : FlagReader(session, Options()) {}

FlagReader::FlagReader(PgSession& session, Options options)
    : session_(session), options_(std::move(options)) {}

void FlagReader::remember(std::uint64_t source_id, const std::vector<std::string>& names) {
    source_id_ = source_id;
    known_ = {names.begin(), names.end()};
    is_in_doubt_ = true;
}

SyncResult<FlagChanges> FlagReader::poll() {
    SyncResult<Reading> reading = session_.transaction(
        PgAccess::kReadOnly, [this](PgTransaction& open) { return read(open); });
    if (!reading) {
        is_in_doubt_ = true;
        return reading.error();
    }
    Reading& seen = reading.value();
    take(seen);
    return std::move(seen.changes);
}

FlagReader::Reading FlagReader::read(PgTransaction& open) const {
    if (!is_schema_known_) {
        // Only once, so that a newer schema does not stop hosts that run already.
        require_schema(open);
    }
    Reading reading;
    reading.row = read_revision(open);
    reading.settings = settings_;
    FlagChanges& changes = reading.changes;
    changes.revision = reading.row.revision;
    changes.source_id = reading.row.source_id;
    changes.database_unix_ms = reading.row.database_unix_ms;
    changes.experiments = experiments_;
    const bool is_time_for_all = options_.now() - last_full_read_ >= options_.full_read_interval;
    const bool is_followable = !is_in_doubt_ && !is_time_for_all &&
                               reading.row.source_id == source_id_ &&
                               reading.row.revision >= revision_ &&
                               reading.row.revision - revision_ <= kIncrementRevisionsMax;
    if (is_followable && reading.row.revision == revision_ &&
        reading.row.changed_at == changed_at_) {
        return reading;  // nothing changed: one row was read
    }
    if (is_followable && reading.row.revision > revision_ &&
        (revision_ == 0 || is_same_past(open, revision_, changed_at_))) {
        read_increment(open, reading);
    } else {
        reading.is_everything = true;
    }
    if (reading.is_everything) {
        read_everything(open, reading);
    }
    return reading;
}

void FlagReader::read_increment(PgTransaction& open, Reading& reading) const {
    std::set<std::string> names;
    std::set<std::string> deleted;
    std::set<std::uint64_t> revisions;
    bool has_experiment_change = false;
    for (const ChangeLine& line : read_changes(open, revision_, reading.row.revision)) {
        revisions.insert(line.revision);
        if (line.kind == "flag" && line.name) {
            names.insert(*line.name);
            if (line.is_tombstone) {
                deleted.insert(*line.name);
                has_experiment_change = true;  // a renamed flag takes its experiments along
            } else {
                deleted.erase(*line.name);
            }
        } else if (line.kind == "experiment" || line.kind == "phase") {
            has_experiment_change = true;
            names.insert(line.experiment_flags.begin(), line.experiment_flags.end());
        } else if (line.kind == "setting" || line.kind == "truncate" || line.kind == "flag") {
            reading.is_everything = true;  // touches more than the rows it names
        }
    }
    // A revision without a line: somebody trimmed the history, or its trigger failed.
    if (reading.is_everything || revisions.size() != reading.row.revision - revision_) {
        reading.is_everything = true;
        return;
    }
    if (has_experiment_change) {
        take_experiments(open, reading.changes);
    }
    const std::vector<RawFlag> rows =
        read_flags(open, std::vector<std::string>(names.begin(), names.end()));
    for (const RawFlag& row : rows) {
        names.erase(row.name.value_or(""));
    }
    if (!std::includes(deleted.begin(), deleted.end(), names.begin(), names.end())) {
        reading.is_everything = true;  // a row is gone and nobody deleted it
        return;
    }
    check_rows(rows, reading.settings, reading.changes);
    refuse_duplicates(reading.changes);
    reading.changes.removed.assign(names.begin(), names.end());
}

void FlagReader::read_everything(PgTransaction& open, Reading& reading) const {
    open.script("SET LOCAL jit = off");  // compiling costs more than running this once
    reading.settings = read_settings(open);
    reading.changes.problems.clear();  // of an increment that was given up
    take_experiments(open, reading.changes);
    const std::vector<RawFlag> rows = read_flags(open, std::nullopt);
    check_rows(rows, reading.settings, reading.changes);
    refuse_duplicates(reading.changes);
    for (const RawFlag& row : rows) {
        reading.names.insert(row.name.value_or(""));
    }
    std::set_difference(known_.begin(), known_.end(), reading.names.begin(), reading.names.end(),
                        std::back_inserter(reading.missing));
    if (reading.missing.empty() || reading.row.source_id != source_id_) {
        reading.changes.removed.swap(reading.missing);  // of another database no row can be missing
        return;
    }
    std::vector<std::string> deleted = deleted_among(open, reading.missing);
    std::sort(deleted.begin(), deleted.end());
    std::vector<std::string> unexplained;
    std::set_difference(reading.missing.begin(), reading.missing.end(), deleted.begin(),
                        deleted.end(), std::back_inserter(unexplained));
    reading.missing = std::move(unexplained);
    reading.changes.removed = std::move(deleted);
}

void FlagReader::take(Reading& reading) {
    is_schema_known_ = true;
    is_in_doubt_ = false;
    source_id_ = reading.row.source_id;
    revision_ = reading.row.revision;
    changed_at_ = reading.row.changed_at;
    settings_ = reading.settings;
    experiments_ = reading.changes.experiments;
    if (reading.is_everything) {
        last_full_read_ = options_.now();
        decide_about_missing(reading);
        return;
    }
    for (const FlagDefinition& flag : reading.changes.changed) {
        known_.insert(flag.name);
    }
    known_.insert(reading.changes.refused.begin(), reading.changes.refused.end());
    for (const std::string& name : reading.changes.removed) {
        known_.erase(name);
    }
}

void FlagReader::decide_about_missing(Reading& reading) {
    known_ = std::move(reading.names);
    reading.changes.is_full = true;
    if (reading.missing.empty()) {
        held_.reset();
        return;
    }
    if (!held_ || held_->names != reading.missing) {
        held_ = HeldFlags{reading.missing, 0, options_.now()};
    }
    ++held_->polls;
    if (held_->polls >= kHoldPolls && options_.now() - held_->since >= kHoldTime) {
        held_.reset();
        std::vector<std::string>& removed = reading.changes.removed;
        removed.insert(removed.end(), reading.missing.begin(), reading.missing.end());
        std::sort(removed.begin(), removed.end());
        return;
    }
    reading.changes.is_full = false;  // what is missing stays, so this is no whole set
    is_in_doubt_ = true;              // look again at the next poll
    known_.insert(reading.missing.begin(), reading.missing.end());
    for (std::size_t index = 0; index < std::min(reading.missing.size(), kHeldNamesShownMax);
         ++index) {
        reading.changes.problems.push_back(
            {shown_name(reading.missing[index]), "row",
             "vanished without being deleted (lost rights, row security or TRUNCATE; " +
                 std::to_string(reading.missing.size()) + " flags in all): kept until " +
                 std::to_string(kHoldTime.count()) + " s have shown the same",
             false});
    }
}

}  // namespace burgee::sync
