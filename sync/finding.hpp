#pragma once

// One line of a report about a database: what was looked at, whether it is well, what mends it.
// Made by the audits of `sync`, shown by `burgee doctor` and `burgee db adopt`.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace burgee::sync {

enum class Severity : std::uint8_t {
    kOk,
    kWarn,  ///< works, but not as somebody may think
    kFail,  ///< does not work, or gives answers that nobody wants
};

/// "ok", "warn", "FAIL".
std::string_view to_string(Severity severity);

struct Finding {
    Severity severity = Severity::kOk;
    std::string subject;  ///< "flag search", "experiment models", "database"
    std::string message;  ///< one line, no full stop
    std::string command;  ///< that mends it; empty when there is nothing to run

    friend bool operator==(const Finding&, const Finding&) = default;
};

using Findings = std::vector<Finding>;

/// True when nothing FAILs.
bool is_well(const Findings& findings);

/// `text` as one word of a shell's command line, quoted where it must be.
std::string shell_word(std::string_view text);

}  // namespace burgee::sync
