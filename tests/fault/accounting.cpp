#include "tests/fault/accounting.hpp"

#include <algorithm>

#include <burgee/client.hpp>

namespace burgee::test {
namespace {

std::uint64_t distance(std::uint64_t from, std::uint64_t to) {
    return to > from ? to - from : 0;
}

std::string unequal(const std::string& what, std::uint64_t left, std::uint64_t right) {
    return left == right ? ""
                         : what + ": " + std::to_string(left) + " on one side, " +
                               std::to_string(right) + " on the other; ";
}

}  // namespace

Accounts accounts_of(const daemon::SpoolStatistics& spool, const daemon::Counters& counters,
                     std::uint64_t accepted) {
    using daemon::Counter;
    Accounts accounts;
    accounts.recovered = distance(spool.first_cursor_lsn, spool.recovered_end_lsn);
    accounts.accepted = accepted;
    accounts.delivered = counters.value(Counter::events_delivered);
    accounts.dead_letter = counters.value(Counter::events_dead_lettered);
    accounts.in_spool =
        distance(std::max(spool.first_cursor_lsn, spool.released_lsn), spool.durable_end_lsn);
    accounts.counted_lost = counters.value(Counter::events_lost);
    return accounts;
}

std::string complaint(const Accounts& accounts) {
    return unequal(
        "recovered + accepted = delivered + dead_letter + in_spool + counted_lost",
        accounts.recovered + accounts.accepted,
        accounts.delivered + accounts.dead_letter + accounts.in_spool + accounts.counted_lost);
}

std::string complaint(const daemon::SpoolStatistics& spool, const daemon::SpoolBatch& rest) {
    std::uint64_t read = 0;
    rest.for_each_event([&](std::uint64_t, std::span<const std::byte>) { ++read; });
    std::uint64_t lost = 0;
    for (const daemon::SpoolGap& gap : rest.gaps) {
        lost += gap.count;
    }
    const std::uint64_t from = std::max(spool.oldest_lsn, spool.released_lsn);
    return unequal("from the cursor to the end = events read + gaps read",
                   distance(from, spool.durable_end_lsn), read + lost) +
           unequal("events_in_spool = events read", spool.events_in_spool, read);
}

std::string complaint(const EventCounters& client, const OfferedEvents& offered) {
    return unequal("offered = calls of track()", client.offered, offered.calls) +
           unequal("accepted = calls that were taken", client.accepted, offered.taken) +
           unequal("offered = accepted + refused", offered.calls,
                   offered.taken + total(client.refused)) +
           unequal("accepted = acknowledged + in_flight + lost", client.accepted,
                   client.acknowledged + client.in_flight + total(client.lost));
}

std::string complaint(const StoredAccounts& stored, std::uint64_t lost) {
    return unequal("rows + dead letters + lost = the way of the cursors",
                   stored.rows + stored.dead_letters + lost, stored.passed);
}

}  // namespace burgee::test
