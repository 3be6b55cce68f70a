// Promise: every row of the order of rules decides as it is written, and only in its turn; the
// short ways, the full way and the traced way give one answer. Method: golden cases compiled by the
// real builder, asked in every way; then properties over many units.

#include <burgee/evaluate.hpp>
#include <burgee/reason.hpp>

#include <map>

#include "tests/clientlib/golden_cases.hpp"
#include "tests/clientlib/published_directory.hpp"

namespace burgee::test {
namespace {

using simdjson::dom::element;

/// Keeps rule and outcome of every step; texts of a step do not outlive the call.
struct StepLog {
    static constexpr bool kEnabled = true;
    struct Kept {
        TraceStep step;
        std::string unit;
        std::string variant;
    };
    std::vector<Kept> steps;
    void record(const TraceStep& step) {
        steps.push_back({step, std::string(step.unit), std::string(step.variant)});
    }
    void record(const ConstraintStep& /*step*/) {}
};

template <typename Value>
std::vector<Value> list_of(element flag, const char* key) {
    std::vector<Value> values;
    simdjson::dom::array array;
    if (flag[key].get(array) == simdjson::SUCCESS) {
        for (const element value : array) {
            values.push_back(text_of(value));
        }
    }
    return values;
}

FlagDefinition flag_from(element row) {
    static const std::map<std::string, Status> kStatuses{
        {"disabled", Status::kDisabled},
        {"enabled", Status::kEnabled},
        {"gradual_rollout", Status::kGradualRollout},
        {"canary", Status::kCanary},
        {"ab_test", Status::kAbTest}};
    FlagDefinition flag = flag_of(text_of(row["name"]), kStatuses.at(text_of(row["status"])),
                                  double(row["rollout_percentage"]));
    std::string_view text;
    flag.salt = row["salt"].get(text) == simdjson::SUCCESS ? std::string(text) : flag.name;
    flag.bucketing = row["bucketing"].get(text) == simdjson::SUCCESS && text == "legacy_md5"
                         ? Bucketing::kLegacyMd5
                         : Bucketing::kXxh3;
    flag.strategy = row["type"].get(text) == simdjson::SUCCESS && text == "random"
                        ? Strategy::kRandom
                        : Strategy::kHash;
    bool is_expired = false;
    if (row["expired"].get(is_expired) == simdjson::SUCCESS && is_expired) {
        flag.expires_unix_ms = 999;  // images are built for database time 1 000
    }
    flag.include = list_of<std::string>(row, "include");
    flag.exclude = list_of<std::string>(row, "exclude");
    flag.bucket_by = list_of<std::string>(row, "bucket_by");
    simdjson::dom::array variants;
    if (row["variants"].get(variants) == simdjson::SUCCESS) {
        for (const element variant : variants) {
            flag.variants.push_back(
                variant_of(text_of(variant["name"]), double(variant["weight"])));
        }
    }
    return flag;
}

/// A snapshot of some flags, without a directory.
class Flags {
public:
    explicit Flags(std::vector<FlagDefinition> flags) : bytes_(image_of(1, std::move(flags))) {
        EXPECT_EQ(SnapshotView::open(bytes_.data(), bytes_.size(), view), ViewError::kNone);
    }
    const FlagRecord* find(std::string_view name) const { return view.find(hash64(name)); }
    Answer ask(std::string_view name, const Context& context) const {
        return evaluate(view, *find(name), context);
    }
    std::string variant_of(Answer answer) const {
        return answer.variant == 0 ? "" : std::string(view.name(*view.variant(answer.variant - 1)));
    }

