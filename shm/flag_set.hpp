#pragma once

// Flags and experiments as plain values: what `sync` reads and checks, and what the snapshot
// builder compiles. Every value here has passed flag_check: text is strict UTF-8, numbers are
// finite and in range, variants are legal for their status. Nothing here knows SQL, JSON or shared
// memory.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <burgee/snapshot_layout.hpp>

namespace burgee {

enum class Bucketing : std::uint8_t { kXxh3, kLegacyMd5 };
enum class Strategy : std::uint8_t { kHash, kRandom };

using Uuid = std::array<std::uint8_t, 16>;

/// One scalar of config_overrides under its dotted path.
struct ConfigScalar {
    std::string path;
    std::variant<bool, std::int64_t, double, std::string> value;

    friend bool operator==(const ConfigScalar&, const ConfigScalar&) = default;
};

struct VariantDefinition {
    std::string name;
    double weight = 0;                 ///< percent, 0 .. 100
    std::string config_json;           ///< config_overrides as PostgreSQL's jsonb text
    std::vector<ConfigScalar> config;  ///< flattened, unique paths

    friend bool operator==(const VariantDefinition&, const VariantDefinition&) = default;
};

struct FlagDefinition {
    std::string name;
    Status status = Status::kDisabled;
    double rollout_percentage = 0;  ///< 0 .. 100
    std::optional<std::int64_t> expires_unix_ms;
    std::uint64_t revision = 0;  ///< the change that last touched this flag

    Strategy strategy = Strategy::kHash;
    Bucketing bucketing = Bucketing::kXxh3;
    std::string salt;                    ///< never empty: defaults are already filled in
    std::vector<std::string> bucket_by;  ///< empty = user_id, then session_id
    std::vector<std::string> include;    ///< unit ids
    std::vector<std::string> exclude;    ///< unit ids
    std::vector<VariantDefinition> variants;

    friend bool operator==(const FlagDefinition&, const FlagDefinition&) = default;
};

/// An experiment with status active, whatever its dates say.
struct ExperimentDefinition {
    Uuid id{};
    std::string name;
    std::string flag_name;
    std::int64_t start_unix_ms = 0;
    std::optional<std::int64_t> end_unix_ms;
    std::uint32_t phase = 1;

    friend bool operator==(const ExperimentDefinition&, const ExperimentDefinition&) = default;
};

/// Why a row, or a field of one, was not taken. Shown by `burgee flag problems`, status and the
/// log.
struct FlagProblem {
    std::string flag;        ///< name of the flag, escaped for people
    std::string field;       ///< "variants[1].weight"
    std::string message;     ///< what is wrong and what to do, one line
    bool is_refused = true;  ///< false: a warning, the flag is published as it stands

    friend bool operator==(const FlagProblem&, const FlagProblem&) = default;
};

/// What one poll of Postgres found.
struct FlagChanges {
    std::uint64_t revision = 0;         ///< the revision this poll has seen
    std::uint64_t source_id = 0;        ///< which database
    std::int64_t database_unix_ms = 0;  ///< now() of the poll's transaction
    bool is_full = false;               ///< `changed` is the whole set, not an increment
    std::vector<FlagDefinition> changed;
    std::vector<std::string> removed;  ///< names with a tombstone, or missing from a full read
    std::vector<ExperimentDefinition> experiments;  ///< always all active ones
    std::vector<FlagProblem> problems;              ///< of the rows read by this poll
    std::vector<std::string> refused;  ///< names whose row is bad: their last valid form stays
};

}  // namespace burgee
