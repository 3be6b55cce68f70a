#include "sync/flag_set_reading.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "sync/flag_check.hpp"
#include "sync/flag_queries.hpp"
#include "sync/segment_rows.hpp"

namespace burgee::sync {

FlagChanges read_flag_set(PgTransaction& open) {
    FlagChanges set;
    const RevisionRow row = read_revision(open);
    set.revision = row.revision;
    set.source_id = row.source_id;
    set.database_unix_ms = row.database_unix_ms;
    set.is_full = true;
    set.experiments = read_experiments(open).experiments;
    const FlagSettings settings = read_settings(open);
    for (const RawFlag& raw : read_flags(open, std::nullopt)) {
        FlagVerdict verdict = check_flag(raw, settings);
        std::move(verdict.problems.begin(), verdict.problems.end(),
                  std::back_inserter(set.problems));
        if (verdict.flag && is_random_with_experiment(*verdict.flag, set.experiments)) {
            set.problems.push_back(random_with_experiment(*verdict.flag));
            verdict.flag.reset();
        }
        if (verdict.flag) {
            set.changed.push_back(*std::move(verdict.flag));
        } else {
            set.refused.push_back(raw.name.value_or(""));
        }
    }
    check_segments(read_segment_rows(open, std::nullopt), set);
    return set;
}

}  // namespace burgee::sync
