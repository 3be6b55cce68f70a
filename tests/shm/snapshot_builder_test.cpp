// Promise: the builder says what each flag answers, keeps the last valid form of what it cannot
// compile, and writes the same bytes for the same flags whatever way they came.
// Method: apply changes as sync would, build, and read the snapshot through the public view.

#include <algorithm>
#include <limits>
#include <optional>
#include <random>

#include "tests/shm/random_seed.hpp"
#include "tests/shm/sample_flags.hpp"

namespace burgee::test {
namespace {

class SnapshotBuilderTest : public ::testing::Test {
protected:
    void apply_full(std::vector<FlagDefinition> flags, std::vector<std::string> refused = {}) {
        changes_.is_full = true;
        changes_.refused = std::move(refused);
        apply(std::move(flags));
    }
    void apply_some(std::vector<FlagDefinition> flags, std::vector<std::string> removed = {}) {
        changes_.is_full = false;
        changes_.removed = std::move(removed);
        apply(std::move(flags));
        changes_.removed.clear();
    }
    void apply(std::vector<FlagDefinition> flags) {
        changes_.changed = std::move(flags);
        changes_.database_unix_ms = now_;
        builder_.apply(changes_);
    }
    /// The flag in a snapshot built now; nothing when it is not there.
    std::optional<FlagRecord> built(const std::string& name) {
        bytes_ = builder_.build({1, now_});
        EXPECT_EQ(full_error(bytes_), ViewError::kNone) << describe(full_error(bytes_));
        EXPECT_EQ(SnapshotView::open(bytes_.data(), bytes_.size(), view_), ViewError::kNone);
        const FlagRecord* record = view_.find(hash64(name));
        return record != nullptr ? std::optional(*record) : std::nullopt;
    }
    static EvaluationPath path(const FlagRecord& record) {
        return static_cast<EvaluationPath>(record.path);
    }
    static Reason reason(const FlagRecord& record) {
        return static_cast<Reason>(record.constant_reason);
    }
    static bool is_on(const FlagRecord& record) {
        return (record.traits & kTraitConstantEnabled) != 0;
    }
    void expect_constant(FlagDefinition flag, bool on, Reason expected) {
        apply_full({flag});
        const FlagRecord record = built(flag.name).value();
        EXPECT_EQ(path(record), EvaluationPath::kConstant);
        EXPECT_EQ(is_on(record), on);
        EXPECT_EQ(reason(record), expected);
    }
    void expect_path(const FlagDefinition& flag, EvaluationPath expected) {
        apply_full({flag});
        EXPECT_EQ(path(built(flag.name).value()), expected);
    }
    /// The one problem there is, and that it is about `field`.
    void expect_problem(const std::string& flag, const std::string& field) {
        const std::vector<FlagProblem> problems = builder_.problems();
        ASSERT_EQ(problems.size(), 1U);
        EXPECT_EQ(problems[0].flag, flag);
        EXPECT_THAT(problems[0].field, ::testing::StartsWith(field));
        EXPECT_FALSE(problems[0].message.empty());
    }

