#pragma once

// Asks an attribute what one instruction of a program asks: texts, numbers, dates, versions,
// patterns. Relied on by rule_interpreter.hpp alone.
//
// Invariant: whatever the instruction holds, nothing outside the snapshot's sections is read; one
// that refers outside finds nothing.

#include <burgee/bucketing.hpp>
#include <burgee/checksum.hpp>
#include <burgee/context.hpp>
#include <burgee/date_time.hpp>
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

/// Which of the orders less, equal and greater (bits 0, 1 and 2) each of the five comparisons
/// takes, four bits for each, in the order in which Operation names them: is, above, at least,
/// below, at most.
inline constexpr std::uint32_t kOrdersTaken = 0x3'1642;

/// Whether comparison number `index` (0 .. 4) takes `order`, which is below, 0 or above 0; without
/// a branch, for which way a number falls is often a matter of chance.
constexpr bool takes_order(std::uint32_t index, int order) noexcept {
    return (kOrdersTaken >> (4U * index + static_cast<std::uint32_t>(order + 1)) & 1U) != 0;
}

/// Asks what one instruction asks of an attribute that is there. What takes longer than a call does
/// is one, so that the loop over the steps stays small.
class AttributeQuestion {
public:
    [[gnu::always_inline]] static Finding ask(const SnapshotView& view, const Instruction& step,
                                              const Attribute& attribute) noexcept {
        const auto operation = static_cast<Operation>(step.operation);
        switch (operation) {
            case Operation::kShortTextIs:
                return is_string(attribute) ? finding_of(is_short_text(step, attribute.text()))
                                            : ask_decimal_text(view, step, attribute);
            case Operation::kShortTextIn:
                return is_string(attribute)
                           ? finding_of(is_among_short(view, step, attribute.text()))
                           : ask_decimal_text(view, step, attribute);
            case Operation::kTextIs:
            case Operation::kTextIn:
                return is_string(attribute)
                           ? finding_of(ask_long_text(view, step, attribute.text()))
                           : ask_decimal_text(view, step, attribute);
            case Operation::kStartsWith:
            case Operation::kEndsWith:
                return is_string(attribute) ? finding_of(ask_edge(view, step, attribute.text()))
                                            : Finding::kMistyped;
            case Operation::kNumberIs:
            case Operation::kNumberAbove:
            case Operation::kNumberAtLeast:
            case Operation::kNumberBelow:
            case Operation::kNumberAtMost:
                return ask_number(step, attribute);
            case Operation::kExists:
                return Finding::kYes;
            case Operation::kOutcome:
            case Operation::kSegment:
                return Finding::kNo;
            default:
                return ask_longer(view, step, attribute);
        }
    }

private:
    static bool is_string(const Attribute& attribute) noexcept {
        return attribute.type() == AttributeType::kString;
    }
    static bool is_folded(const Instruction& step) noexcept {
        return (step.traits & kTraitCaseInsensitive) != 0;
    }
    static std::string_view constant_text(const SnapshotView& view,
                                          const Instruction& step) noexcept {
        return view.text(step.operand & 0xFFFFFFFFU, step.operand >> 32U);
    }
    /// The step's operation, counted from `first` on.
    static std::uint32_t index_after(Operation first, const Instruction& step) noexcept {
        return std::uint32_t{step.operation} - static_cast<std::uint32_t>(first);
    }

    [[gnu::noinline]] static Finding ask_longer(const SnapshotView& view, const Instruction& step,
                                                const Attribute& attribute) noexcept {
        const auto operation = static_cast<Operation>(step.operation);
        if (operation == Operation::kDateAfter || operation == Operation::kDateBefore) {
            return ask_date(step, attribute);
        }
        if (!is_string(attribute)) {
            return Finding::kMistyped;
        }
        switch (operation) {
            case Operation::kContains:
                return finding_of(ask_part(view, step, attribute.text()));
            case Operation::kRegex:
                return finding_of(ask_regex(view, step, attribute.text()));
            case Operation::kSemverIs:
            case Operation::kSemverAbove:
            case Operation::kSemverAtLeast:
            case Operation::kSemverBelow:
            case Operation::kSemverAtMost:
                return ask_semver(view, step, attribute.text());
            default:
                return Finding::kNo;  // hostile bytes
        }
    }

    [[gnu::noinline]] static Finding ask_decimal_text(const SnapshotView& view,
                                                      const Instruction& step,
                                                      const Attribute& attribute) noexcept {
        if (attribute.type() == AttributeType::kDouble) {
            return Finding::kMistyped;  // its decimal text differs between languages
        }
        const PlainText text(attribute);
        return finding_of(ask_text(view, step, text.text()));
    }

    static bool ask_text(const SnapshotView& view, const Instruction& step,
                         std::string_view text) noexcept {
        switch (static_cast<Operation>(step.operation)) {
            case Operation::kShortTextIs:
                return is_short_text(step, text);
            case Operation::kShortTextIn:
                return is_among_short(view, step, text);
            default:
                return ask_long_text(view, step, text);
        }
    }

    [[gnu::always_inline]] static bool is_short_text(const Instruction& step,
                                                     std::string_view text) noexcept {
        return text.size() <= kPackedTextSizeMax && packed_text(text) == step.operand;
    }

