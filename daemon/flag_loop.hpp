#pragma once

// From PostgreSQL to every process of the host: waits for a hint, the poll interval or the next
// expiry, reads what changed, builds a snapshot, publishes it, and keeps the last good one on disk.
//
// Invariants:
//   1. Nothing that PostgreSQL does, or fails to do, takes a published snapshot away.
//   2. A candidate that fails the read-back is never announced; the next poll reads everything
//   again.
//   3. Expiry and experiments are decided on database time: the last poll's now() plus our own
//      monotonic clock since, so they take effect also while PostgreSQL is down. When it has not
//      answered since we started, our wall clock stands in, and only experiments that were
//      published active end: a snapshot tells neither when a flag expires nor what starts later.
//   4. A flag whose row is bad, or vanished without being deleted, keeps its last valid form, also
//      when that form was published before we started; no other change waits for it, no kill.
//   5. The loop waits for no disk: a kill switch would wait behind it.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "daemon/config.hpp"
#include "shm/flag_set.hpp"
#include "shm/publisher.hpp"

namespace burgee::daemon {

/// What the flag loop tells others about itself; a copy, taken under a lock.
struct FlagLoopStatus {
    std::uint64_t generation = 0;
    std::uint64_t revision = 0;
    std::size_t flag_count = 0;
    std::int64_t published_unix_ms = 0;  ///< our wall clock, for people
    std::uint64_t snapshot_size_bytes = 0;
    double publish_ms = 0;              ///< build, write, read-back of the newest snapshot
    std::int64_t answered_unix_ms = 0;  ///< our wall clock at the last successful poll
    bool is_database_up = false;
    std::string database_error;  ///< why it is not
    double poll_ms = 0;          ///< how long the last poll took
    bool is_listening = false;
    std::string publish_error;          ///< why the newest snapshot is not out; "" = it is
    std::vector<std::string> held;      ///< flags whose rows vanished without a trace
    std::vector<FlagProblem> problems;  ///< of rows and of flags that could not be compiled
    std::size_t more_problems = 0;      ///< beyond kKeptProblemsMax
    std::uint64_t polls = 0;
    std::uint64_t poll_failures = 0;
    std::uint64_t publishes = 0;
    std::uint64_t publish_failures = 0;
    std::uint64_t hints = 0;
    std::uint64_t rows_read = 0;
};

class FlagLoop {
public:
    /// @param publisher  of the run directory; used by the loop's thread, and for heartbeats by
    /// main.
    FlagLoop(const Config& config, Publisher& publisher);
    ~FlagLoop();
    FlagLoop(const FlagLoop&) = delete;
    FlagLoop& operator=(const FlagLoop&) = delete;

    /// Publishes the last known good snapshot, if there is one, or the one that is in force in the
    /// run directory, if it is newer; later ones keep what rows have no valid form of from it. Call
    /// before start().
    /// @return  one line for the log: what was published, or why nothing was.
    std::string publish_last_known_good();

    void start();
    /// Stops within about a second, also while PostgreSQL hangs.
    void stop();

    /// Polls at once and reads everything.
    void refresh();

    FlagLoopStatus status() const;

    /// Grows while the loop is alive: the watchdog compares it. The loop may rest for one poll
    /// interval or one database timeout, whichever is longer.
    std::chrono::steady_clock::time_point last_turn() const;

private:
    struct Database;

    void run();
    void begin(Database& database);
    void wait(Database& database);
    void poll(Database& database);
    void take(Database& database, const FlagChanges& changes);
    void publish(Database& database);
    void wake() const;
    void note_held(const Database& database);
    void note_problems(Database& database);
    std::chrono::milliseconds jittered(std::chrono::milliseconds interval);

    Config config_;
    Publisher& publisher_;
    std::mt19937_64 random_;
    int wake_fd_ = -1;
    std::atomic<bool> is_stopping_{false};
    std::atomic<bool> is_refresh_wanted_{false};
    std::atomic<std::int64_t> last_turn_ms_{0};
    mutable std::mutex mutex_;
    FlagLoopStatus status_;               // guarded by mutex_
    std::function<void()> interrupt_;     // guarded by mutex_; breaks a hanging transaction
    std::vector<std::byte> first_image_;  // of publish_last_known_good(), until begin()
    std::thread thread_;
};

}  // namespace burgee::daemon
