#pragma once

// Runs the programs that the daemon compiled from audiences, rules and segments: see
// rule_layout.hpp for what an instruction is. Relied on by evaluate.hpp alone.
//
// Invariants, whatever bytes the snapshot holds:
//   1. A program ends: every step goes forward, segments nest at most kSegmentDepthMax deep, and a
//      question takes at most kStepCountMax steps in all.
//   2. Nothing outside the snapshot's sections is read; a step that refers outside does not hold.

#include <burgee/bucketing.hpp>
#include <burgee/checksum.hpp>
#include <burgee/context.hpp>
#include <burgee/date_time.hpp>
#include <burgee/evaluation_trace.hpp>
#include <burgee/number_compare.hpp>
#include <burgee/regex_match.hpp>
#include <burgee/rule_layout.hpp>
#include <burgee/semver.hpp>
#include <burgee/snapshot_view.hpp>
#include <burgee/text_match.hpp>

#include <cstdint>
#include <cstring>
#include <string_view>

namespace burgee::detail {

/// What asking one thing of one attribute gave.
enum class Finding : std::uint8_t { kNo, kYes, kMistyped };

constexpr Finding finding_of(bool holds) noexcept {
    return holds ? Finding::kYes : Finding::kNo;
}

/// Whether `text` in ASCII lower case is among the fingerprints. Out of line, for its buffer.
[[gnu::noinline]] inline bool is_listed_folded(const SnapshotView& view, const Instruction& step,
                                               std::string_view text) noexcept {
    char folded[kListedTextSizeMax];
    if (text.size() > sizeof folded) {
        return false;  // no list holds longer texts
    }
    fold_into(text, folded);
    return view.set_contains(step.operand, step.count,
                             hash64(std::string_view(folded, text.size())));
}

/// The text of an attribute as IN compares it; precondition: it has one, see has_plain_text().
class PlainText {
public:
    explicit PlainText(const Attribute& attribute) noexcept {
        switch (attribute.type()) {
            case AttributeType::kBoolean:
                text_ = attribute.integer() != 0 ? "true" : "false";
                break;
            case AttributeType::kInteger:
                text_ = digits_.format(attribute.integer());
                break;
            case AttributeType::kUnsigned:
                text_ = digits_.format(static_cast<std::uint64_t>(attribute.integer()));
                break;
            default:
                text_ = attribute.text();
                break;
        }
    }
    PlainText(const PlainText&) = delete;  // text_ may point into digits_
    PlainText& operator=(const PlainText&) = delete;
    std::string_view text() const noexcept { return text_; }

private:
    std::string_view text_;
    DecimalText digits_;
};

/// Asks what one instruction asks of an attribute that is there. Each question is a few
/// instructions of the processor, or a call where it is longer than that.
class AttributeQuestion {
public:
    AttributeQuestion(const SnapshotView& view, const Instruction& step,
                      const Attribute& attribute) noexcept
        : view_(view), step_(step), attribute_(attribute) {}

    [[gnu::always_inline]] Finding ask() const noexcept {
        switch (operation()) {
            case Operation::kShortTextIs:
            case Operation::kShortTextIn:
            case Operation::kTextIs:
            case Operation::kTextIn:
                return attribute_.type() == AttributeType::kString
                           ? finding_of(ask_text(attribute_.text()))
                           : ask_decimal_text();
            case Operation::kStartsWith:
            case Operation::kEndsWith:
                return is_string() ? finding_of(ask_edge()) : Finding::kMistyped;
            case Operation::kNumberIs:
            case Operation::kNumberAbove:
            case Operation::kNumberAtLeast:
            case Operation::kNumberBelow:
            case Operation::kNumberAtMost:
                return ask_number();
            case Operation::kExists:
                return Finding::kYes;
            case Operation::kOutcome:
            case Operation::kSegment:
                return Finding::kNo;
            default:
                return ask_longer();
        }
    }

private:
    Operation operation() const noexcept { return static_cast<Operation>(step_.operation); }
    bool is_string() const noexcept { return attribute_.type() == AttributeType::kString; }
    bool is_folded() const noexcept { return (step_.traits & kTraitCaseInsensitive) != 0; }
    std::string_view constant_text() const noexcept {
        const std::uint64_t place = step_.operand;
        return view_.text(place & 0xFFFFFFFFU, place >> 32U);
    }

