#pragma once

// Reads the numbers of a process's event side together, while its threads go on changing them, so
// that both identities of EventCounters hold in what comes out.

#include <burgee/event_draft.hpp>
#include <burgee/event_process.hpp>
#include <burgee/event_ring.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace burgee::detail {

inline void copy_drops(const AtomicDropTable& from, DropTable& to) noexcept {
    for (std::size_t reason = 0; reason < kDropReasonCount; ++reason) {
        for (std::size_t column = 0; column < kEventClassCount; ++column) {
            to[reason][column] = from[reason][column].load(std::memory_order_acquire);
        }
    }
}

/// @param process               null when there was no memory: nothing was ever taken
/// @param refused_without_ring  offers that met no ring; they stand as ordinary events
/// Thread safety: any thread. Cost: some 50 loads.
inline EventCounters read_counters(const EventProcess* process, const EventRing& ring,
                                   std::uint64_t refused_without_ring) noexcept {
    EventCounters counters;
    if (process != nullptr) {
        // What was decided is read before what was accepted, which is counted first. Acquire:
        // pairs with the release in EventConversation::take_durable(), and copy_drops()'s with that
        // in DropAccount::add_lost(); the sender acquired the event's record, which its producer
        // released after counting it as accepted.
        copy_drops(process->lost, counters.lost);
        counters.acknowledged = process->acknowledged.load(std::memory_order_acquire);
        counters.connections = process->connections.load(std::memory_order_relaxed);
        counters.sessions = process->sessions.load(std::memory_order_relaxed);
        counters.untrusted = process->untrusted.load(std::memory_order_relaxed);
        copy_drops(process->refused, counters.refused);
        // Not less than was decided, so that the difference never wraps: EventChannel::end() may
        // blank all numbers between two of these loads.
        counters.accepted =
            std::max(ring.accepted_count(), counters.acknowledged + total(counters.lost));
    }
    counters.refused[static_cast<std::size_t>(DropReason::kRingFull)][0] += refused_without_ring;
    counters.offered = counters.accepted + total(counters.refused);
    counters.in_flight = counters.accepted - counters.acknowledged - total(counters.lost);
    return counters;
}

}  // namespace burgee::detail
