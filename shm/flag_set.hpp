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

#include <burgee/rule_layout.hpp>
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

/// A truth about a context: one constraint on one attribute, a named segment, or several of them
/// combined. A tree of at most kConditionDepthMax levels.
struct Condition {
    enum class Kind : std::uint8_t { kConstraint, kSegment, kAny, kAll, kNot };

    Kind kind = Kind::kConstraint;
    bool is_inverted = false;          ///< of a constraint: its plain negation
    bool is_case_insensitive = false;  ///< ASCII letters only; IN, NOT_IN, STR_*, REGEX
    Operator operation = Operator::kExists;
    std::string attribute;            ///< of a constraint
    std::vector<std::string> values;  ///< IN, NOT_IN, STR_*: one or more; REGEX, SEMVER_*: one
    std::variant<std::int64_t, std::uint64_t, double>
        number;                       ///< NUM_*: the constant; DATE_*: ms since 1970, an int64
    std::string segment;              ///< kSegment: its name
    std::vector<Condition> children;  ///< kAny, kAll: zero or more; kNot: one

    friend bool operator==(const Condition&, const Condition&) = default;
};

/// What a rule gives to those it matches: on or off; the flag's own bucket against another
/// percentage, 0 .. 100; or a variant by name, which only an ab_test flag may serve.
struct ServeRollout {
    double percentage = 0;
    friend bool operator==(const ServeRollout&, const ServeRollout&) = default;
};
struct ServeVariant {
    std::string name;
    friend bool operator==(const ServeVariant&, const ServeVariant&) = default;
};
using Serve = std::variant<bool, ServeRollout, ServeVariant>;

struct Rule {
    std::string name;                    ///< may be empty
    std::vector<Condition> constraints;  ///< all must hold; none always holds
    Serve serve = false;

    friend bool operator==(const Rule&, const Rule&) = default;
};

/// Another flag's answer that this one needs: on or off, or one variant by name.
struct Requirement {
    std::string flag;
    std::variant<bool, std::string> wanted = true;

    friend bool operator==(const Requirement&, const Requirement&) = default;
};

/// Slots [first, last] of a layer, both in [0, kLayerSlotCount).
struct SlotRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;

    friend bool operator==(const SlotRange&, const SlotRange&) = default;
};

struct LayerMembership {
    std::string name;
    std::vector<SlotRange> slots;  ///< ascending, apart; none: nobody takes part

    friend bool operator==(const LayerMembership&, const LayerMembership&) = default;
};

/// A named, reusable audience.
struct SegmentDefinition {
    std::string name;
    std::uint64_t revision = 0;          ///< the change that last touched this segment
    std::vector<Condition> constraints;  ///< all must hold; none always holds

    friend bool operator==(const SegmentDefinition&, const SegmentDefinition&) = default;
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
    std::vector<Condition> audience;     ///< all must hold; empty = everybody
    std::vector<Rule> rules;             ///< in order; the first that matches decides
    std::vector<Requirement> requirements;
    std::optional<LayerMembership> layer;
    ValueType value_type = ValueType::kUnspecified;
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
    bool are_experiments_read = false;  ///< by this poll, so that `problems` has all of theirs
    std::vector<FlagProblem> problems;              ///< of the rows read by this poll
    std::vector<std::string> refused;  ///< names whose row is bad: their last valid form stays

    std::vector<SegmentDefinition> segments;    ///< changed ones; all of them when `is_full`
    std::vector<std::string> removed_segments;  ///< names with a tombstone
    std::vector<std::string> refused_segments;  ///< names whose row is bad: last valid form stays
};

}  // namespace burgee