    /// What takes longer than a call does.
    [[gnu::noinline]] Finding ask_longer() const noexcept {
        switch (operation()) {
            case Operation::kContains:
                return is_string() ? finding_of(ask_part()) : Finding::kMistyped;
            case Operation::kRegex:
                return is_string() ? finding_of(ask_regex()) : Finding::kMistyped;
            case Operation::kDateAfter:
            case Operation::kDateBefore:
                return ask_date();
            case Operation::kSemverIs:
            case Operation::kSemverAbove:
            case Operation::kSemverAtLeast:
            case Operation::kSemverBelow:
            case Operation::kSemverAtMost:
                return ask_semver();
            default:
                return Finding::kNo;
        }
    }

    [[gnu::noinline]] Finding ask_decimal_text() const noexcept {
        if (attribute_.type() == AttributeType::kDouble) {
            return Finding::kMistyped;  // its decimal text differs between languages
        }
        const PlainText text(attribute_);
        return finding_of(ask_text(text.text()));
    }

    bool ask_text(std::string_view text) const noexcept {
        switch (operation()) {
            case Operation::kShortTextIs:
                return text.size() <= kPackedTextSizeMax && packed_text(text) == step_.operand;
            case Operation::kShortTextIn:
                return text.size() <= kPackedTextSizeMax && is_among_short(packed_text(text));
            case Operation::kTextIs:
                return is_folded() ? equals_folded(text, constant_text())
                                   : equals(text, constant_text());
            default:
                return is_folded() ? is_listed_folded(view_, step_, text)
                                   : view_.set_contains(step_.operand, step_.count, hash64(text));
        }
    }

    bool is_among_short(std::uint64_t packed) const noexcept {
        const std::uint32_t count =
            step_.count < kShortTextCountMax ? step_.count : kShortTextCountMax;
        const std::uint64_t* values = view_.set_entries(step_.operand, count);
        bool is_found = false;
        for (std::uint32_t number = 0; values != nullptr && number < count; ++number) {
            is_found |= values[number] == packed;
        }
        return is_found;
    }

    bool ask_edge() const noexcept {
        const std::string_view text = attribute_.text();
        const std::string_view part = constant_text();
        if (operation() == Operation::kStartsWith) {
            return is_folded() ? starts_with_folded(text, part) : starts_with(text, part);
        }
        return is_folded() ? ends_with_folded(text, part) : ends_with(text, part);
    }

    bool ask_part() const noexcept {
        const std::string_view text = attribute_.text();
        return is_folded() ? contains_folded(text, constant_text())
                           : contains(text, constant_text());
    }

    bool ask_regex() const noexcept {
        const std::uint32_t count = step_.count;
        const std::uint16_t* words = view_.table(step_.operand, count);
        return words != nullptr && regex_matches(words, count, attribute_.text());
    }

    template <typename Constant>
    Ordering order_against(Constant constant) const noexcept {
        switch (attribute_.type()) {
            case AttributeType::kInteger:
                return compare_numbers(attribute_.integer(), constant);
            case AttributeType::kUnsigned:
                return compare_numbers(static_cast<std::uint64_t>(attribute_.integer()), constant);
            default:
                return compare_numbers(attribute_.number(), constant);
        }
    }

    [[gnu::noinline]] Ordering order_of_numbers() const noexcept {
        switch (static_cast<ConstantType>(step_.constant)) {
            case ConstantType::kInteger:
                return order_against(static_cast<std::int64_t>(step_.operand));
            case ConstantType::kUnsigned:
                return order_against(step_.operand);
            case ConstantType::kDouble: {
                double constant = 0;
                std::memcpy(&constant, &step_.operand, sizeof constant);
                return order_against(constant);
            }
        }
        return Ordering::kUnordered;
    }

    Finding ask_number() const noexcept {
        if (is_string() || attribute_.type() == AttributeType::kBoolean) {
            return Finding::kMistyped;
        }
        const bool are_integers =
            attribute_.type() == AttributeType::kInteger &&
            step_.constant == static_cast<std::uint8_t>(ConstantType::kInteger);
        const Ordering order =
            are_integers ? order_of(attribute_.integer(), static_cast<std::int64_t>(step_.operand))
                         : order_of_numbers();
        switch (operation()) {
            case Operation::kNumberIs:
                return finding_of(order == Ordering::kEqual);
            case Operation::kNumberAbove:
                return finding_of(order == Ordering::kGreater);
            case Operation::kNumberAtLeast:
                return finding_of(order == Ordering::kGreater || order == Ordering::kEqual);
            case Operation::kNumberBelow:
                return finding_of(order == Ordering::kLess);
            default:
                return finding_of(order == Ordering::kLess || order == Ordering::kEqual);
        }
    }

