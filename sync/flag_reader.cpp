#include "sync/flag_reader.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "sync/flag_queries.hpp"
#include "sync/migrations.hpp"
#include "sync/segment_rows.hpp"

namespace burgee::sync {
namespace {

/// Farther behind than this, reading everything is cheaper than reading the history. Chosen by
/// feel.
constexpr std::uint64_t kIncrementRevisionsMax = 10'000;
constexpr std::size_t kHeldNamesShownMax = 20;  // problems of one poll about flags that are held

/// Checks rows and files each under changed or refused.
void check_rows(const std::vector<RawFlag>& rows, const FlagSettings& settings,
                FlagChanges& changes) {
    for (const RawFlag& row : rows) {
        FlagVerdict verdict = check_flag(row, settings);
        std::move(verdict.problems.begin(), verdict.problems.end(),
                  std::back_inserter(changes.problems));
        if (verdict.flag && is_random_with_experiment(*verdict.flag, changes.experiments)) {
            changes.problems.push_back(random_with_experiment(*verdict.flag));
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

std::vector<std::string> list_of(const std::set<std::string>& names) {
    return {names.begin(), names.end()};
}

/// Rows of one kind that an increment names.
struct Named {
    std::set<std::string> named;
    std::set<std::string> deleted;

    void add(const std::string& name, bool is_tombstone) {
        named.insert(name);
        if (is_tombstone) {
            deleted.insert(name);
        } else {
            deleted.erase(name);
        }
    }
    /// Once `named` holds only those without a row: all of them were deleted.
    bool is_explained() const {
        return std::includes(deleted.begin(), deleted.end(), named.begin(), named.end());
    }
};

/// What the history says that must be read again.
struct Increment {
    Named flags;
    Named segments;
    std::set<std::uint64_t> revisions;
    bool has_experiment_change = false;
    bool is_everything = false;

    explicit Increment(const std::vector<ChangeLine>& lines) {
        for (const ChangeLine& line : lines) {
            revisions.insert(line.revision);
            if (line.kind == "flag" && line.name) {
                flags.add(*line.name, line.is_tombstone);
                // A renamed flag takes its experiments along.
                has_experiment_change = has_experiment_change || line.is_tombstone;
            } else if (line.kind == "segment" && line.name) {
                segments.add(*line.name, line.is_tombstone);
            } else if (line.kind == "experiment" || line.kind == "phase") {
                has_experiment_change = true;
                flags.named.insert(line.flags.begin(), line.flags.end());
            } else if (line.kind == "layer") {
                flags.named.insert(line.flags.begin(), line.flags.end());
            } else {
                is_everything = true;  // touches more than the rows it names
            }
        }
    }
};

/// Names with a row, when all rows of a kind were read.
struct Present {
    std::set<std::string> present;
    std::vector<std::string> missing;  // known, without a row and without a tombstone; ascending

    /// Fills `missing`, and answers which of `known` are gone for good, ascending.
    std::vector<std::string> compare(PgTransaction& open, const char* kind,
                                     const std::set<std::string>& known, bool is_same_source) {
        std::set_difference(known.begin(), known.end(), present.begin(), present.end(),
                            std::back_inserter(missing));
        if (missing.empty() || !is_same_source) {
            return std::exchange(missing, {});  // of another database no row can be missing
        }
        std::vector<std::string> deleted = deleted_among(open, kind, missing);
        std::sort(deleted.begin(), deleted.end());
        std::vector<std::string> unexplained;
        std::set_difference(missing.begin(), missing.end(), deleted.begin(), deleted.end(),
                            std::back_inserter(unexplained));
        missing = std::move(unexplained);
        return deleted;
    }
};

/// Counts the polls that missed the same rows. True when none is missing or they were missed long
/// enough to be let go.
bool is_hold_over(std::optional<HeldFlags>& held, const std::vector<std::string>& missing,
                  std::chrono::steady_clock::time_point now) {
    if (missing.empty()) {
        held.reset();
        return true;
    }
    if (!held || held->names != missing) {
        held = HeldFlags{missing, 0, now};
    }
    ++held->polls;
    if (held->polls < kHoldPolls || now - held->since < kHoldTime) {
        return false;
    }
    held.reset();
    return true;
}

void add_sorted(std::vector<std::string>& names, const std::vector<std::string>& more) {
    names.insert(names.end(), more.begin(), more.end());
    std::sort(names.begin(), names.end());
}

/// Says of some of the rows that vanished that they are held.
template <class ShownName>
void report_held(const std::vector<std::string>& missing, const char* plural, ShownName shown,
                 FlagChanges& changes) {
    for (std::size_t index = 0; index < std::min(missing.size(), kHeldNamesShownMax); ++index) {
        changes.problems.push_back(
            {shown(missing[index]), "row",
             "vanished without being deleted (lost rights, row security or TRUNCATE; " +
                 std::to_string(missing.size()) + " " + plural + " in all): kept until " +
                 std::to_string(kHoldTime.count()) + " s have shown the same",
             false});
    }
}

void take_experiments(PgTransaction& open, FlagChanges& changes) {
    ActiveExperiments active = read_experiments(open);
    changes.experiments = std::move(active.experiments);
    changes.are_experiments_read = true;
    std::move(active.problems.begin(), active.problems.end(), std::back_inserter(changes.problems));
}

}  // namespace

struct FlagReader::Reading {
    RevisionRow row;
    FlagChanges changes;
    FlagSettings settings;
    bool is_everything = false;
    Present flags;  // these two when everything was read
    Present segments;
};

FlagReader::FlagReader(PgSession& session) : FlagReader(session, Options()) {}

FlagReader::FlagReader(PgSession& session, Options options)
    : session_(session), options_(std::move(options)) {}

void FlagReader::remember(Published published) {
    source_id_ = published.source_id;
    known_ = std::move(published.flags);
    known_segments_ = std::move(published.segments);
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
    if (is_followable && reading.row.revision > revision_) {
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
    const Changes changes = read_changes(open, {revision_, changed_at_}, reading.row.revision);
    Increment news(changes.lines);
    const bool is_same_past = revision_ == 0 || changes.is_same_past;
    // A revision without a line: somebody trimmed the history, or its trigger failed.
    if (!is_same_past || news.is_everything ||
        news.revisions.size() != reading.row.revision - revision_) {
        reading.is_everything = true;
        return;
    }
    if (news.has_experiment_change) {
        take_experiments(open, reading.changes);
    }
    const std::vector<RawFlag> rows = read_flags(open, list_of(news.flags.named));
    for (const RawFlag& row : rows) {
        news.flags.named.erase(row.name.value_or(""));
    }
    const std::vector<RawSegment> segments = read_segment_rows(open, list_of(news.segments.named));
    for (const RawSegment& segment : segments) {
        news.segments.named.erase(segment.name.value_or(""));
    }
    if (!news.flags.is_explained() || !news.segments.is_explained()) {
        reading.is_everything = true;  // a row is gone and nobody deleted it
        return;
    }
    check_rows(rows, reading.settings, reading.changes);
    refuse_duplicates(reading.changes);
    check_segments(segments, reading.changes);
    reading.changes.removed = list_of(news.flags.named);
    reading.changes.removed_segments = list_of(news.segments.named);
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
        reading.flags.present.insert(row.name.value_or(""));
    }
    const std::vector<RawSegment> segments = read_segment_rows(open, std::nullopt);
    check_segments(segments, reading.changes);
    for (const RawSegment& segment : segments) {
        reading.segments.present.insert(segment.name.value_or(""));
    }
    const bool is_same_source = reading.row.source_id == source_id_;
    reading.changes.removed = reading.flags.compare(open, "flag", known_, is_same_source);
    reading.changes.removed_segments =
        reading.segments.compare(open, "segment", known_segments_, is_same_source);
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
        known_ = std::move(reading.flags.present);
        known_segments_ = std::move(reading.segments.present);
        reading.changes.is_full = true;
        decide_about_missing(reading);
        return;
    }
    FlagChanges& changes = reading.changes;
    for (const FlagDefinition& flag : changes.changed) {
        known_.insert(flag.name);
    }
    known_.insert(changes.refused.begin(), changes.refused.end());
    for (const std::string& name : changes.removed) {
        known_.erase(name);
    }
    for (const SegmentDefinition& segment : changes.segments) {
        known_segments_.insert(segment.name);
    }
    known_segments_.insert(changes.refused_segments.begin(), changes.refused_segments.end());
    for (const std::string& name : changes.removed_segments) {
        known_segments_.erase(name);
    }
}

void FlagReader::decide_about_missing(Reading& reading) {
    FlagChanges& changes = reading.changes;
    const std::vector<std::string>& flags = reading.flags.missing;
    const std::vector<std::string>& segments = reading.segments.missing;
    if (is_hold_over(held_, flags, options_.now())) {
        add_sorted(changes.removed, flags);
    } else {
        changes.is_full = false;  // what is missing stays, so this is no whole set
        is_in_doubt_ = true;      // look again at the next poll
        known_.insert(flags.begin(), flags.end());
        report_held(flags, "flags", shown_name, changes);
    }
    if (is_hold_over(held_segments_, segments, options_.now())) {
        add_sorted(changes.removed_segments, segments);
    } else {
        add_sorted(changes.refused_segments, segments);  // whose last valid form stays
        is_in_doubt_ = true;
        known_segments_.insert(segments.begin(), segments.end());
        report_held(segments, "segments", shown_segment, changes);
    }
}

}  // namespace burgee::sync
