#pragma once

// Decides what a row of feature_flags means, or why it cannot be taken. The one place where the
// JSON of a flag is read; relied on by the flag reader (what is published) and the flag store (what
// may be written), so that nothing can be stored that could not be published. Never throws on any
// text.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shm/flag_set.hpp"

namespace burgee::sync {

/// One row as PostgreSQL's text gives it; nothing stands for NULL.
struct RawFlag {
    std::optional<std::string> name;
    std::optional<std::string> status;
    std::optional<std::string> rollout_percentage;
    std::optional<std::string> segments;
    std::optional<std::string> variants;
    std::optional<std::string> metadata;
    std::optional<std::int64_t> expires_unix_ms;
    bool has_created_at = true;
    bool has_updated_at = true;
    std::uint64_t revision = 0;           ///< of the change that last touched the row
    std::vector<LayerMembership> layers;  ///< slots the flag owns, by layer
    bool has_named_layer = false;         ///< the layer that `segments` names exists
};

/// What burgee.settings says about every flag.
struct FlagSettings {
    Bucketing default_bucketing = Bucketing::kXxh3;  ///< of a row whose segments name none
    bool is_canary_off = false;  ///< legacy_canary = off: canary flags answer as disabled

    friend bool operator==(const FlagSettings&, const FlagSettings&) = default;
};

struct FlagVerdict {
    std::optional<FlagDefinition> flag;  ///< nothing: refused, and `problems` says why
    std::vector<FlagProblem>
        problems;  ///< refusals and warnings, each naming flag, field and remedy
};

/// Checks one row. A disabled flag is refused for its name alone: what else is bad in its row only
/// warns, so that a switch always works. Pure; any thread. Cost: linear in its texts.
FlagVerdict check_flag(const RawFlag& row, const FlagSettings& settings);

/// Whether hosts refuse `flag` because it draws at random under one of `experiments`, the
/// active ones. A disabled flag draws nothing, and nothing may keep a flag from being switched off.
/// Pure. Cost: linear in the experiments for a flag that draws at random, else constant.
bool is_random_with_experiment(const FlagDefinition& flag,
                               const std::vector<ExperimentDefinition>& experiments);

/// The refusal of such a flag.
FlagProblem random_with_experiment(const FlagDefinition& flag);

/// `name` for people: control characters and broken UTF-8 escaped, cut at 80 bytes, "(no name)"
/// when it is empty.
std::string shown_name(std::string_view name);

/// Problems as one line: "search: rollout_percentage: ...; variants[1].weight: ...".
std::string to_line(const std::vector<FlagProblem>& problems);

}  // namespace burgee::sync
