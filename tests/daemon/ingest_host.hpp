#pragma once

// Starts burgee_ingest_host and says what it takes and what it counted. Shared by tests and
// benchmarks that need more clients than one process can hold both ends of.

#include <signal.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

/// A line of /proc/PID/status in KiB: "VmRSS" is what it has now, "VmHWM" the most it ever had.
inline std::uint64_t memory_kib(pid_t pid, const std::string& key) {
    std::istringstream status(read_file("/proc/" + std::to_string(pid) + "/status"));
    std::string word;
    while (status >> word) {
        if (word == key + ":") {
            std::uint64_t kib = 0;
            status >> kib;
            return kib;
        }
    }
    throw std::runtime_error("no " + key + " of process " + std::to_string(pid));
}

class IngestHost {
public:
    /// Returns when it serves; throws when it does not.
    explicit IngestHost(const std::string& program, std::int64_t stuck_timeout_ms = 30'000) {
        std::filesystem::create_directory(directory_.file("spool"));
        ChildOptions options;
        options.arguments = {program, directory_.path(), std::to_string(stuck_timeout_ms)};
        options.output_path = directory_.file("output");
        options.death_signal = SIGKILL;
        process_ = std::make_unique<ChildProcess>(options);
        for (int looks = 0; process_->output().find("ready") == std::string::npos; ++looks) {
            if (looks == 30'000 || !process_->is_running()) {
                throw std::runtime_error("the event server does not start");
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));  // between two looks
        }
    }

    std::string socket_path() const { return directory_.file("events.sock"); }
    std::string spool_directory() const { return directory_.file("spool"); }
    std::uint64_t memory_kib(const std::string& key) const {
        return test::memory_kib(process_->pid(), key);
    }

    /// Ends it as a service manager does. @return its counters; empty when it ended otherwise.
    std::map<std::string, std::uint64_t> stop() {
        process_->kill(SIGTERM);
        const auto exit = process_->wait(std::chrono::seconds(60));
        std::map<std::string, std::uint64_t> counters;
        if (exit && exit->code == 0) {
            // The log goes before.
            const std::string output = process_->output();
            const std::string heading = "counters\n";
            std::istringstream lines(output.substr(output.rfind(heading) + heading.size()));
            std::string name;
            for (std::uint64_t value = 0; lines >> name >> value;) {
                counters[name] = value;
            }
        }
        return counters;
    }

private:
    TemporaryDirectory directory_{"burgee-ingest"};
    std::unique_ptr<ChildProcess> process_;
};

}  // namespace burgee::test
