#include "cli/explained_constant.hpp"

#include <array>
#include <cstring>
#include <string_view>

#include "cli/instant.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

/// In the order of Operator.
constexpr std::array<std::string_view, kOperatorCount> kOperatorNames = {
    "IN",        "NOT_IN",    "STR_CONTAINS", "STR_STARTS_WITH", "STR_ENDS_WITH", "NUM_EQ",
    "NUM_GT",    "NUM_GTE",   "NUM_LT",       "NUM_LTE",         "DATE_AFTER",    "DATE_BEFORE",
    "SEMVER_EQ", "SEMVER_GT", "SEMVER_GTE",   "SEMVER_LT",       "SEMVER_LTE",    "EXISTS",
    "REGEX"};
static_assert(kOperatorNames[static_cast<std::size_t>(Operator::kNumEq)] == "NUM_EQ");
static_assert(kOperatorNames[static_cast<std::size_t>(Operator::kDateBefore)] == "DATE_BEFORE");
static_assert(kOperatorNames[static_cast<std::size_t>(Operator::kRegex)] == "REGEX");

std::string number_text(const Instruction& instruction) {
    switch (static_cast<ConstantType>(instruction.constant)) {
        case ConstantType::kInteger:
            return std::to_string(static_cast<std::int64_t>(instruction.operand));
        case ConstantType::kUnsigned:
            return std::to_string(instruction.operand);
        case ConstantType::kDouble: {
            double number = 0;
            std::memcpy(&number, &instruction.operand, sizeof number);
            return json_number(number);
        }
    }
    return "null";  // hostile bytes; a number that JSON can hold
}

/// To the millisecond when there is a part of a second.
std::string date_text(std::int64_t unix_ms) {
    constexpr std::int64_t kSecond = 1'000;
    const std::int64_t part_ms = (unix_ms % kSecond + kSecond) % kSecond;
    std::string text = instant_text(unix_ms);
    if (part_ms != 0 && !text.empty()) {
        const std::string digits = std::to_string(kSecond + part_ms);
        text.insert(text.size() - 1, "." + digits.substr(1));
    }
    return text;
}

/// The text behind packed_text().
std::string unpacked_text(std::uint64_t packed) {
    const std::uint64_t size = packed >> 56U;
    std::string text;
    for (std::uint64_t index = 0; index < size && index < kPackedTextSizeMax; ++index) {
        text += static_cast<char>(packed >> (8 * index) & 0xFFU);
    }
    return text;
}

}  // namespace

bool is_operator(const Instruction& instruction, Operator wanted) {
    return instruction.operator_ == static_cast<std::uint8_t>(wanted) + 1U;
}

std::string operator_name(const Instruction& instruction) {
    const std::uint8_t number = instruction.operator_;
    return number == 0 || number > kOperatorCount ? "" : std::string(kOperatorNames[number - 1U]);
}

void take_constant(const SnapshotView& view, const Instruction& instruction,
                   ExplainedQuestion& question) {
    switch (static_cast<Operation>(instruction.operation)) {
        case Operation::kTextIs:
        case Operation::kContains:
        case Operation::kStartsWith:
        case Operation::kEndsWith:
        case Operation::kSemverIs:
        case Operation::kSemverAbove:
        case Operation::kSemverAtLeast:
        case Operation::kSemverBelow:
        case Operation::kSemverAtMost:
            question.constant_kind = ConstantKind::kText;
            question.constant =
                view.text(instruction.operand & 0xFFFFFFFFU, instruction.operand >> 32U);
            break;
        case Operation::kShortTextIs:
            question.constant_kind = ConstantKind::kText;
            question.constant = unpacked_text(instruction.operand);
            break;
        case Operation::kTextIn:
        case Operation::kShortTextIn:
            question.constant_kind = ConstantKind::kSet;
            question.constant = std::to_string(instruction.count);
            break;
        case Operation::kRegex:
            question.constant_kind = ConstantKind::kPattern;
            question.constant = std::to_string(instruction.count);
            break;
        case Operation::kNumberIs:
        case Operation::kNumberAbove:
        case Operation::kNumberAtLeast:
        case Operation::kNumberBelow:
        case Operation::kNumberAtMost:
            question.constant_kind = ConstantKind::kNumber;
            question.constant = number_text(instruction);
            break;
        case Operation::kDateAfter:
        case Operation::kDateBefore:
            question.constant_kind = ConstantKind::kDate;
            question.constant = date_text(static_cast<std::int64_t>(instruction.operand));
            break;
        case Operation::kOutcome:
        case Operation::kSegment:
        case Operation::kExists:
            break;
    }
}

void take_value(const Attribute& attribute, ExplainedQuestion& question) {
    switch (attribute.type()) {
        case AttributeType::kString:
            question.value_type = "string";
            question.value = attribute.text();
            break;
        case AttributeType::kBoolean:
            question.value_type = "boolean";
            question.value = attribute.integer() != 0 ? "true" : "false";
            break;
        case AttributeType::kInteger:
            question.value_type = "integer";
            question.value = std::to_string(attribute.integer());
            break;
        case AttributeType::kUnsigned:
            question.value_type = "integer";
            question.value = std::to_string(static_cast<std::uint64_t>(attribute.integer()));
            break;
        case AttributeType::kDouble:
            question.value_type = "double";
            question.value = json_number(attribute.number());
            break;
    }
}

}  // namespace burgee::cli
