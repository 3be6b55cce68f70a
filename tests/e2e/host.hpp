#pragma once

// One host as an operator would set it up, in temporary directories: a private PostgreSQL with our
// schema, a configuration file, burgeed, and the small vocabulary that end-to-end tests speak.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

/// Receives what a service says to its manager ($NOTIFY_SOCKET).
class NotifySocket {
public:
    explicit NotifySocket(std::string path);
    ~NotifySocket();
    NotifySocket(const NotifySocket&) = delete;
    NotifySocket& operator=(const NotifySocket&) = delete;

    /// Waits for a message that contains `line`. @return false at the deadline.
    bool wait_for(std::string_view line, std::chrono::milliseconds deadline);
    std::string variable() const { return "NOTIFY_SOCKET=" + path_; }

private:
    std::string path_;
    int fd_ = -1;
};

struct HostOptions {
    std::string extra_config;   ///< more TOML, appended
    bool is_listening = true;   ///< database.listen
    int poll_interval_ms = 200;
    bool has_schema = true;     ///< run the migrations
    PostgresOptions postgres;
};

class Host {
public:
    explicit Host(HostOptions options = {});

    PostgresCluster& postgres() { return *postgres_; }
    const std::string& run_directory() const { return run_directory_; }
    const std::string& state_directory() const { return state_directory_; }
    const std::string& config_path() const { return config_path_; }
    std::string daemon_log() const { return read_file(log_path_); }
    const std::string& log_path() const { return log_path_; }
    NotifySocket& notify() { return *notify_; }

    /// Starts burgeed and waits for READY=1. Throws with the daemon's log when it does not come.
    void start_daemon(const std::vector<std::string>& environment = {});
    /// SIGTERM and wait. @return the exit code; -1 when a signal ended it.
    int stop_daemon();
    /// SIGKILL and wait.
    void kill_daemon();
    ChildProcess& daemon() { return *daemon_; }
    bool has_daemon() { return daemon_ && daemon_->is_running(); }
    /// How one starts burgeed here: program and arguments.
    std::vector<std::string> daemon_command() const;

    /// Runs `burgee ARGUMENTS...` against this host and database.
    ChildOutcome burgee(const std::vector<std::string>& arguments);
    /// The same, and fails loudly unless it exits 0. @return what it printed.
    std::string burgee_ok(const std::vector<std::string>& arguments);

private:
    TemporaryDirectory directory_;
    std::string run_directory_;
    std::string state_directory_;
    std::string config_path_;
    std::string log_path_;
    std::unique_ptr<PostgresCluster> postgres_;
    std::unique_ptr<NotifySocket> notify_;
    std::unique_ptr<ChildProcess> daemon_;
};

/// Asks `is_true` every millisecond until it holds. @return false at the deadline.
template <typename Predicate>
bool wait_until(Predicate is_true, std::chrono::milliseconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!is_true()) {
        if (std::chrono::steady_clock::now() >= end) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

}  // namespace burgee::test
