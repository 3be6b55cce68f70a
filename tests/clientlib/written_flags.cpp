#include "tests/clientlib/written_flags.hpp"

#include <burgee/checksum.hpp>

#include <gtest/gtest.h>

#include <utility>

#include "shm/snapshot_builder.hpp"
#include "sync/segment_rows.hpp"

namespace burgee::test {
namespace {

/// Follows an evaluation, to see that what a trace is shown leads to the answer.
struct LastStep {
    static constexpr bool kEnabled = true;
    std::vector<DecisionRule> deciding;
    bool is_enabled = false;
    void record(const TraceStep& step) {
        if (step.has_decided) {
            deciding.push_back(step.rule);
            is_enabled = step.is_enabled;
        }
    }
    void record(const ConstraintStep& /*step*/) {}
};

void expect_equal(const Answer& left, const Answer& right, bool is_random) {
    EXPECT_EQ(left.is_enabled, right.is_enabled);
    EXPECT_EQ(left.reason, right.reason);
    EXPECT_EQ(left.in_experiment, right.in_experiment);
    if (!is_random) {
        EXPECT_EQ(left.variant, right.variant);
    }
}

}  // namespace

void WrittenFlags::add_enabled(const std::string& name, const std::string& segments_json) {
    rows.push_back(written_flag(name, "enabled", "0", segments_json));
}

sync::RawFlag written_flag(const std::string& name, const std::string& status,
                           const std::string& rollout_percentage, const std::string& segments_json,
                           const std::string& variants_json) {
    sync::RawFlag row;
    row.name = name;
    row.status = status;
    row.rollout_percentage = rollout_percentage;
    row.segments = segments_json;
    row.variants = variants_json;
    row.metadata = "{}";
    row.revision = 1;
    return row;
}

PublishedFlags::PublishedFlags(const WrittenFlags& written) {
    FlagChanges changes;
    changes.revision = 1;
    changes.is_full = true;
    changes.database_unix_ms = written.now_unix_ms;
    for (const sync::RawFlag& row : written.rows) {
        sync::FlagVerdict verdict = check_flag(row, written.settings);
        if (!verdict.problems.empty()) {
            problems_ += sync::to_line(verdict.problems) + "\n";
        }
        if (verdict.flag) {
            changes.changed.push_back(*std::move(verdict.flag));
        } else {
            changes.refused.push_back(row.name.value_or(""));
        }
    }
    std::vector<sync::RawSegment> segments;
    for (const auto& [name, constraints] : written.segments) {
        segments.push_back({name, constraints, 1});
    }
    sync::check_segments(segments, changes);
    SnapshotBuilder builder;
    builder.apply(changes);
    for (const std::vector<FlagProblem>& list : {changes.problems, builder.problems()}) {
        for (const FlagProblem& problem : list) {
            problems_ += sync::to_line({problem}) + "\n";
        }
    }
    bytes_ = builder.build({1, written.now_unix_ms});
    EXPECT_EQ(SnapshotView::open(bytes_.data(), bytes_.size(), view_), ViewError::kNone);
    EXPECT_EQ(view_.check_bodies(), ViewError::kNone) << describe(view_.check_bodies());
}

Answer PublishedFlags::ask(std::string_view name, const Context& context) const {
    const FlagRecord* flag = view_.find(hash64(name));
    if (flag == nullptr) {
        return {};
    }
    const bool is_random = (flag->traits & kTraitRandom) != 0;
    const Answer answer = evaluate(view_, *flag, context);
    LastStep trace;
    expect_equal(answer, detail::ask_full(view_, *flag, context), is_random);
    expect_equal(answer, evaluate(view_, *flag, context, trace), is_random);
    EXPECT_EQ(trace.deciding.size(), 1U) << name << ": one step decides";
    EXPECT_EQ(trace.is_enabled, answer.is_enabled) << name;
    return answer;
}

std::string PublishedFlags::variant_of(Answer answer) const {
    return answer.variant == 0 ? "" : std::string(view_.name(*view_.variant(answer.variant - 1)));
}

}  // namespace burgee::test