    SnapshotView view;

private:
    std::vector<std::byte> bytes_;
};

void expect_answer(element expected, const Flags& flags, Answer answer) {
    EXPECT_EQ(answer.is_enabled, bool(expected["enabled"]));
    EXPECT_EQ(to_string(answer.reason), text_of(expected["reason"]));
    EXPECT_EQ(answer.in_experiment, bool(expected["in_experiment"]));
    const std::string variant = text_of(expected["variant"]);
    if (variant == "*") {
        EXPECT_NE(answer.variant, 0U);
    } else {
        EXPECT_EQ(flags.variant_of(answer), variant);
    }
}

TEST(EvaluateTest, PassesTheGoldenCasesInEveryWay) {
    const GoldenFile golden("evaluation.json", "burgee-evaluation/1");
    std::size_t count = 0;
    for (const element row : golden.cases("cases")) {
        SCOPED_TRACE(title_of(row));
        ++count;
        const Context context = context_from(row["context"]);
        if (row["flag"].is_null()) {
            const Flags none({});
            EXPECT_EQ(none.find("f"), nullptr);
            continue;
        }
        const Flags flags({flag_from(row["flag"])});
        const FlagRecord& flag = *flags.find("f");
        expect_answer(row["expect"], flags, evaluate(flags.view, flag, context));
        expect_answer(row["expect"], flags, detail::ask_full(flags.view, flag, context));
        StepLog log;
        const Answer traced = evaluate(flags.view, flag, context, log);
        expect_answer(row["expect"], flags, traced);
        ASSERT_FALSE(log.steps.empty());
        EXPECT_TRUE(log.steps.back().step.has_decided);
        EXPECT_EQ(log.steps.back().step.is_enabled, traced.is_enabled);
        for (std::size_t step = 0; step + 1 < log.steps.size(); ++step) {
            EXPECT_FALSE(log.steps[step].step.has_decided) << step;
            EXPECT_LE(log.steps[step].step.rule, log.steps[step + 1].step.rule);
        }
    }
    EXPECT_GE(count, 50U);
}

TEST(EvaluateTest, RaisingARolloutOnlyAddsUnits) {
    std::vector<FlagDefinition> flags;
    const std::vector<double> steps{0, 0.0001, 1, 5, 25, 50, 99.9999, 100};
    for (std::size_t step = 0; step < steps.size(); ++step) {
        flags.push_back(flag_of("f" + std::to_string(step), Status::kGradualRollout, steps[step]));
        flags.back().salt = "one salt";
    }
    const Flags published(flags);
    std::vector<std::uint64_t> on(steps.size(), 0);
    constexpr int kUnits = 20'000;
    for (int unit = 0; unit < kUnits; ++unit) {
        const Context context{{"user_id", unit}};
        bool was_on = false;
        for (std::size_t step = 0; step < steps.size(); ++step) {
            const bool is_on = published.ask("f" + std::to_string(step), context).is_enabled;
            EXPECT_TRUE(is_on || !was_on) << "unit " << unit << " left at step " << step;
            on[step] += is_on ? 1U : 0U;
            was_on = is_on;
        }
    }
    EXPECT_EQ(on.front(), 0U);
    EXPECT_EQ(on.back(), static_cast<std::uint64_t>(kUnits));
    EXPECT_NEAR(static_cast<double>(on[4]) / kUnits, 0.25, 0.02);
}

TEST(EvaluateTest, RandomDrawsAnewEachTimeWithTheRightShare) {
    FlagDefinition flag = flag_of("f", Status::kGradualRollout, 30);
    flag.strategy = Strategy::kRandom;
    FlagDefinition split = ab_test_of("g", 50);
    split.strategy = Strategy::kRandom;
    const Flags published({flag, split});
    const Context same{{"user_id", "one"}};
    constexpr int kDraws = 100'000;
    int on = 0;
    int treated = 0;
    for (int draw = 0; draw < kDraws; ++draw) {
        on += published.ask("f", same).is_enabled ? 1 : 0;
        treated += published.variant_of(published.ask("g", same)) == "treatment" ? 1 : 0;
    }
    EXPECT_NEAR(on, kDraws * 0.3, 1'000);  // 7 standard deviations
    EXPECT_NEAR(treated, kDraws * 0.25, 1'000);
}

TEST(EvaluateTest, TraceShowsHashBucketAndRange) {
    const Flags published({ab_test_of("chat", 30)});
    const Context context{{"user_id", 42}};
    StepLog log;
    evaluate(published.view, *published.find("chat"), context, log);
    const auto rollout = std::find_if(log.steps.begin(), log.steps.end(), [](const auto& kept) {
        return kept.step.rule == DecisionRule::kRollout;
    });
    ASSERT_NE(rollout, log.steps.end());
    EXPECT_EQ(rollout->unit, "42");
    EXPECT_EQ(rollout->step.draw, Draw::kXxh3);
    EXPECT_EQ(rollout->step.seed, seed(kPurposeRollout, "chat"));
    EXPECT_EQ(rollout->step.hash, hash64(std::string_view("42"), seed(kPurposeRollout, "chat")));
    EXPECT_EQ(rollout->step.bucket, bucket("42", seed(kPurposeRollout, "chat")));
    EXPECT_EQ(rollout->step.bucket_count, kBucketCount);
    EXPECT_EQ(rollout->step.range_end, 300'000U);
}

TEST(EvaluateTest, HostileRecordsGiveSomeAnswer) {
    const Flags published({ab_test_of("chat")});
    FlagRecord flag = *published.find("chat");
    const Context context{{"user_id", "u"}};
    for (const std::uint32_t number : {0U, 1U, 77U, UINT32_MAX - 1, UINT32_MAX}) {
        for (int path = 0; path < 256; path += path < 6 ? 1 : 50) {
            flag.path = static_cast<std::uint8_t>(path);
            flag.status = static_cast<std::uint8_t>(path * 3);
            flag.variants_first = number;
            flag.variant_count = static_cast<std::uint16_t>(number);
            flag.targeting = number;
            flag.gate_end = number;
            flag.traits = static_cast<std::uint8_t>(path * 7);
            const Answer answer = evaluate(published.view, flag, context);
            EXPECT_TRUE(answer.variant == 0 ||
                        published.view.variant(answer.variant - 1) != nullptr);
        }
    }
}

}  // namespace
}  // namespace burgee::test
