// Attaches as a service does and looks at generations go by.

#include "cli/publication.hpp"

#include <chrono>
#include <thread>

#include "cli/exit_code.hpp"
#include "cli/table.hpp"

namespace burgee::cli {
namespace {

// A tenth of the fastest publication measured; cheap, because a look is one load.
constexpr auto kLookInterval = std::chrono::microseconds(200);

ClientOptions client_options(const std::string& directory) {
    ClientOptions options;
    options.directory = directory;
    return options;
}

}  // namespace

Publication::Publication(const std::string& directory)
    : directory_(directory), client_(client_options(directory_)) {}

Snapshot Publication::snapshot() const {
    Snapshot snapshot = client_.pin();
    if (!snapshot.is_ready()) {
        throw Failure(ExitCode::kUnreachable, problem());
    }
    return snapshot;
}

bool Publication::wait_for_revision(std::uint64_t revision, double timeout_seconds) const {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::duration<double>(timeout_seconds);
    const DaemonLife life = client_.status().daemon;
    const bool is_anybody_there = life == DaemonLife::kAlive || life == DaemonLife::kHung;
    while (client_.pin().revision() < revision) {
        if (!is_anybody_there) {
            return false;  // nobody will publish it
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(kLookInterval);
    }
    return true;
}

std::string Publication::problem() const {
    const ClientStatus status = client_.status();
    const std::string where = printable(directory_);
    if (!status.is_ready) {
        // The client asks the same question as we do below; once is enough.
        std::string error = status.error_text();
        error = error.substr(0, error.find("; is burgeed"));
        return "nothing is published in " + where + (error.empty() ? "" : " (" + error + ")") +
               ": is burgeed running, and is --directory right?";
    }
    if (status.daemon != DaemonLife::kAlive) {
        return "burgeed is " + std::string(to_string(status.daemon)) + " in " + where +
               ": start it again, flags answer from generation " +
               std::to_string(status.generation) + " until then";
    }
    if ((status.control_state & kStateDatabaseDown) != 0) {
        return "burgeed cannot reach its database: burgee status";
    }
    return "burgeed has only published revision " + std::to_string(status.revision) +
           " so far: does it read the same database?";
}

}  // namespace burgee::cli
