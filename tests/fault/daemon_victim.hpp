#pragma once

// One burgeed, its load and its deaths: it lives under ptrace, is killed at system calls drawn at
// random while producers track and a checker reads, and has to answer for all of it at the end.

#include <cstdint>
#include <memory>
#include <random>

#include "tests/fault/daemon_place.hpp"
#include "tests/fault/event_load.hpp"

namespace burgee::test {

class DaemonVictim {
public:
    /// Starts the load and sees it through the first events. `number` keeps the values of several
    /// victims on one database apart.
    DaemonVictim(PostgresCluster& postgres, int number, std::uint64_t seed);

    /// So many lives, each ended by a SIGKILL; prints a line each.
    void live_and_die(std::uint64_t kills);

    /// The last life: everything that was taken is decided, no lookup failed, none went back.
    void settle();

    /// Waits until a status report says that the spool is empty.
    void wait_until_delivered();

    /// A clean end: what burgeed says of its events adds up, and nothing is left in its spool.
    void stop();

    const std::string& run_directory() const { return place_.run_directory(); }
    std::uint64_t acknowledged() const { return load_->client().counters().acknowledged; }
    std::uint64_t killed() const { return killed_; }
    std::uint64_t killed_with_events() const { return killed_with_events_; }

private:
    DaemonPlace place_;
    std::mt19937_64 random_;
    int number_;
    std::unique_ptr<EventLoad> load_;
    std::uint64_t killed_ = 0;
    std::uint64_t killed_with_events_ = 0;
};

}  // namespace burgee::test