    std::int64_t now_ = kNow;
    FlagChanges changes_;
    SnapshotBuilder builder_;
    std::vector<std::byte> bytes_;
    SnapshotView view_;
};

TEST_F(SnapshotBuilderTest, AnswersConstantsBeforehand) {
    expect_constant(flag_of("flag", Status::kDisabled, 100), false, Reason::kDisabled);
    expect_constant(flag_of("flag", Status::kEnabled), true, Reason::kStatic);
    for (const Status status : {Status::kGradualRollout, Status::kCanary}) {
        expect_constant(flag_of("flag", status, 0), false, Reason::kSplit);
        expect_constant(flag_of("flag", status, 100), true, Reason::kSplit);
        expect_constant(flag_of("flag", status, 0.00001), false, Reason::kSplit);
    }
    FlagDefinition legacy = flag_of("flag", Status::kGradualRollout, 100);
    legacy.bucketing = Bucketing::kLegacyMd5;
    expect_constant(legacy, true, Reason::kSplit);
    FlagDefinition killed = flag_of("flag", Status::kDisabled);
    killed.include = {"anna"};
    expect_constant(killed, false, Reason::kDisabled);
}

TEST_F(SnapshotBuilderTest, ChoosesTheShortestPath) {
    FlagDefinition flag = flag_of("flag", Status::kGradualRollout, 25);
    expect_path(flag, EvaluationPath::kSplit);
    flag.status = Status::kCanary;
    expect_path(flag, EvaluationPath::kSplit);
    for (const double percentage : {0.0, 50.0, 100.0}) {
        expect_path(ab_test_of("flag", percentage), EvaluationPath::kVariantSplit);
    }
    FlagDefinition full = flag;
    full.include = {"anna"};
    expect_path(full, EvaluationPath::kFull);
    full.status = Status::kEnabled;
    expect_path(full, EvaluationPath::kFull);
    full = flag;
    full.exclude = {"anna"};
    expect_path(full, EvaluationPath::kFull);
    full = flag;
    full.bucket_by = {"account"};
    expect_path(full, EvaluationPath::kFull);
    full = flag;
    full.strategy = Strategy::kRandom;
    expect_path(full, EvaluationPath::kFull);
    full = flag;
    full.bucketing = Bucketing::kLegacyMd5;
    expect_path(full, EvaluationPath::kFull);
}

TEST_F(SnapshotBuilderTest, StoresSeedsAndGate) {
    FlagDefinition flag = flag_of("flag", Status::kGradualRollout, 25);
    flag.salt = "pepper";
    flag.revision = 99;
    apply_full({flag});
    const FlagRecord record = built("flag").value();
    using namespace std::string_view_literals;
    EXPECT_EQ(record.rollout_seed, hash64("rollout\0pepper"sv));
    EXPECT_EQ(record.variant_seed, hash64("variant\0pepper"sv));
    EXPECT_EQ(record.gate_end, 250'000U);
    EXPECT_EQ(record.revision, 99U);
    EXPECT_EQ(record.experiment, 0U);
    EXPECT_EQ(record.targeting, 0U);
}

TEST_F(SnapshotBuilderTest, StoresVariantsWithTypedConfig) {
    apply_full({flag_of("aaa", Status::kEnabled), ab_test_of("flag")});
    const FlagRecord flag = built("flag").value();
    ASSERT_EQ(flag.variant_count, 2U);
    const VariantRecord& variant = must(view_.variant(flag.variants_first + 1U));
    EXPECT_EQ(view_.name(variant), "treatment");
    EXPECT_EQ(variant.range_end, kBucketCount);
    EXPECT_EQ(variant.weight_ppm, 500'000U);
    EXPECT_EQ(view_.text(variant.json_offset, variant.json_size),
              variant_of("treatment", 50, "gpt-4").config_json);
    ASSERT_EQ(variant.config_count, 4U);
    const auto field = [&](std::uint32_t number) {
        return must(view_.config_field(variant.config_first + number));
    };
    const auto path_of = [&](const ConfigField& one) {
        return view_.text(one.path_offset, one.path_size);
    };
    EXPECT_EQ(path_of(field(0)), "limit");
    EXPECT_EQ(field(0).type, static_cast<std::uint8_t>(ConfigType::kInteger));
    EXPECT_EQ(field(0).value, 20U);
    EXPECT_EQ(field(0).path_prefix, 0x6C696D6974000000U);  // "limit"
    EXPECT_EQ(path_of(field(1)), "model");
    EXPECT_EQ(view_.text(field(1).value & 0xFFFFFFFFU, field(1).value >> 32U), "gpt-4");
    EXPECT_EQ(path_of(field(2)), "safe");
    EXPECT_EQ(field(2).value, 1U);
    EXPECT_EQ(path_of(field(3)), "score");
    EXPECT_EQ(field(3).value, 0x3FE0000000000000U);  // 0.5
}

TEST_F(SnapshotBuilderTest, StoresTargeting) {
    FlagDefinition flag = flag_of("flag", Status::kCanary, 5);
    flag.include = {"anna", "berta", "anna"};
    flag.exclude = {"carl"};
    flag.bucket_by = {"account", "user_id"};
    flag.salt = "pepper";
    FlagDefinition other = flag;
    other.name = "other";
    apply_full({flag, other});
    for (const char* name : {"flag", "other"}) {
        const TargetingRecord& targeting = must(view_.targeting(built(name)->targeting - 1U));
        EXPECT_EQ(targeting.include_count, 2U);
        EXPECT_TRUE(view_.set_contains(targeting.include_first, targeting.include_count,
                                       hash64(std::string_view("berta"))));
        EXPECT_TRUE(view_.set_contains(targeting.exclude_first, targeting.exclude_count,
                                       hash64(std::string_view("carl"))));
        ASSERT_EQ(targeting.bucket_by_count, 2U);
        EXPECT_EQ(view_.text(must(view_.text_ref(targeting.bucket_by_first))), "account");
        EXPECT_EQ(view_.text(must(view_.text_ref(targeting.bucket_by_first + 1U))), "user_id");
        EXPECT_EQ(view_.text(targeting.salt), "pepper");
    }
}

TEST_F(SnapshotBuilderTest, AFullReadReplacesTheSet) {
    apply_full({flag_of("stays", Status::kEnabled), flag_of("goes", Status::kEnabled),
                flag_of("is.bad", Status::kEnabled)});
    apply_full({flag_of("stays", Status::kDisabled)}, {"is.bad", "never.seen"});
    EXPECT_EQ(reason(built("stays").value()), Reason::kDisabled);
    EXPECT_FALSE(built("goes").has_value());
    EXPECT_EQ(reason(built("is.bad").value()), Reason::kStatic) << "the last valid form stays";
    EXPECT_FALSE(built("never.seen").has_value());
}

TEST_F(SnapshotBuilderTest, AnIncrementTouchesNothingElse) {
    apply_full({flag_of("one", Status::kEnabled), flag_of("two", Status::kEnabled)});
    apply_some({flag_of("two", Status::kDisabled), flag_of("three", Status::kEnabled)}, {"one"});
    EXPECT_FALSE(built("one").has_value());
    EXPECT_EQ(reason(built("two").value()), Reason::kDisabled);
    EXPECT_TRUE(built("three").has_value());
}

TEST_F(SnapshotBuilderTest, KeepsTheLastValidFormOfABadFlag) {
    apply_full({flag_of("flag", Status::kEnabled), flag_of("other", Status::kEnabled)});
    FlagDefinition bad = flag_of("flag", Status::kDisabled);
    bad.salt.assign(5'000, 'x');
    for (const bool is_full : {false, true}) {
        changes_.is_full = is_full;
        apply({bad, flag_of("other", Status::kDisabled)});
        EXPECT_EQ(reason(built("flag").value()), Reason::kStatic);
        EXPECT_EQ(reason(built("other").value()), Reason::kDisabled);
        expect_problem("flag", "segments.salt");
    }
    apply_some({flag_of("flag", Status::kDisabled)});
    EXPECT_EQ(reason(built("flag").value()), Reason::kDisabled);
    EXPECT_TRUE(builder_.problems().empty()) << "a mended row has no problem";
    apply_some({bad});
    apply_some({}, {"flag"});
    EXPECT_TRUE(builder_.problems().empty()) << "a deleted row has no problem";
}

TEST_F(SnapshotBuilderTest, RefusesWhatDoesNotFit) {
    const auto expect_refused = [&](const std::string& field, auto change) {
        FlagDefinition flag = ab_test_of("flag");
        change(flag);
        apply_full({flag});
        expect_problem(flag.name.substr(0, kFlagNameSizeMax), field);
        EXPECT_EQ(builder_.flag_count(), 0U);
    };
    expect_refused("name", [](auto& flag) { flag.name.clear(); });
    expect_refused("name", [](auto& flag) { flag.name.assign(257, 'n'); });
    expect_refused("rollout_percentage", [](auto& flag) { flag.rollout_percentage = 100.5; });
    expect_refused("rollout_percentage", [](auto& flag) {
        flag.rollout_percentage = std::numeric_limits<double>::quiet_NaN();
    });
    expect_refused("segments.bucket_by", [](auto& flag) { flag.bucket_by.assign(9, "a"); });
    expect_refused("segments.include", [](auto& flag) { flag.include.assign(1'048'577, "a"); });
    expect_refused("segments.exclude", [](auto& flag) { flag.exclude.assign(1'048'577, "a"); });
    expect_refused("variants", [](auto& flag) {
        flag.variants.assign(65, variant_of("many", 100.0 / 65, "m"));
    });
    expect_refused("variants", [](auto& flag) { flag.variants.clear(); });
    expect_refused("variants", [](auto& flag) {
        flag.variants[0].weight = 0;
        flag.variants[1].weight = 100;
    });
    expect_refused("variants", [](auto& flag) { flag.variants[0].weight = 49.98; });
    expect_refused("variants[1].weight", [](auto& flag) { flag.variants[1].weight = -1; });
    expect_refused("variants[1].weight", [](auto& flag) {
        flag.variants[1].weight = std::numeric_limits<double>::infinity();
    });
    expect_refused("variants[0].name", [](auto& flag) { flag.variants[0].name.clear(); });
    expect_refused("variants[0].config_overrides",
                   [](auto& flag) { flag.variants[0].config[0].path.assign(65'536, 'p'); });
    expect_refused("variants[0].config_overrides", [](auto& flag) {
        flag.variants[0].config.push_back(flag.variants[0].config[0]);
    });
    expect_refused("variants",
                   [](auto& flag) { flag.variants[0].config_json.assign(17 << 20, ' '); });
}

TEST_F(SnapshotBuilderTest, TakesTheLargestThatFit) {
    FlagDefinition flag = ab_test_of(std::string(256, 'n'));
    flag.variants.assign(64, variant_of("many", 100.0 / 64, "m"));
    flag.variants[0].config[0].path.assign(65'535, 'p');
    apply_full({flag});
    EXPECT_EQ(built(flag.name)->variant_count, 64U);
    EXPECT_TRUE(builder_.problems().empty());
}

TEST_F(SnapshotBuilderTest, ExpiresOnDatabaseTimeAndStaysExpired) {
    FlagDefinition flag = flag_of("flag", Status::kEnabled);
    flag.expires_unix_ms = kNow + 1'000;
    apply_full({flag});
    EXPECT_EQ(builder_.next_change_unix_ms(kNow), kNow + 1'000);
    now_ = kNow + 999;
    EXPECT_EQ(reason(built("flag").value()), Reason::kStatic);
    now_ = kNow + 1'000;
    EXPECT_EQ(reason(built("flag").value()), Reason::kExpired);
    EXPECT_FALSE(is_on(built("flag").value()));
    EXPECT_EQ(builder_.next_change_unix_ms(now_), std::nullopt);
    now_ = kNow;  // the database's clock went back
    EXPECT_EQ(reason(built("flag").value()), Reason::kExpired);
    apply_full({flag});
    EXPECT_EQ(reason(built("flag").value()), Reason::kExpired) << "the row has not changed";
    flag.revision = 2;
    apply_some({flag});
    EXPECT_EQ(reason(built("flag").value()), Reason::kStatic) << "the row has changed";
    EXPECT_EQ(builder_.next_change_unix_ms(kNow), kNow + 1'000);
}

TEST_F(SnapshotBuilderTest, DisabledComesBeforeExpired) {
    FlagDefinition flag = flag_of("flag", Status::kDisabled);
    flag.expires_unix_ms = kNow - 1;
    expect_constant(flag, false, Reason::kDisabled);
    flag.status = Status::kEnabled;
    expect_constant(flag, false, Reason::kExpired);
    EXPECT_NE(built("flag")->traits & kTraitExpired, 0);
}

TEST_F(SnapshotBuilderTest, NamesTheNewestActiveExperiment) {
    const auto named = [&]() -> std::string {
        const std::uint32_t number = built("flag")->experiment;
        const ExperimentRecord* record = view_.experiment(static_cast<std::uint64_t>(number) - 1);
        return record == nullptr ? ""
                                 : std::string(view_.text(record->name_offset, record->name_size));
    };
    ExperimentDefinition first = experiment_of("first", "flag", kNow - 2 * kDay);
    first.end_unix_ms = kNow + kDay;
    const ExperimentDefinition second = experiment_of("second", "flag", kNow);
    changes_.experiments = {first, second, experiment_of("elsewhere", "unknown", 0)};
    apply_full({ab_test_of("flag"), flag_of("aaa", Status::kEnabled)});
    now_ = kNow - 1;
    EXPECT_EQ(named(), "first");
    EXPECT_EQ(builder_.next_change_unix_ms(now_), kNow);
    EXPECT_TRUE(builder_.problems().empty());
    now_ = kNow;
    EXPECT_EQ(named(), "second");
    expect_problem("flag", "experiment \"first\"");
    EXPECT_FALSE(builder_.problems()[0].is_refused);
    EXPECT_EQ(builder_.next_change_unix_ms(now_), kNow + kDay);
    now_ = kNow + kDay;
    EXPECT_EQ(named(), "second");
    EXPECT_TRUE(builder_.problems().empty()) << "the first has ended";
    EXPECT_EQ(built("aaa")->experiment, 0U);
    changes_.experiments = {first};
    apply_some({});
    EXPECT_EQ(named(), "") << "it has ended, the other is gone";
}

TEST_F(SnapshotBuilderTest, MeasuresNoExperimentOnARandomFlag) {
    FlagDefinition flag = ab_test_of("flag");
    flag.strategy = Strategy::kRandom;
    changes_.experiments = {experiment_of("trial", "flag", 0)};
    apply_full({flag});
    EXPECT_EQ(built("flag")->experiment, 0U);
    expect_problem("flag", "experiment");
}

TEST_F(SnapshotBuilderTest, GivesEqualBytesForEqualFlags) {
    FlagChanges reversed = one_of_each();
    std::ranges::reverse(reversed.changed);
    EXPECT_EQ(snapshot_of(one_of_each()), snapshot_of(one_of_each()));
    EXPECT_EQ(snapshot_of(one_of_each()), snapshot_of(reversed));
}

TEST_F(SnapshotBuilderTest, AWayOfChangesEndsInTheBytesOfAFullRead) {
    std::mt19937_64 random(random_seed());
    std::vector<FlagDefinition> rows;
    const auto row_of = [&](std::size_t number) {
        const std::string name = "flag" + std::to_string(number);
        FlagDefinition flag =
            random() % 3 == 0 ? ab_test_of(name) : flag_of(name, Status::kGradualRollout, 50);
        flag.include.assign(random() % 12, "unit" + std::to_string(random()));
        flag.rollout_percentage = static_cast<double>(random() % 101);
        return flag;
    };
    std::vector<std::optional<FlagDefinition>> truth(700);
    for (int round = 0; round < 200; ++round) {
        std::vector<FlagDefinition> changed;
        std::vector<std::string> removed;
        const std::size_t count = round % 20 == 0 ? 400 : random() % 12;
        for (std::size_t change = 0; change < count; ++change) {
            const std::size_t number = random() % truth.size();
            if (random() % 4 != 0) {
                truth[number] = row_of(number);
                changed.push_back(*truth[number]);
            } else if (truth[number] && std::ranges::find(changed, truth[number]->name,
                                                          &FlagDefinition::name) == changed.end()) {
                removed.push_back(truth[number]->name);
                truth[number].reset();
            }
        }
        std::erase_if(removed, [&](const std::string& name) {  // brought back in the same poll
            return std::ranges::find(changed, name, &FlagDefinition::name) != changed.end();
        });
        apply_some(changed, removed);
    }
    for (const auto& flag : truth) {
        if (flag) {
            rows.push_back(*flag);
        }
    }
    const std::vector<std::byte> way = builder_.build({1, now_});
    SnapshotBuilder fresh;
    FlagChanges full = changes_;
    full.is_full = true;
    full.changed = rows;
    fresh.apply(full);
    EXPECT_EQ(way, fresh.build({1, now_}));
    EXPECT_EQ(full_error(way), ViewError::kNone);
}

TEST_F(SnapshotBuilderTest, ReadBackCoversEveryChange) {
    apply_full({flag_of("one", Status::kEnabled), flag_of("two", Status::kEnabled)});
    (void)builder_.take_read_back();
    apply_some({flag_of("three", Status::kEnabled)}, {"one"});
    const ReadBack read_back = builder_.take_read_back(0);
    EXPECT_THAT(read_back.present, ::testing::ElementsAre(hash64(std::string_view("three"))));
    EXPECT_THAT(read_back.absent, ::testing::ElementsAre(hash64(std::string_view("one"))));
    EXPECT_EQ(builder_.take_read_back(1'000).present.size(), 2U) << "a sample of all";
}

TEST_F(SnapshotBuilderTest, FindsAHundredThousandFlags) {
    std::vector<FlagDefinition> flags;
    for (int number = 0; number < 100'000; ++number) {
        flags.push_back(flag_of("flag." + std::to_string(number), Status::kEnabled));
    }
    apply_full(flags);
    ASSERT_TRUE(built("flag.0").has_value());
    for (const FlagDefinition& flag : flags) {
        ASSERT_NE(view_.find(hash64(flag.name)), nullptr) << flag.name;
    }
    EXPECT_EQ(view_.index_bucket_count(), 262'144U);
}

}  // namespace
}  // namespace burgee::test
