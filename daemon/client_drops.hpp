#pragma once

// What clients say they dropped: running totals of a session by reason and class. They are counted
// when they are durable, and the session remembers what was counted, so that a total told twice, by
// a repeated frame or after a restart of burgeed, counts once. Used by the event server.

#include <burgee/event_wire.hpp>
#include <cstdint>

#include "daemon/counters.hpp"
#include "daemon/spool/spool_format.hpp"

namespace burgee::daemon {

static_assert(kSessionTotalsCount == kDropReasonCount * kEventClassCount,
              "a session's totals are the table of a BATCH");

/// No client drops more than this: a billion events a second for an hour. What a hostile one says
/// beyond it counts as this much, so that sums of many sessions stay numbers for PostgreSQL.
inline constexpr std::uint64_t kDropTotalMax = 1ULL << 42U;

/// The totals in a BATCH, none above kDropTotalMax and none of them lower than `known`: a lower one
/// is an older frame's.
SessionTotals told_drops(const BatchFrame& batch, const SessionTotals& known);

/// Adds what `after` has more than `before` to the counters.
void count_drops(Counters& counters, const SessionTotals& before, const SessionTotals& after);

/// What an ACK says of the totals: their sum modulo 2^32. No total ever falls, so equal sums mean
/// equal tables.
std::uint32_t drop_sum(const SessionTotals& totals);

}  // namespace burgee::daemon
