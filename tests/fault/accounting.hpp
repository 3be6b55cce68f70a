#pragma once

// Where every event is: the identities that hold whenever nothing moves, whatever died before. One
// checker for all fault suites.
//
//   burgeed   recovered + accepted = delivered + dead_letter + in_spool + counted_lost
//   a client  offered = accepted + refused, accepted = acknowledged + in_flight + lost, where what
//             was offered and taken is what the caller of track() has counted
//   a spool   from its cursor to its end = events read + gaps read
//   database  rows + dead letters + lost = the way the cursors have gone

#include <burgee/event_draft.hpp>

#include <cstdint>
#include <string>

#include "daemon/counters.hpp"
#include "daemon/spool/spool.hpp"

namespace burgee::test {

/// One process's account of its events, as `accounting` in status.json has it.
struct Accounts {
    std::uint64_t recovered = 0;
    std::uint64_t accepted = 0;
    std::uint64_t delivered = 0;
    std::uint64_t dead_letter = 0;
    std::uint64_t in_spool = 0;
    std::uint64_t counted_lost = 0;
};

/// What a caller of track() has counted by itself.
struct OfferedEvents {
    std::uint64_t calls = 0;
    std::uint64_t taken = 0;  ///< calls that returned true
};

/// What the database holds, and how far its cursors say it has come.
struct StoredAccounts {
    std::uint64_t rows = 0;
    std::uint64_t dead_letters = 0;
    std::uint64_t passed = 0;  ///< the sum of next_lsn - 1: spools that began here begin at 1
};

/// A spool with an uploader, in one process; `accepted` events were stored since it was opened.
Accounts accounts_of(const daemon::SpoolStatistics& spool, const daemon::Counters& counters,
                     std::uint64_t accepted);

/// "" when the account balances, else both sides of it.
std::string complaint(const Accounts& accounts);
/// `rest` is what read() gave from the cursor on that release() was given last, or, before that, from
/// the oldest event on.
std::string complaint(const daemon::SpoolStatistics& spool, const daemon::SpoolBatch& rest);
std::string complaint(const EventCounters& client, const OfferedEvents& offered);
std::string complaint(const StoredAccounts& stored, std::uint64_t lost = 0);

}  // namespace burgee::test
