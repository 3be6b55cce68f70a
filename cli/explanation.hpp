#pragma once

// One question to one flag, taken apart: every rule in the order in which it was asked, every
// constraint with what it wanted and what the context had, and the answer. Owns its texts, so that
// it outlives the snapshot. Made for people; services pay nothing for it.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <burgee/context.hpp>
#include <burgee/evaluate.hpp>
#include <burgee/snapshot_view.hpp>

namespace burgee::cli {

/// Questions that an explanation keeps: more than any flag can ask without segments. A snapshot
/// whose segments ask a million questions is cut here, and Explanation::question_count tells.
inline constexpr std::size_t kQuestionsKeptMax = kInstructionCountMax;

/// A flag that another one requires.
struct ExplainedRequirement {
    std::string wanted;  ///< "on", "off" or "variant blue"
    /// In this very question: "off (DISABLED)", "variant red (SPLIT)", "nothing (...)" when no
    /// steps were left for it; empty: it is not published.
    std::string answered;
};

/// One of the rules of the evaluation order.
struct ExplainedStep {
    TraceStep numbers;  ///< whose texts are void: those below replace them
    std::string attribute;
    std::string unit;
    std::string salt;
    std::string variant;
    std::string subject;                 ///< name of the rule, the layer or the required flag
    ExplainedRequirement requirement;    ///< of kRequires
    std::string serves;                  ///< of kRules: "on", "25%", "variant blue"
    std::vector<SlotRangeRecord> slots;  ///< of kLayer: those of the flag
};

enum class ConstantKind : std::uint8_t { kNone, kText, kNumber, kDate, kSet, kPattern };

/// One thing that an audience, a rule or a segment asked, in the order of asking; what a segment
/// asked comes behind it.
struct ExplainedQuestion {
    std::optional<std::uint32_t> rule;  ///< number of the flag's rule, from 0; nothing: audience
    std::uint32_t depth = 0;            ///< in how many segments it stands
    bool is_segment = false;            ///< then `constant` is the segment's name
    std::string attribute;              ///< empty for a segment
    std::string operator_name;          ///< as people write it; empty for an empty `any` or `all`
    ConstantKind constant_kind = ConstantKind::kNone;
    std::string constant;         ///< text, number, RFC 3339; of a set or pattern its count
    std::string value;            ///< what the context has, as text
    std::string_view value_type;  ///< "string", "boolean", "integer", "double"; empty: missing
    bool is_case_insensitive = false;
    bool is_inverted = false;  ///< as people wrote it
    bool is_missing = false;   ///< the context lacks the attribute
    bool is_mistyped = false;  ///< the attribute has a type that never matches
    bool holds = false;        ///< inverted already
};

struct ExplainedExperiment {
    std::string name;
    std::uint32_t phase = 0;
};

struct Explanation {
    std::string flag;
    std::string status;
    std::uint64_t revision = 0;
    std::uint64_t generation = 0;
    std::vector<ExplainedStep> steps;
    std::vector<ExplainedQuestion> questions;
    std::uint64_t question_count = 0;     ///< all that were asked; questions may hold fewer
    std::vector<std::string> rule_names;  ///< of all rules of the flag, asked or not
    Answer answer;
    std::string variant;
    std::string config_json;                        ///< as stored; a hostile one may be no JSON
    std::optional<ExplainedExperiment> experiment;  ///< the flag's active one

    /// Whether the unit takes part in the experiment, so that its events count.
    [[nodiscard]] bool in_experiment() const { return experiment && answer.in_experiment; }
};

/// Asks `flag` of `view` for `context`, with every step noted.
/// Thread safety: pure. Cost: some microseconds, and about 1 a question. Safe on hostile bytes.
Explanation explain(const SnapshotView& view, const FlagRecord& flag, const Context& context);

}  // namespace burgee::cli