    Finding ask_date() const noexcept {
        std::int64_t unix_ms = 0;
        if (attribute_.type() == AttributeType::kInteger) {
            unix_ms = attribute_.integer();
        } else if (!is_string() || !parse_rfc3339(attribute_.text(), unix_ms)) {
            return Finding::kMistyped;
        }
        const auto constant = static_cast<std::int64_t>(step_.operand);
        const bool is_after = operation() == Operation::kDateAfter;
        return finding_of(is_after ? unix_ms > constant : unix_ms < constant);
    }

    Finding ask_semver() const noexcept {
        Semver version;
        Semver constant;
        if (!is_string() || !parse_semver(attribute_.text(), version)) {
            return Finding::kMistyped;
        }
        if (!parse_semver(constant_text(), constant)) {
            return Finding::kNo;  // hostile bytes: the builder stores valid versions only
        }
        const int order = compare_semver(version, constant);
        switch (operation()) {
            case Operation::kSemverIs:
                return finding_of(order == 0);
            case Operation::kSemverAbove:
                return finding_of(order > 0);
            case Operation::kSemverAtLeast:
                return finding_of(order >= 0);
            case Operation::kSemverBelow:
                return finding_of(order < 0);
            default:
                return finding_of(order <= 0);
        }
    }

    const SnapshotView& view_;
    const Instruction& step_;
    const Attribute& attribute_;
};

/// What one question may still spend; shared by a flag and all that it requires.
struct QuestionBudget {
    std::uint32_t steps_left = kStepCountMax;
    std::uint32_t requirement_depth = 0;

    /// False when nothing is left.
    bool take_step() noexcept {
        if (steps_left == 0) {
            return false;
        }
        --steps_left;
        return true;
    }
};

/// A question that programs are asked.
template <typename Trace>
class RuleInterpreter {
public:
    RuleInterpreter(const SnapshotView& view, const Context& context, QuestionBudget& budget,
                    Trace& trace) noexcept
        : view_(view), context_(context), budget_(budget), trace_(trace) {}

    /// The outcome of the `count` instructions from number `first` on; kOutcomeNone when they are
    /// not there, lead nowhere or take too long.
    std::uint64_t run(std::uint32_t first, std::uint32_t count) noexcept {
        const Instruction* const program = view_.program(first, count);
        if (program == nullptr) {
            return kOutcomeNone;
        }
        std::uint64_t place = 0;
        while (place < count && budget_.take_step()) {
            const Instruction& step = program[place];
            if (step.operation == static_cast<std::uint8_t>(Operation::kOutcome)) {
                return step.operand;
            }
            const std::uint32_t distance = holds(step, place) ? step.on_true : step.on_false;
            if (distance == 0) {
                break;  // hostile bytes
            }
            place += distance;
        }
        return kOutcomeNone;
    }

private:
    [[gnu::always_inline]] bool holds(const Instruction& step,
                                      [[maybe_unused]] std::uint64_t place) noexcept {
        const bool is_inverted = (step.traits & kTraitInverted) != 0;
        if (step.operation == static_cast<std::uint8_t>(Operation::kSegment)) {
            return holds_segment(step, place) != is_inverted;
        }
        const Attribute* attribute = context_.find_key(step.attribute);
        Finding finding = Finding::kNo;
        if (attribute != nullptr) {
            finding = AttributeQuestion(view_, step, *attribute).ask();
        }
        const bool answer = (finding == Finding::kYes) != is_inverted;
        if constexpr (Trace::kEnabled) {
            ConstraintStep traced;
            traced.instruction = &step;
            traced.place = place;
            traced.attribute = attribute;
            traced.is_mistyped = finding == Finding::kMistyped;
            traced.holds = answer;
            traced.segment_depth = segment_depth_;
            trace_.record(traced);
        }
        return answer;
    }

    [[gnu::noinline]] bool holds_segment(const Instruction& step,
                                         [[maybe_unused]] std::uint64_t place) noexcept {
        const SegmentRecord* segment = view_.segment(step.operand);
        if (segment == nullptr || segment_depth_ >= kSegmentDepthMax) {
            return false;
        }
        ++segment_depth_;
        const bool answer = run(segment->program_first, segment->program_count) == kOutcomeTrue;
        --segment_depth_;
        if constexpr (Trace::kEnabled) {
            ConstraintStep traced;
            traced.instruction = &step;
            traced.place = place;
            traced.segment = segment;
            traced.holds = answer != ((step.traits & kTraitInverted) != 0);
            traced.segment_depth = segment_depth_;
            trace_.record(traced);
        }
        return answer;
    }

    const SnapshotView& view_;
    const Context& context_;
    QuestionBudget& budget_;
    Trace& trace_;
    std::uint32_t segment_depth_ = 0;
};

}  // namespace burgee::detail
