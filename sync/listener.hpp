#pragma once

// Waits for the hint that a flag changed (NOTIFY burgee_flags) on a connection of its own, so that
// a change need not wait for the next poll. A hint replaces no poll: without a listener everything
// still works, only later. Refused, cut off or behind a transaction pooler it degrades to plain
// waiting and tries again by itself.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "sync/pg_session.hpp"

namespace burgee::sync {

enum class WaitOutcome : std::uint8_t {
    kHint,     ///< something changed, or may have while we were not listening: poll now
    kTimeout,  ///< nothing happened
    kWoken,    ///< wake_fd became readable; it was not read
    kBroken,   ///< the connection was lost just now: poll now; listening resumes by itself
};

class FlagListener {
public:
    /// Only remembers. `is_enabled` false: never connects, wait() is a plain wait.
    explicit FlagListener(PgOptions options, bool is_enabled = true);
    ~FlagListener();
    FlagListener(const FlagListener&) = delete;
    FlagListener& operator=(const FlagListener&) = delete;

    /// Waits for a hint, for `timeout`, or for `wake_fd` (-1: none) to become readable. Meanwhile
    /// connects and listens when it does not yet and its backoff (1 s to 60 s) has passed, step by
    /// step over as many calls as the server needs, and gives up an attempt after four times
    /// connect_timeout; success is answered with kHint, since a change may have come before.
    /// Several notifications that arrived together are one hint. Asks the server for a sign of life
    /// every 30 s. Thread safety: one thread. Only looking up the name of a host may take longer
    /// than `timeout`; addresses and socket directories never do.
    WaitOutcome wait(std::chrono::milliseconds timeout, int wake_fd = -1);

    bool is_listening() const;

    /// Why it is not listening, one line; empty while it is or was never asked to.
    const std::string& last_error() const;

    /// Notifications received so far.
    std::uint64_t notification_count() const;

private:
    struct Link;
    std::unique_ptr<Link> link_;
};

}  // namespace burgee::sync
