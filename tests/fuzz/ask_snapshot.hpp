#pragma once

// Asks a snapshot everything that a client or a tool can ask, and reads every byte of every answer.
// Whether the answers are right is for the caller: bytes that were tampered with may give any.

#include <burgee/config.hpp>
#include <burgee/evaluate.hpp>
#include <burgee/evaluation.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "tests/fuzz/input_reader.hpp"

namespace burgee::fuzz {

/// Reads every byte, so that the sanitizer sees a text that reaches outside.
inline void touch(std::string_view text) {
    [[maybe_unused]] static volatile std::uint64_t sink = 0;
    sink = hash64(text);
}

/// Looks at all that a traced evaluation hands over.
struct TouchingTrace {
    static constexpr bool kEnabled = true;
    void record(const TraceStep& step) {
        for (const std::string_view text : {step.attribute, step.unit, step.salt, step.variant,
                                            step.subject, to_string(step.rule)}) {
            touch(text);
        }
    }
    void record(const ConstraintStep& step) {
        require(step.instruction != nullptr, "a constraint's step has its instruction");
        touch(step.attribute == nullptr ? std::string_view() : step.attribute->name());
    }
};

/// A question that took more steps than this is asked in one way and of one context only: twelve
/// like it show no more, and take seconds. Chosen by feel.
inline constexpr std::uint32_t kPatienceSteps = 20'000;

inline bool operator==(const Answer& left, const Answer& right) {
    return left.variant == right.variant && left.reason == right.reason &&
           left.is_enabled == right.is_enabled && left.in_experiment == right.in_experiment;
}

/// What to leave out, so that more inputs come to their turn: a question that was answered for the
/// input before and cannot be answered differently for this one.
struct Selection {
    std::optional<std::uint64_t> only_flag;  ///< the hash of its name
    std::optional<std::size_t> only_context;
};

class SnapshotQuestions {
public:
    /// @param must_agree  the snapshot is sound: every way to an answer gives the same one
    SnapshotQuestions(const SnapshotView& view, bool must_agree, Selection selection)
        : view_(view), must_agree_(must_agree), selection_(selection) {}

    void ask_all(std::span<const Context> contexts) {
        if (selection_.only_context) {
            contexts = contexts.subspan(*selection_.only_context % contexts.size(), 1);
        }
        for (std::uint64_t number = 0; number < view_.flag_count(); ++number) {
            const FlagRecord& flag = *view_.flag(number);
            if (selection_.only_flag.value_or(flag.name_hash) != flag.name_hash) {
                continue;
            }
            touch(view_.name(flag));
            const FlagRecord* found = view_.find(flag.name_hash);
            require(!must_agree_ || found == &flag, "every flag is found by its name");
            for (const Context& context : contexts) {
                if (!ask(flag, context)) {
                    break;
                }
            }
        }
    }

