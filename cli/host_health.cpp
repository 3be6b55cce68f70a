#include "cli/host_health.hpp"

#include <filesystem>

#include "cli/publication.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

using sync::Finding;
using sync::Findings;
using sync::Severity;

constexpr const char* kStart = "systemctl restart burgeed";

struct StateWords {
    ControlState bit;
    Severity severity;
    const char* words;
};

// kStateGuardHeld: rows vanished without being deleted; somebody should look, flags still answer.
constexpr StateWords kStates[] = {
    {kStateDatabaseDown, Severity::kFail, "burgeed cannot reach its database"},
    {kStateStale, Severity::kFail, "flags are older than the limit of burgeed"},
    {kStateShedding, Severity::kFail, "burgeed refuses events: the spool is full"},
    {kStateDiskFull, Severity::kFail, "burgeed refuses events: its disk is full"},
    {kStatePublishFailed, Severity::kFail, "the newest snapshot could not be published"},
    {kStateGuardHeld, Severity::kWarn, "burgeed holds back a suspicious change"},
};

void check_daemon(const ClientStatus& status, Findings& findings) {
    if (status.daemon == DaemonLife::kAlive) {
        findings.push_back({Severity::kOk, "daemon", "burgeed is alive", ""});
    } else {
        findings.push_back({Severity::kFail, "daemon",
                            "burgeed is " + std::string(to_string(status.daemon)) +
                                ": flags answer from generation " +
                                std::to_string(status.generation) + " and never change",
                            kStart});
    }
    for (const StateWords& state : kStates) {
        if ((status.control_state & state.bit) != 0) {
            findings.push_back({state.severity, "daemon", state.words, "burgee status"});
        }
    }
}

void check_snapshot(const ClientStatus& status, const Snapshot& snapshot,
                    std::optional<std::uint64_t> revision, Findings& findings) {
    const ViewError error = snapshot.view().check_bodies();
    if (error != ViewError::kNone) {
        findings.push_back({Severity::kFail, "snapshot",
                            "generation " + std::to_string(status.generation) +
                                " is damaged: " + std::string(describe(error)),
                            kStart});
        return;
    }
    std::string words = "generation " + std::to_string(snapshot.generation()) + " with " +
                        std::to_string(status.flag_count) + " flags";
    if (!revision) {
        findings.push_back({Severity::kOk, "snapshot", words, ""});
        return;
    }
    const std::uint64_t ours = snapshot.revision();
    // A daemon that is alive polls each second; who is ahead reads another database.
    if (ours == *revision) {
        words += " is at the database's revision " + std::to_string(ours);
        findings.push_back({Severity::kOk, "snapshot", words, ""});
    } else if (ours < *revision) {
        words += " has revision " + std::to_string(ours) + ", " + std::to_string(*revision - ours) +
                 " behind the database";
        findings.push_back({Severity::kWarn, "snapshot", words, "burgee status"});
    } else {
        words += " has revision " + std::to_string(ours) + ", the database only " +
                 std::to_string(*revision) +
                 ": burgeed reads another database, or this one was "
                 "set back";
        findings.push_back({Severity::kFail, "snapshot", words, "burgee status"});
    }
}

}  // namespace

Findings check_host(const std::string& directory, std::optional<std::uint64_t> revision) {
    Findings findings;
    std::error_code error;
    if (!std::filesystem::is_directory(directory, error)) {
        findings.push_back({Severity::kWarn, "host",
                            directory + " is not there: no burgeed on this host, or --directory is "
                                        "wrong",
                            "systemctl start burgeed"});
        return findings;
    }
    Publication publication(directory);
    const ClientStatus status = publication.client().status();
    if (!status.is_ready) {
        findings.push_back({Severity::kFail, "host", publication.problem(), kStart});
        return findings;
    }
    check_daemon(status, findings);
    check_snapshot(status, publication.snapshot(), revision, findings);
    return findings;
}

}  // namespace burgee::cli
