#pragma once

// Everything burgeed counts, in one table: name, unit, meaning. `burgee status` prints this very
// table and /metrics exports it. Nothing is dropped, refused or lost without a row here. To count
// something new, add a row; the enumerator, the text and the storage follow from it.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace burgee::daemon {

// clang-format off
#define BURGEE_COUNTERS(row) \
    row(events_accepted, "events", "taken into the spool, durable") \
    row(events_rejected_invalid, "events", "refused for good: broken bytes, bad text or metadata") \
    row(events_rejected_too_big, "events", "refused for good: over a size limit") \
    row(events_clamped, "events", "stored with created_at moved into [now - 7 d, now + 5 min]") \
    row(events_duplicate, "events", "sent again by a client and recognised") \
    row(exposures_repeated, "events", "told by evaluate(), known on this host: not stored again") \
    row(batches, "frames", "BATCH frames taken") \
    row(batch_bytes, "bytes", "of event data taken") \
    row(commits, "groups", "groups of batches made durable with one sync") \
    row(commit_failures, "groups", "groups the disk refused; their clients were told") \
    row(sessions_new, "sessions", "started") \
    row(sessions_resumed, "sessions", "continued after a reconnect") \
    row(sessions_expired, "sessions", "asked for after they were forgotten") \
    row(connections, "connections", "accepted on the event socket") \
    row(connections_refused, "connections", "closed at once: too many of them") \
    row(accept_pauses, "pauses", "accepting paused: no file descriptors, or too fast") \
    row(disconnects_by_peer, "connections", "closed by the client") \
    row(disconnects_protocol, "connections", "closed: broken frame, wrong order, wrong session") \
    row(disconnects_hello_late, "connections", "closed: no HELLO within two seconds") \
    row(disconnects_idle, "connections", "closed: nothing received for five minutes") \
    row(disconnects_rate, "connections", "closed: more frames a second than allowed") \
    row(disconnects_stuck, "connections", "closed: answers not read for 30 seconds") \
    row(disconnects_shutdown, "connections", "closed because burgeed stopped") \
    row(nacks_full, "batches", "refused for now: spool, disk or queue full") \
    row(nacks_invalid, "events", "NACK INVALID sent") \
    row(nacks_too_big, "events", "NACK TOO_BIG sent") \
    row(client_dropped_ring_full, "events", "dropped in clients: no room in the ring") \
    row(client_dropped_session_expired, "events", "dropped in clients: undecided at expiry") \
    row(client_dropped_too_big, "events", "dropped in clients: a text over its limit") \
    row(client_dropped_invalid, "events", "dropped in clients: not finite, or a name empty") \
    row(client_dropped_no_experiment, "events", "dropped in clients: flag without experiment") \
    row(client_dropped_ordinary, "events", "of all these drops: ordinary events") \
    row(client_dropped_exposure, "events", "of all these drops: first impressions") \
    row(client_dropped_conversion, "events", "of all these drops: conversions") \
    row(client_dropped_error, "events", "of all these drops: errors") \
    row(events_delivered, "events", "stored in PostgreSQL") \
    row(events_dead_lettered, "events", "kept in burgee.dead_letter instead") \
    row(events_replayed, "events", "stored again for a database that went back in time") \
    row(events_replay_missing, "events", "asked for by such a database and no longer kept") \
    row(events_lost, "events", "lost by the disk after they were acknowledged") \
    row(spool_id_changes, "spools", "found to be a copy of another host's: given a new id") \
    row(uploads, "batches", "transactions that moved the cursor") \
    row(upload_failures, "attempts", "transactions that failed; the cursor decided") \
    row(polls, "polls", "questions to PostgreSQL for a newer revision") \
    row(poll_failures, "polls", "of the above: without an answer") \
    row(publishes, "generations", "published in shared memory") \
    row(publish_failures, "generations", "not published: no room, or failed read-back")
// clang-format on

enum class Counter : std::size_t {
#define BURGEE_COUNTER_NAME(name, unit, meaning) name,
    BURGEE_COUNTERS(BURGEE_COUNTER_NAME)
#undef BURGEE_COUNTER_NAME
};

struct CounterDescription {
    std::string_view name;
    std::string_view unit;
    std::string_view meaning;
};

inline constexpr CounterDescription kCounterDescriptions[] = {
#define BURGEE_COUNTER_DESCRIPTION(name, unit, meaning) {#name, unit, meaning},
    BURGEE_COUNTERS(BURGEE_COUNTER_DESCRIPTION)
#undef BURGEE_COUNTER_DESCRIPTION
};
inline constexpr std::size_t kCounterCount = std::size(kCounterDescriptions);

/// All counters of one daemon, zero at its start. Thread safety: any thread, any time; a reader
/// sees each counter exact, several of them not as of one instant. Cost: one relaxed addition.
class Counters {
public:
    void add(Counter counter, std::uint64_t amount = 1) noexcept {
        // Relaxed: a count orders nothing and pairs with nothing.
        values_[static_cast<std::size_t>(counter)].fetch_add(amount, std::memory_order_relaxed);
    }
    std::uint64_t value(Counter counter) const noexcept {
        // Relaxed: as above.
        return values_[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
    }
    /// Calls `take(description, value)` for each row of the table, in its order.
    template <class Take>
    void for_each(Take&& take) const {
        for (std::size_t index = 0; index < kCounterCount; ++index) {
            take(kCounterDescriptions[index], value(static_cast<Counter>(index)));
        }
    }

private:
    std::array<std::atomic<std::uint64_t>, kCounterCount> values_{};
};

}  // namespace burgee::daemon