    /// Reads what no evaluation reads.
    void read_all() const {
        for (std::uint64_t number = 0; number < view_.variant_count(); ++number) {
            read_config(view_.variant(number));
        }
        for (std::uint64_t number = 0; number < view_.experiment_count(); ++number) {
            const ExperimentRecord& experiment = *view_.experiment(number);
            touch(view_.text(experiment.name_offset, experiment.name_size));
        }
        for (std::uint64_t number = 0; number < view_.segment_count(); ++number) {
            const SegmentRecord& segment = *view_.segment(number);
            touch(view_.text(segment.name_offset, segment.name_size));
        }
        for (std::uint64_t number = 0; number < view_.targeting_count(); ++number) {
            const TargetingRecord& targeting = *view_.targeting(number);
            for (const std::uint64_t hash : {std::uint64_t{0}, hash64("anna"), ~std::uint64_t{0}}) {
                static_cast<void>(
                    view_.set_contains(targeting.include_first, targeting.include_count, hash));
            }
            read_attributes(targeting.attributes_first, targeting.attributes_count);
        }
        for (std::uint32_t number = 0; number <= kSectionCountMax; ++number) {
            static_cast<void>(view_.section(number));
        }
    }

private:
    /// @return false if the question was so large that it is not to be repeated
    bool ask(const FlagRecord& flag, const Context& context) {
        TouchingTrace trace;
        detail::QuestionBudget budget;
        const Answer traced =
            detail::FullEvaluation<TouchingTrace>(view_, flag, context, budget, trace).decide();
        read_answer(traced);
        if (kStepCountMax - budget.steps_left > kPatienceSteps) {
            return false;
        }
        const Answer asked = evaluate(view_, flag, context);
        read_answer(asked);
        const Answer full = detail::ask_full(view_, flag, context);
        read_answer(full);
        const TargetingRecord* targeting = find_targeting(view_, flag);
        touch(Unit(find_unit_attribute(view_, targeting, context)).text());
        // A flag may require one that draws at random.
        const bool is_random =
            (flag.traits & kTraitRandom) != 0 ||
            (targeting != nullptr && targeting->requirements_count > 0 && has_random_);
        require(!must_agree_ || is_random || (asked == full && full == traced),
                "the short, the full and the traced way agree");
        return true;
    }

    void read_answer(const Answer& answer) const {
        const VariantRecord* variant =
            answer.variant == 0 ? nullptr : view_.variant(answer.variant - 1);
        require(!must_agree_ || answer.variant == 0 || variant != nullptr,
                "an answer's variant is there");
        if (variant != nullptr) {
            touch(view_.name(*variant));
        }
        touch(to_string(answer.reason));
    }

    void read_config(const VariantRecord* variant) const {
        const Config config(view_, variant);
        touch(config.json());
        for (const std::string_view path : {"model", "limit", "a.very.long.path", "", "score"}) {
            touch(config.string(path, "fallback"));
            static_cast<void>(config.integer(path, 1));
            static_cast<void>(config.number(path, 1));
            static_cast<void>(config.boolean(path, true));
        }
    }

    void read_attributes(std::uint32_t first, std::uint32_t count) const {
        const AttributeRecord* names = view_.attributes(first, count);
        for (std::uint32_t number = 0; names != nullptr && number < count; ++number) {
            touch(view_.text(names[number].name_offset, names[number].name_size));
        }
    }

    static bool has_random_flag(const SnapshotView& view) {
        for (std::uint64_t number = 0; number < view.flag_count(); ++number) {
            if ((view.flag(number)->traits & kTraitRandom) != 0) {
                return true;
            }
        }
        return false;
    }

    const SnapshotView& view_;
    bool must_agree_;
    Selection selection_;
    bool has_random_ = has_random_flag(view_);
};

/// Asks everything of a handful of contexts: nobody, somebody with all that the samples ask about
/// in the types they expect, the same in other types, and one with `text` everywhere.
inline void ask_everything(const SnapshotView& view, bool must_agree, std::string_view text,
                           Selection selection = {}) {
    SnapshotQuestions questions(view, must_agree, selection);
    questions.read_all();
    const Context contexts[] = {
        Context{},
        Context{{"user_id", "anna"},
                {"session_id", "s-1"},
                {"account", 42},
                {"plan", "pro"},
                {"email", "anna@example.com"},
                {"age", 37},
                {"version", "2.1.0-rc.1"},
                {"since", "2024-02-29T12:00:00Z"},
                {"is_staff", true}},
        Context{{"user_id", 7},
                {"session_id", ""},
                {"account", 18'446'744'073'709'551'615ULL},
                {"plan", false},
                {"email", 1.5},
                {"age", -0.25},
                {"version", "1.0"},
                {"since", 1'709'208'000'000},
                {"is_staff", "yes"}},
        Context{{"user_id", text},
                {"account", text},
                {"plan", text},
                {"email", text},
                {"age", text},
                {"version", text},
                {"since", text}},
    };
    questions.ask_all(contexts);
}

}  // namespace burgee::fuzz
