#pragma once

// burgeed as a whole: where the flag loop, the event server, the spool and the uploader meet.
// Relied on by main() alone.

#include <memory>
#include <stdexcept>
#include <string>

#include "daemon/config.hpp"

namespace burgee::daemon {

/// Why burgeed cannot start: one line, and the exit code of sysexits.h that says how to treat it.
class StartError : public std::runtime_error {
public:
    StartError(int code, const std::string& message)
        : std::runtime_error(message), exit_code(code) {}
    int exit_code;
};

class Daemon {
public:
    /// Takes the run directory. Throws StartError: EX_TEMPFAIL when another burgeed has it, EX_CONFIG
    /// when it is not fit, EX_IOERR when the system refuses.
    explicit Daemon(const Config& config);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    /// Publishes the last known good snapshot, opens the spool, tells the service manager READY=1,
    /// and works until SIGTERM or SIGINT. PostgreSQL need not be there, now or ever. A spool that
    /// cannot be opened costs events, not flags: it is tried again until it works. Throws StartError
    /// before READY=1: EX_TEMPFAIL when another burgeed has the spool, EX_CONFIG when a later burgee
    /// wrote it or the event socket cannot be had.
    void run();

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

/// "0.1.0 (git abc1234, snapshot layout 1, event protocol 1)".
std::string version();

}  // namespace burgee::daemon
