#include "shm/program_writer.hpp"

#include <algorithm>
#include <bit>
#include <tuple>
#include <variant>

#include <burgee/attribute_key.hpp>
#include <burgee/checksum.hpp>
#include <burgee/text_match.hpp>

#include "shm/assertion.hpp"
#include "shm/flag_limits.hpp"
#include "shm/json_text.hpp"
#include "shm/regex_compiler.hpp"

namespace burgee {
namespace {

Operation operation_of(Operator written) {
    switch (written) {
        case Operator::kIn:
        case Operator::kNotIn:
            return Operation::kTextIn;
        case Operator::kStrContains:
            return Operation::kContains;
        case Operator::kStrStartsWith:
            return Operation::kStartsWith;
        case Operator::kStrEndsWith:
            return Operation::kEndsWith;
        case Operator::kNumEq:
            return Operation::kNumberIs;
        case Operator::kNumGt:
            return Operation::kNumberAbove;
        case Operator::kNumGte:
            return Operation::kNumberAtLeast;
        case Operator::kNumLt:
            return Operation::kNumberBelow;
        case Operator::kNumLte:
            return Operation::kNumberAtMost;
        case Operator::kDateAfter:
            return Operation::kDateAfter;
        case Operator::kDateBefore:
            return Operation::kDateBefore;
        case Operator::kSemverEq:
            return Operation::kSemverIs;
        case Operator::kSemverGt:
            return Operation::kSemverAbove;
        case Operator::kSemverGte:
            return Operation::kSemverAtLeast;
        case Operator::kSemverLt:
            return Operation::kSemverBelow;
        case Operator::kSemverLte:
            return Operation::kSemverAtMost;
        case Operator::kExists:
            return Operation::kExists;
        case Operator::kRegex:
            return Operation::kRegex;
    }
    return Operation::kExists;
}

bool takes_number(Operation operation) {
    return operation >= Operation::kNumberIs && operation <= Operation::kNumberAtMost;
}

bool takes_date(Operation operation) {
    return operation == Operation::kDateAfter || operation == Operation::kDateBefore;
}

/// Whether a constraint holds if its question holds for any one of its values.
bool asks_each_value(Operation operation) {
    return operation == Operation::kContains || operation == Operation::kStartsWith ||
           operation == Operation::kEndsWith;
}

}  // namespace

std::string ConditionPlace::text() const {
    std::string text = parent == nullptr ? "" : parent->text();
    text.append(text.empty() ? "" : ".").append(key);
    return number == SIZE_MAX ? text : text + "[" + std::to_string(number) + "]";
}

void ProgramWriter::all(std::span<const Condition> conditions, const ConditionPlace* parent,
                        std::string_view key, JumpLabel& on_false) {
    for (std::size_t number = 0; number < conditions.size(); ++number) {
        JumpLabel next;
        write(conditions[number], {parent, key, number}, {next, on_false});
        bind(next);
    }
}

void ProgramWriter::outcome(std::uint64_t outcome) {
    Instruction& step = append();
    step.operation = static_cast<std::uint8_t>(Operation::kOutcome);
    step.operand = outcome;
    step.on_true = step.on_false = 1;
}

void ProgramWriter::bind(JumpLabel& label) {
    for (const JumpLabel::Jump& jump : label.jumps_) {
        Instruction& from = parts_.instructions[jump.from];
        (jump.when_true ? from.on_true : from.on_false) = size() - jump.from;
    }
    label.jumps_.clear();
}

std::optional<FlagProblem> ProgramWriter::finish() {
    for (const auto& [key, name] : names_) {
        const TextRef ref = parts_.add_text(name);
        parts_.attributes.push_back({.key = key, .name_offset = ref.offset, .name_size = ref.size});
    }
    if (!problem_ && size() > kInstructionCountMax) {
        problem_ = {.flag = owner_,
                    .field = "segments",
                    .message = std::to_string(size()) + " questions in all conditions, at most " +
                               std::to_string(kInstructionCountMax) +
                               " are possible: use IN with many values, or named segments"};
    }
    return problem_;
}

Instruction& ProgramWriter::append() {
    parts_.instructions.push_back({});
    return parts_.instructions.back();
}

void ProgramWriter::refuse(const ConditionPlace& place, std::string message) {
    if (!problem_) {
        problem_ = {.flag = owner_, .field = place.text(), .message = std::move(message)};
    }
}

void ProgramWriter::write(const Condition& condition, const ConditionPlace& place, Ways ways) {
    switch (condition.kind) {
        case Condition::Kind::kConstraint:
            write_constraint(condition, place, ways);
            break;
        case Condition::Kind::kSegment:
            ask({.operation = Operation::kSegment, .operand = hash64(condition.segment)}, condition,
                ways);
            break;
        case Condition::Kind::kAny:
            write_any(condition, place, ways);
            break;
        case Condition::Kind::kAll:
            write_all(condition, place, ways);
            break;
        case Condition::Kind::kNot:
            BURGEE_ASSERT(condition.children.size() == 1);
            write(condition.children.front(), {&place, "not"}, {ways.on_false, ways.on_true});
            break;
    }
}

void ProgramWriter::write_any(const Condition& condition, const ConditionPlace& place, Ways ways) {
    const std::size_t count = condition.children.size();
    for (std::size_t number = 0; number < count; ++number) {
        JumpLabel next;
        const bool is_last = number + 1 == count;
        write(condition.children[number], {&place, "any", number},
              {ways.on_true, is_last ? ways.on_false : next});
        bind(next);
    }
    if (count == 0) {
        go_to(ways.on_false);
    }
}

void ProgramWriter::write_all(const Condition& condition, const ConditionPlace& place, Ways ways) {
    const std::size_t count = condition.children.size();
    for (std::size_t number = 0; number < count; ++number) {
        JumpLabel next;
        const bool is_last = number + 1 == count;
        write(condition.children[number], {&place, "all", number},
              {is_last ? ways.on_true : next, ways.on_false});
        bind(next);
    }
    if (count == 0) {
        go_to(ways.on_true);
    }
}

void ProgramWriter::write_constraint(const Condition& condition, const ConditionPlace& place,
                                     Ways ways) {
    remember_name(condition, place);
    const Operation operation = operation_of(condition.operation);
    if (!asks_each_value(operation) || condition.values.size() == 1) {
        ask(question_of(condition, operation, place), condition, ways);
        return;
    }
    // Any of several texts; an inverted constraint swaps where that leads.
    const Ways each_ways = condition.is_inverted ? Ways{ways.on_false, ways.on_true}
                                                 : Ways{ways.on_true, ways.on_false};
    Condition each = condition;
    each.is_inverted = false;
    for (std::size_t number = 0; number < condition.values.size(); ++number) {
        JumpLabel next;
        each.values = {condition.values[number]};
        const bool is_last = number + 1 == condition.values.size();
        ask(question_of(each, operation, place), each,
            {each_ways.on_true, is_last ? each_ways.on_false : next});
        bind(next);
    }
}

void ProgramWriter::remember_name(const Condition& condition, const ConditionPlace& place) {
    const auto [known, is_new] =
        names_.insert({attribute_key(condition.attribute), condition.attribute});
    if (!is_new && known->second != condition.attribute) {
        refuse({&place, "attribute"},
               "its key equals that of " + json_quoted(known->second) + ": rename one of them");
    }
}

ProgramWriter::Question ProgramWriter::question_of(const Condition& condition, Operation operation,
                                                   const ConditionPlace& place) {
    Question question{.operation = operation};
    if (operation == Operation::kTextIn) {
        take_texts(condition, question);
    } else if (operation == Operation::kRegex) {
        compile_pattern(condition, place, question);
    } else if (takes_date(operation)) {
        question.operand = static_cast<std::uint64_t>(std::get<std::int64_t>(condition.number));
    } else if (takes_number(operation)) {
        take_number(condition, question);
    } else if (operation != Operation::kExists) {
        BURGEE_ASSERT(condition.values.size() == 1);
        const TextRef text = parts_.add_text(condition.values.front());
        question.operand = std::uint64_t{text.size} << 32U | text.offset;
    }
    return question;
}

/// A few short texts are compared as they are, one long text too, and more by their fingerprints.
void ProgramWriter::take_texts(const Condition& condition, Question& question) {
    const auto is_short = [](const std::string& text) { return text.size() <= kPackedTextSizeMax; };
    const std::size_t count = condition.values.size();
    const bool are_short = count <= kShortTextCountMax && !condition.is_case_insensitive &&
                           std::ranges::all_of(condition.values, is_short);
    if (are_short && count == 1) {
        question.operation = Operation::kShortTextIs;
        question.operand = packed_text(condition.values.front());
    } else if (are_short) {
        question.operation = Operation::kShortTextIn;
        std::tie(question.operand, question.count) = parts_.add_packed_set(condition.values);
    } else if (count == 1) {
        question.operation = Operation::kTextIs;
        const TextRef text = parts_.add_text(condition.values.front());
        question.operand = std::uint64_t{text.size} << 32U | text.offset;
    } else {
        std::tie(question.operand, question.count) = parts_.add_set(condition.values);
    }
}

void ProgramWriter::take_number(const Condition& condition, Question& question) {
    if (const auto* integer = std::get_if<std::int64_t>(&condition.number)) {
        question.operand = static_cast<std::uint64_t>(*integer);
        question.constant = ConstantType::kInteger;
    } else if (const auto* natural = std::get_if<std::uint64_t>(&condition.number)) {
        question.operand = *natural;
        question.constant = ConstantType::kUnsigned;
    } else {
        question.operand = std::bit_cast<std::uint64_t>(std::get<double>(condition.number));
        question.constant = ConstantType::kDouble;
    }
}

void ProgramWriter::compile_pattern(const Condition& condition, const ConditionPlace& place,
                                    Question& question) {
    const std::string& pattern = condition.values.front();
    const auto key = std::pair(condition.is_case_insensitive, pattern);
    auto known = patterns_.find(key);
    if (known == patterns_.end() && (problem_ || patterns_.size() >= kPatternCountMax)) {
        refuse({&place, "value"}, "is pattern number " + std::to_string(patterns_.size() + 1) +
                                      ", at most " + std::to_string(kPatternCountMax) +
                                      " are possible: join them with |");
        return;
    }
    if (known == patterns_.end()) {
        const auto words =
            compile_regex(pattern, {.is_case_insensitive = condition.is_case_insensitive});
        if (!words) {
            refuse({&place, "value"}, words.error());
            return;
        }
        if (words->size() > kTableWordCountMax - parts_.tables.size()) {
            refuse({&place, "value"}, "makes the tables of all patterns larger than " +
                                          std::to_string(kTableWordCountMax) +
                                          " words: simplify it");
            return;
        }
        const auto first = static_cast<std::uint32_t>(parts_.tables.size());
        parts_.tables.insert(parts_.tables.end(), words->begin(), words->end());
        known = patterns_.insert({key, {first, static_cast<std::uint32_t>(words->size())}}).first;
    }
    std::tie(question.operand, question.count) = known->second;
}

void ProgramWriter::ask(const Question& question, const Condition& condition, Ways ways) {
    Instruction& step = append();
    step.operation = static_cast<std::uint8_t>(question.operation);
    step.operand = question.operand;
    step.count = question.count;
    step.constant = static_cast<std::uint8_t>(question.constant);
    bool is_inverted = condition.is_inverted;
    if (question.operation != Operation::kSegment) {
        step.attribute = attribute_key(condition.attribute);
        step.operator_ = static_cast<std::uint8_t>(condition.operation) + 1U;
        is_inverted = is_inverted != (condition.operation == Operator::kNotIn);
    }
    step.traits =
        static_cast<std::uint8_t>((is_inverted ? kTraitInverted : 0) |
                                  (condition.is_case_insensitive ? kTraitCaseInsensitive : 0));
    jump(ways.on_true, true);
    jump(ways.on_false, false);
}

/// A jump without a question: no attribute has the key 0, so nothing exists under it.
void ProgramWriter::go_to(JumpLabel& target) {
    append().operation = static_cast<std::uint8_t>(Operation::kExists);
    jump(target, true);
    jump(target, false);
}

void ProgramWriter::jump(JumpLabel& target, bool when_true) {
    target.jumps_.push_back({size() - 1, when_true});
}

}  // namespace burgee
