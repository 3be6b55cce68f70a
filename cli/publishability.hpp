#pragma once

// Whether what is stored, or is about to be, can be published: the one judge of `flag lint`, of
// `flag create`, `set`, `enable`, `rollback`, `rebucket` and `apply`, of `segment put`, and of
// `experiment create` and `resume`. It asks the same two that a host asks: sync's check of a row,
// and the builder of snapshots, which alone knows patterns, sizes, segments that are missing, and
// circles.

#include <string>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/flag_store.hpp"
#include "sync/pg_session.hpp"
#include "sync/segment_store.hpp"

namespace burgee::cli {

/// What only the whole set can tell: what the builder refuses or warns about among flags and
/// segments that are good each by itself. Cost: that of a full build, some milliseconds for 10 000
/// flags.
std::vector<FlagProblem> publishing_faults(const FlagChanges& changes);

/// What hosts refuse or warn about in a full set of flags and segments: what the check found (it is
/// in `changes`), and what the builder finds. By flag, refusals first. Cost: about 2 microseconds a
/// flag. Precondition: `changes.is_full`.
std::vector<FlagProblem> publication_problems(const FlagChanges& changes);

/// By flag, refusals first, else in the order given.
void sort_problems(std::vector<FlagProblem>& problems);

/// The database as a host would read it at its first poll. Throws Failure as take() does.
FlagChanges read_publication(sync::PgSession& session);

/// Throws Failure kFailed, naming flag, place and remedy, when hosts could not publish `row` beside
/// what the database holds. Reads no more of it than the row refers to: segments, and all flags
/// when the row requires one.
void require_publishable(sync::PgSession& session, const sync::FlagRow& row);

/// The same for a flag with an experiment that is about to become active.
void require_measurable(sync::PgSession& session, const sync::FlagRow& row);

/// The same for a segment, and when a flag or segment that names it, and is published so far, could
/// not be published with it. Reads everything.
void require_publishable(sync::PgSession& session, const sync::SegmentRow& row);

}  // namespace burgee::cli
