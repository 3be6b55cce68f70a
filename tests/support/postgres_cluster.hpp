#pragma once

// A private PostgreSQL server for one test: own data directory, a Unix socket and no TCP port,
// trust authentication, gone at the end. Any number may run at the same time. Needs the package
// postgresql (15 or later); where it is missing the constructor throws, so the test fails and says
// why: it is never skipped.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

enum class PostgresStop {
    kFast,       ///< disconnects everybody, writes a checkpoint
    kImmediate,  ///< quits without one; the next start recovers from the log
};

struct PostgresOptions {
    bool is_durable = false;            ///< true: fsync on, as in production; for benchmarks
    std::vector<std::string> settings;  ///< more "name=value" for the server
};

using PostgresRow = std::vector<std::optional<std::string>>;  ///< nothing stands for NULL

class PostgresCluster {
public:
    /// Creates the cluster and starts it, in half a second; the first of a build directory takes
    /// one. Throws std::runtime_error with the
    /// reason when there is no server to be found or it does not start.
    explicit PostgresCluster(PostgresOptions options = {});
    ~PostgresCluster();
    PostgresCluster(const PostgresCluster&) = delete;
    PostgresCluster& operator=(const PostgresCluster&) = delete;

    /// libpq connection string of the superuser and the database `postgres`.
    std::string dsn() const { return dsn("postgres"); }
    std::string dsn(const std::string& user, const std::string& database = "postgres") const;

    const std::string& socket_directory() const { return directory_.path(); }
    std::string socket_path() const { return directory_.file(".s.PGSQL.5432"); }

    /// Starts a stopped or killed server and returns when it accepts connections.
    void start();
    void stop(PostgresStop how = PostgresStop::kFast);

    /// SIGKILL to the postmaster and its processes, as a crash of the machine would do; returns
    /// when they are gone.
    void kill9();

    bool is_running();

    /// Runs statements in one implicit transaction on a connection of its own, as superuser.
    /// Throws std::runtime_error with the server's message when one fails.
    void execute(const std::string& sql, const std::string& database = "postgres");

    /// The rows of one query, as text.
    std::vector<PostgresRow> rows(const std::string& sql, const std::string& database = "postgres");

    /// The one value of a query that gives one row and one column; "" for NULL.
    std::string value(const std::string& sql, const std::string& database = "postgres");

    /// Path of a program of this server's version: "psql", "pg_dump".
    std::string program(const std::string& name) const { return programs_ + "/" + name; }

    /// The server's log so far.
    std::string log() const { return read_file(directory_.file("log")); }

private:
    void initialise();
    void wait_until_ready();

    PostgresOptions options_;
    std::string programs_;
    std::string run_as_;
    TemporaryDirectory directory_;
    std::unique_ptr<ChildProcess> server_;
};

}  // namespace burgee::test
