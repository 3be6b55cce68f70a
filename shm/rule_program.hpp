#pragma once

// Turns conditions into the programs of rule_layout.hpp: one jump a question, only forward, so that
// a reader needs neither a stack nor a loop without a bound. Relied on by the flag compiler and the
// snapshot builder.

#include <cstdint>
#include <optional>
#include <vector>

#include "shm/compiled_parts.hpp"
#include "shm/flag_set.hpp"

namespace burgee {

/// Compiles the audience and the rules of `flag` into `parts`, and says in `targeting` where they
/// stand. Segments stay named by hash64(name) in Instruction::operand; an assembly puts numbers
/// there.
/// @return  nothing, or why they cannot be stored, naming the place:
/// "segments.rules[2].constraints[0]" Cost: about 100 ns a constraint; a regular expression up to
/// some milliseconds.
std::optional<FlagProblem> compile_rules(const FlagDefinition& flag, CompiledParts& parts,
                                         TargetingRecord& targeting);

/// Compiles a segment: its record, program and what that needs.
/// @return  nothing, or why it cannot be stored; FlagProblem::flag is segment_label(name).
std::optional<FlagProblem> compile_segment(const SegmentDefinition& segment, CompiledSegment& out);

/// How a segment is called among flags' problems: "segment pros".
std::string segment_label(std::string_view name);

/// hash64(name) of each segment that a program asks for, repeated as often as it asks.
std::vector<std::uint64_t> segments_named_by(const std::vector<Instruction>& instructions);

}  // namespace burgee
