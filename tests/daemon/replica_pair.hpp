#pragma once

// Two real PostgreSQL servers, a primary and its streaming standby, on Unix sockets in temporary
// directories; the standby can be made the primary as often as a test likes. Needs the package
// postgresql, and throws where it is missing.

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

class ReplicaPair {
public:
    /// `is_synchronous`: a COMMIT is answered when the standby has it on disk, too.
    explicit ReplicaPair(bool is_synchronous);
    ~ReplicaPair();
    ReplicaPair(const ReplicaPair&) = delete;
    ReplicaPair& operator=(const ReplicaPair&) = delete;

    /// Names both servers, always in the same order; libpq looks for the one that can be written
    /// to.
    std::string dsn() const;
    /// Names the one that is the standby now, and no other.
    std::string standby_dsn() const { return dsn_of(standby()); }

    /// Returns when the standby has everything that the primary has committed so far.
    void let_standby_catch_up();
    /// The standby has what was committed before, and sees nothing more until fail_over().
    void stop_standby();

    /// Crashes the primary, makes the standby primary, and gives it a standby of its own.
    void fail_over();
    void crash_primary();
    void promote();
    void add_standby();

    /// Runs SQL on the primary of the moment; see PostgresCluster.
    void execute(const std::string& sql);
    std::string value(const std::string& sql);

private:
    struct Node {
        TemporaryDirectory directory{"burgee-node"};
        std::unique_ptr<ChildProcess> server;
    };

    Node& primary() { return nodes_[primary_]; }
    Node& standby() { return nodes_[1 - primary_]; }
    const Node& standby() const { return nodes_[1 - primary_]; }
    static std::string dsn_of(const Node& node);
    void start(Node& node);
    void stop(Node& node, int signal);
    void run(const std::string& program, const std::vector<std::string>& arguments);
    std::string value_of(const Node& node, const std::string& sql);
    void wait_until(const Node& node, const std::string& sql);

    PostgresCluster programs_;  // only to know where the programs are, and whose identity to take
    std::string run_as_;
    bool is_synchronous_;
    std::array<Node, 2> nodes_;
    std::size_t primary_ = 0;
};

}  // namespace burgee::test