    [[gnu::always_inline]] static bool is_among_short(const SnapshotView& view,
                                                      const Instruction& step,
                                                      std::string_view text) noexcept {
        const std::uint32_t count =
            step.count < kShortTextCountMax ? step.count : kShortTextCountMax;
        const std::uint64_t* values = view.set_entries(step.operand, count);
        if (values == nullptr || text.size() > kPackedTextSizeMax) {
            return false;
        }
        const std::uint64_t packed = packed_text(text);
        for (std::uint32_t number = 0; number < count; ++number) {
            if (values[number] == packed) {
                return true;
            }
        }
        return false;
    }

    static bool ask_long_text(const SnapshotView& view, const Instruction& step,
                              std::string_view text) noexcept {
        if (static_cast<Operation>(step.operation) == Operation::kTextIs) {
            return is_folded(step) ? equals_folded(text, constant_text(view, step))
                                   : equals(text, constant_text(view, step));
        }
        return is_folded(step) ? is_listed_folded(view, step, text)
                               : view.set_contains(step.operand, step.count, hash64(text));
    }

    [[gnu::always_inline]] static bool ask_edge(const SnapshotView& view, const Instruction& step,
                                                std::string_view text) noexcept {
        const std::string_view part = constant_text(view, step);
        if (is_folded(step)) {
            return ask_folded_edge(step, text, part);
        }
        if (text.size() < part.size()) {
            return false;
        }
        const bool is_start = static_cast<Operation>(step.operation) == Operation::kStartsWith;
        const std::size_t skipped = is_start ? 0 : text.size() - part.size();
        return same_bytes(text.data() + skipped, part.data(), part.size());
    }

    [[gnu::noinline]] static bool ask_folded_edge(const Instruction& step, std::string_view text,
                                                  std::string_view part) noexcept {
        return static_cast<Operation>(step.operation) == Operation::kStartsWith
                   ? starts_with_folded(text, part)
                   : ends_with_folded(text, part);
    }

    static bool ask_part(const SnapshotView& view, const Instruction& step,
                         std::string_view text) noexcept {
        const std::string_view part = constant_text(view, step);
        return is_folded(step) ? contains_folded(text, part) : contains(text, part);
    }

    static bool ask_regex(const SnapshotView& view, const Instruction& step,
                          std::string_view text) noexcept {
        const std::uint32_t count = step.count;
        const std::uint16_t* words = view.table(step.operand, count);
        return words != nullptr && regex_matches(words, count, text);
    }

    template <typename Constant>
    static Ordering order_against(const Attribute& attribute, Constant constant) noexcept {
        switch (attribute.type()) {
            case AttributeType::kInteger:
                return compare_numbers(attribute.integer(), constant);
            case AttributeType::kUnsigned:
                return compare_numbers(static_cast<std::uint64_t>(attribute.integer()), constant);
            default:
                return compare_numbers(attribute.number(), constant);
        }
    }

    static Ordering order_of_numbers(const Instruction& step, const Attribute& attribute) noexcept {
        switch (static_cast<ConstantType>(step.constant)) {
            case ConstantType::kInteger:
                return order_against(attribute, static_cast<std::int64_t>(step.operand));
            case ConstantType::kUnsigned:
                return order_against(attribute, step.operand);
            case ConstantType::kDouble: {
                double constant = 0;
                std::memcpy(&constant, &step.operand, sizeof constant);
                return order_against(attribute, constant);
            }
        }
        return Ordering::kUnordered;
    }

    static Finding ask_number(const Instruction& step, const Attribute& attribute) noexcept {
        if (attribute.type() != AttributeType::kInteger ||
            step.constant != static_cast<std::uint8_t>(ConstantType::kInteger)) {
            return ask_mixed_numbers(step, attribute);
        }
        const std::int64_t number = attribute.integer();
        const auto constant = static_cast<std::int64_t>(step.operand);
        const int order = static_cast<int>(number > constant) - static_cast<int>(number < constant);
        return finding_of(takes_order(index_after(Operation::kNumberIs, step), order));
    }

    [[gnu::noinline]] static Finding ask_mixed_numbers(const Instruction& step,
                                                       const Attribute& attribute) noexcept {
        if (is_string(attribute) || attribute.type() == AttributeType::kBoolean) {
            return Finding::kMistyped;
        }
        const Ordering order = order_of_numbers(step, attribute);
        return finding_of(
            order != Ordering::kUnordered &&
            takes_order(index_after(Operation::kNumberIs, step), static_cast<int>(order)));
    }

    static Finding ask_date(const Instruction& step, const Attribute& attribute) noexcept {
        std::int64_t unix_ms = 0;
        if (attribute.type() == AttributeType::kInteger) {
            unix_ms = attribute.integer();
        } else if (!is_string(attribute) || !parse_rfc3339(attribute.text(), unix_ms)) {
            return Finding::kMistyped;
        }
        const auto constant = static_cast<std::int64_t>(step.operand);
        const bool is_after = static_cast<Operation>(step.operation) == Operation::kDateAfter;
        return finding_of(is_after ? unix_ms > constant : unix_ms < constant);
    }

    static Finding ask_semver(const SnapshotView& view, const Instruction& step,
                              std::string_view text) noexcept {
        Semver version;
        Semver constant;
        if (!parse_semver(text, version)) {
            return Finding::kMistyped;
        }
        if (!parse_semver(constant_text(view, step), constant)) {
            return Finding::kNo;  // hostile bytes: the builder stores valid versions only
        }
        return finding_of(takes_order(index_after(Operation::kSemverIs, step),
                                      compare_semver(version, constant)));
    }
};

}  // namespace burgee::detail
