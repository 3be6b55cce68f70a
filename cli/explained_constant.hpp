#pragma once

// What a compiled constraint wants and what a context has, in the words of people: operators,
// constants and values of one explained question.

#include <string>

#include <burgee/context.hpp>
#include <burgee/rule_layout.hpp>
#include <burgee/snapshot_view.hpp>

#include "cli/explanation.hpp"

namespace burgee::cli {

/// Whether people wrote this operator.
bool is_operator(const Instruction& instruction, Operator wanted);

/// The operator as people wrote it, "NUM_GTE"; empty when the instruction comes from none.
std::string operator_name(const Instruction& instruction);

/// Fills in the constant of a question about an attribute. Safe on hostile bytes.
void take_constant(const SnapshotView& view, const Instruction& instruction,
                   ExplainedQuestion& question);

/// Fills in what the context has.
void take_value(const Attribute& attribute, ExplainedQuestion& question);

}  // namespace burgee::cli
