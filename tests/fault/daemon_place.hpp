#pragma once

// A burgeed with directories of its own on a database that it shares with others, so that several
// can be killed at the same time. tests/e2e/host.hpp is the same for one daemon that has a database
// to itself.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/e2e/host.hpp"
#include "tests/fault/accounting.hpp"
#include "tests/fault/traced_process.hpp"

namespace burgee::test {

struct PlaceOptions {
    std::string extra_config;     ///< more TOML, appended
    std::string state_directory;  ///< empty: one of its own; made by the caller otherwise
    std::string durability = "synced";
    std::uint64_t segment_mib = 4;
    std::uint64_t cap_mib = 4'096;
};

class DaemonPlace {
public:
    explicit DaemonPlace(const std::string& dsn, PlaceOptions options = {});

    const std::string& run_directory() const { return run_directory_; }
    const std::string& state_directory() const { return state_directory_; }
    std::string spool_directory() const { return state_directory_ + "/spool"; }
    std::string log() const { return read_file(log_path_); }
    NotifySocket& notify() { return *notify_; }

    /// Starts burgeed and waits for READY=1. Throws with its log when it does not come.
    void start();
    /// SIGTERM and wait. @return the exit code; -1 when a signal ended it.
    int stop();
    ChildProcess& daemon() { return *daemon_; }
    bool has_daemon() { return daemon_ && daemon_->is_running(); }

    /// Starts burgeed under ptrace; ready or not.
    std::unique_ptr<TracedProcess> start_traced(TracePlan plan = {});

    /// The account of the last status report; of the end when burgeed was stopped.
    Accounts accounts() const { return accounts_in(read_file(run_directory_ + "/status.json")); }
    /// A counter of the last status report.
    std::uint64_t counter(const std::string& name) const;

    static Accounts accounts_in(const std::string& status_json);

private:
    TemporaryDirectory directory_;
    std::string run_directory_;
    std::string state_directory_;
    std::string config_path_;
    std::string log_path_;
    std::unique_ptr<NotifySocket> notify_;
    std::unique_ptr<ChildProcess> daemon_;
};

/// Waits until the status report of burgeed in `run_directory` says that its spool is empty and
/// that it has had `events` or more, as long as the spool gets shorter at all: a backlog of
/// millions may take as long as it likes. @return false when nothing moved for five minutes
bool wait_until_delivered_in(const std::string& run_directory, std::uint64_t events);

/// What the database holds of all spools together.
StoredAccounts stored_accounts(PostgresCluster& postgres);

/// Creates our schema, by `burgee db migrate`.
void migrate(PostgresCluster& postgres);

}  // namespace burgee::test
