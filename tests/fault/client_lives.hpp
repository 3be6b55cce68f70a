#pragma once

// Client processes that die: each tracks events with values of its own, notes in shared memory what
// it has offered and what was acknowledged, and kills itself at a chosen event.

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/postgres_cluster.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

/// What one client left behind. Its events have the values number * kProducerStride + 1, 2, 3, ...
struct ClientLife {
    std::uint64_t number = 0;
    std::uint64_t offered = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t refused = 0;
};

class ClientLives {
public:
    explicit ClientLives(std::string run_directory) : run_directory_(std::move(run_directory)) {}

    /// Event number of the latest death.
    static constexpr std::uint64_t kKillAtMax = 20'000;

    /// Runs a client until it kills itself at event `kill_at`.
    ClientLife live_and_die(std::uint64_t number, std::uint64_t kill_at) const;

private:
    std::string run_directory_;
    TemporaryDirectory pages_;
};

/// Of each life: what was acknowledged is stored, what is stored was offered, once, and without a
/// hole. @return the rows of all of them
std::uint64_t expect_stored_prefixes(PostgresCluster& postgres,
                                     const std::vector<ClientLife>& lives);

}  // namespace burgee::test
