#pragma once

// Load for fault tests: threads that ask flags and track events through the real client, and the
// oracle that holds what they were told against what PostgreSQL has.
//
// Every event's value is unique: producer * kProducerStride + number. So "stored exactly once" is a
// statement about values, whatever sessions, LSNs and batches did underneath. The list of acknowledged
// events comes from the clients and from nobody else.

#include <burgee/client.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/fault/accounting.hpp"
#include "tests/fault/fault_count.hpp"
#include "tests/support/postgres_cluster.hpp"

namespace burgee::test {

inline constexpr double kProducerStride = 1e9;

/// Creates the flags the load asks: `load` (ab_test with an experiment) and the pair `pair.a`, `pair.b`
/// whose configurations carry the same version in every committed state.
void create_load_flags(PostgresCluster& postgres);

/// Moves both flags of the pair to `version` in one transaction.
void move_pair(PostgresCluster& postgres, std::uint64_t version);

class EventLoad {
public:
    struct Options {
        int producer_count = 2;
        int first_producer = 1;         ///< loads on one database need values of their own
        int burst_events = 25;          ///< then a pause, so that PostgreSQL keeps up
        std::int64_t pause_us = 5'000;
        bool has_checker = true;        ///< a thread that asks the pair all the time
    };

    EventLoad(const std::string& directory, Options options);
    ~EventLoad();

    /// No more events; the client stays.
    void stop();

    Client& client() { return client_; }
    std::uint64_t failed_lookups() const { return failed_lookups_; }
    std::uint64_t torn_snapshots() const { return torn_snapshots_; }
    std::uint64_t backward_steps() const { return backward_steps_; }
    std::uint64_t checks() const { return checks_; }
    OfferedEvents offered() const { return {calls_, taken_}; }
    std::uint64_t in_flight() const { return client_.counters().in_flight; }

private:
    void produce(int producer);
    void check();

    Options options_;
    Client client_;
    std::atomic<bool> is_stopping_{false};
    std::atomic<std::uint64_t> failed_lookups_{0};
    std::atomic<std::uint64_t> torn_snapshots_{0};
    std::atomic<std::uint64_t> backward_steps_{0};
    std::atomic<std::uint64_t> checks_{0};
    std::atomic<std::uint64_t> calls_{0};
    std::atomic<std::uint64_t> taken_{0};
    std::vector<std::thread> threads_;
};

/// What PostgreSQL holds of the load.
struct StoredEvents {
    std::uint64_t rows = 0;             ///< in ab_test_metrics
    std::uint64_t distinct_values = 0;
    std::uint64_t distinct_lsns = 0;    ///< of (spool_id, lsn)
    std::uint64_t dead_letters = 0;
    std::uint64_t folded = 0;           ///< sum of n in burgee.unit_metrics
};
StoredEvents stored_events(PostgresCluster& postgres);

/// Waits until `events` are there, and expects each once, raw and in the unit state, and no other.
void expect_stored_once(PostgresCluster& postgres, std::uint64_t events);

}  // namespace burgee::test
