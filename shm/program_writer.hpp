#pragma once

// Writes one program of rule_layout.hpp: questions in order, and jumps that only go forward. Used
// by rule_program.cpp, which knows what programs are made for.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shm/compiled_parts.hpp"
#include "shm/flag_set.hpp"

namespace burgee {

/// Where a condition stands in what people wrote; put into words only when there is a problem.
struct ConditionPlace {
    const ConditionPlace* parent;
    std::string_view key;
    std::size_t number = SIZE_MAX;  ///< position in the array under `key`; SIZE_MAX = no array

    /// "segments.rules[2].constraints[0].any[1]"
    std::string text() const;
};

/// A point in the program that jumps lead to before it is reached.
class JumpLabel {
public:
    JumpLabel() = default;
    JumpLabel(const JumpLabel&) = delete;
    JumpLabel& operator=(const JumpLabel&) = delete;

private:
    friend class ProgramWriter;
    struct Jump {
        std::uint32_t from;
        bool when_true;
    };
    std::vector<Jump> jumps_;
};

/// One program in the making, at the end of the instructions of `parts`. Every label must be bound
/// before finish().
class ProgramWriter {
public:
    /// @param owner  FlagProblem::flag of what it reports
    ProgramWriter(CompiledParts& parts, std::string owner)
        : parts_(parts), owner_(std::move(owner)) {}

    /// Instructions so far.
    std::uint32_t size() const { return static_cast<std::uint32_t>(parts_.instructions.size()); }

    /// All of `conditions`, which stand under `key` of `parent`, must hold: the first that does not
    /// goes to `on_false`, else the program goes on here.
    void all(std::span<const Condition> conditions, const ConditionPlace* parent,
             std::string_view key, JumpLabel& on_false);

    /// Ends the program here with `outcome`.
    void outcome(std::uint64_t outcome);

    /// Lets every jump to `label` end at the next instruction.
    void bind(JumpLabel& label);

    /// Stores the names behind the attributes' keys. The last thing to do.
    /// @return  the first thing that cannot be stored, or nothing.
    std::optional<FlagProblem> finish();

private:
    /// What an instruction asks, before it is given its jumps.
    struct Question {
        Operation operation = Operation::kExists;
        std::uint64_t operand = 0;
        std::uint32_t count = 0;
        ConstantType constant = ConstantType::kInteger;
    };
    /// Where a condition's two answers lead.
    struct Ways {
        JumpLabel& on_true;
        JumpLabel& on_false;
    };

    Instruction& append();
    void refuse(const ConditionPlace& place, std::string message);
    void write(const Condition& condition, const ConditionPlace& place, Ways ways);
    void write_any(const Condition& condition, const ConditionPlace& place, Ways ways);
    void write_all(const Condition& condition, const ConditionPlace& place, Ways ways);
    void write_constraint(const Condition& condition, const ConditionPlace& place, Ways ways);
    Question question_of(const Condition& condition, Operation operation,
                         const ConditionPlace& place);
    void take_texts(const Condition& condition, Question& question);
    static void take_number(const Condition& condition, Question& question);
    void compile_pattern(const Condition& condition, const ConditionPlace& place,
                         Question& question);
    void remember_name(const Condition& condition, const ConditionPlace& place);
    void ask(const Question& question, const Condition& condition, Ways ways);
    void go_to(JumpLabel& target);
    void jump(JumpLabel& target, bool when_true);

    CompiledParts& parts_;
    std::string owner_;
    std::optional<FlagProblem> problem_;
    std::map<std::uint64_t, std::string> names_;
    /// (case insensitive, pattern) -> first word and count, so that a pattern is stored once.
    std::map<std::pair<bool, std::string>, std::pair<std::uint32_t, std::uint32_t>> patterns_;
};

}  // namespace burgee
