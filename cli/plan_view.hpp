#pragma once

// What a planned change of a flag would do, for people and as JSON.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/plan_evaluation.hpp"
#include "cli/plan_matrix.hpp"

namespace burgee::cli {

/// A variant that keeps its name and gets another configuration.
struct NewConfig {
    std::string variant;
    double share = 0;  ///< of units that have the variant before and after
};

/// A unit of `include` or `exclude`, before or after, whose answer changes.
struct NamedUnit {
    std::string unit;
    PlannedSide before;
    PlannedSide after;
};

struct PlanReport {
    std::string flag;
    SideMatrix shares{{"off"}};        ///< see plan_matrix()
    bool is_of_everybody = true;       ///< false: of the units that targeting lets through
    bool is_random = false;            ///< every question draws anew, so no unit keeps an answer
    std::vector<std::string> basis;    ///< why the shares are what they are, a sentence each
    std::vector<std::string> unknown;  ///< what attributes decide and nobody here can know
    std::vector<NewConfig> new_configs;
    std::size_t named_count = 0;  ///< units in the lists, before or after
    std::vector<NamedUnit> named_changes;
    std::string contexts_file;
    std::uint64_t context_count = 0;
    std::optional<SideMatrix> measured;  ///< shares of the contexts
    std::vector<std::string> experiments;

    /// Whether units that met one side would meet another, as far as is known.
    [[nodiscard]] bool changes_sides() const;
};

std::string plan_text(const PlanReport& report);
std::string plan_json(const PlanReport& report);

}  // namespace burgee::cli
