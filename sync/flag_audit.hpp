#pragma once

// What is wrong with flags and experiments although, mostly, it works: arms that get nobody,
// targeting that targets nobody, weights that do not add up, canaries that would change. Pure: no
// SQL, no clock. Relied on by the database audit.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sync/finding.hpp"
#include "sync/flag_check.hpp"

namespace burgee::sync {

/// An experiment with status active, as far as the audit looks at it.
struct AuditedExperiment {
    std::string id;  ///< uuid
    std::string name;
    std::string flag_name;
    bool is_open = false;  ///< start_date <= now < end_date
};

/// A flag's row and what surrounds it.
struct AuditedFlag {
    RawFlag row;
    std::vector<AuditedExperiment> experiments;  ///< active ones of this flag, newest start first
    std::int64_t now_unix_ms = 0;                ///< database time
    bool is_adopted = false;  ///< of a database of the former system, where canary was always off
};

/// Everything to say about one flag, worst first is not promised. Empty: nothing to say.
/// Cost: about 30 us for a legacy ab_test, 2 us for the others.
Findings audit_flag(const AuditedFlag& flag, const FlagSettings& settings);

}  // namespace burgee::sync
