// Promise: a builder that begins with a snapshot builds it again byte for byte, and keeps from it
// the form of whatever has no valid row. Method: build, begin a new builder with that, compare;
// then apply what a first poll may find.
#include <algorithm>
#include <optional>
#include <random>

#include "shm/snapshot_disassembly.hpp"
#include "tests/shm/random_seed.hpp"
#include "tests/shm/spoilt_snapshot.hpp"
#include "tests/shm/targeting_flags.hpp"

namespace burgee::test {
namespace {

class SnapshotDisassemblyTest : public SpoiltSnapshot {
protected:
    SnapshotDisassemblyTest() : SpoiltSnapshot({}) {}

    /// Publishes `changes` and starts again.
    void restart_after(const FlagChanges& changes) {
        bytes_ = snapshot_of(changes);
        builder_.emplace();
        builder_->begin_with(view());
    }
    void expect_equal_bytes(const FlagChanges& changes) {
        restart_after(changes);
        EXPECT_EQ(builder_->build({1, changes.database_unix_ms}), bytes_);
    }
    void apply(const FlagChanges& changes) {
        builder_->apply(changes);
        bytes_ = builder_->build({1, kNow});
        ASSERT_EQ(full_error(bytes_), ViewError::kNone);
    }
    std::optional<Status> published(const std::string& name) const {
        const SnapshotView now = view();
        const FlagRecord* flag = now.find(hash64(name));
        return flag == nullptr ? std::nullopt : std::optional(static_cast<Status>(flag->status));
    }

    std::optional<SnapshotBuilder> builder_;
};

TEST_F(SnapshotDisassemblyTest, GivesEqualBytesForEveryKindOfFlag) {
    expect_equal_bytes(one_of_each());
    expect_equal_bytes(everything_of_targeting());
    FlagChanges nothing;
    nothing.is_full = true;
    expect_equal_bytes(nothing);
}

TEST_F(SnapshotDisassemblyTest, GivesEqualBytesForListsPatternsAndTextsThatAreShared) {
    FlagChanges changes;
    changes.is_full = true;
    FlagDefinition flag = flag_of("shares", Status::kGradualRollout, 10);
    for (int number = 0; number < 2'000; ++number) {
        flag.include.push_back("unit number " + std::to_string(number));
    }
    const Condition listed = constraint_on("user_id", Operator::kIn, flag.include);
    const Condition matching = constraint_on("mail", Operator::kRegex, {"^a+[bc]@"});
    flag.rules = {
        {"one", {listed, matching}, true},
        {"two", {without_case(matching), listed}, ServeRollout{5}},
        {"one",
         {matching, constraint_on("long", Operator::kIn, {std::string(5'000, 'x'), "y"})},
         false},
        {"", {constraint_on("long", Operator::kStrContains, {std::string(9'000, 'x')})}, true}};
    changes.changed = {flag};
    expect_equal_bytes(changes);
}

TEST_F(SnapshotDisassemblyTest, GivesEqualBytesForFlagsThatShareTheirVariants) {
    FlagChanges changes;
    changes.is_full = true;
    for (int number = 1'000; number < 3'000; ++number) {
        changes.changed.push_back(ab_test_of("flag" + std::to_string(number)));
    }
    expect_equal_bytes(changes);
    EXPECT_EQ(builder_->flag_count(), 2'000U) << "though each by itself they are larger";
}

TEST_F(SnapshotDisassemblyTest, GivesEqualBytesForRandomSetsOfFlags) {
    std::mt19937_64 random(random_seed());
    const std::vector<FlagDefinition> known = flags_with_targeting();
    for (int round = 0; round < 50; ++round) {
        FlagChanges changes = everything_of_targeting();
        changes.changed.clear();
        for (int number = 0; number < 30; ++number) {
            FlagDefinition flag = known[random() % known.size()];
            flag.name += "." + std::to_string(number);
            flag.rollout_percentage = static_cast<double>(random() % 101);
            std::shuffle(flag.rules.begin(), flag.rules.end(), random);
            flag.rules.resize(random() % (flag.rules.size() + 1));
            changes.changed.push_back(flag);
        }
        expect_equal_bytes(changes);
    }
}

TEST_F(SnapshotDisassemblyTest, KeepsWhatAFirstPollRefusesOrHolds) {
    restart_after(everything_of_targeting());
    FlagChanges first = everything_of_targeting();
    std::erase_if(first.changed, [](const FlagDefinition& flag) {
        return flag.name == "models" || flag.name == "after" || flag.name == "shared";
    });
    first.refused = {"models"};
    first.removed = {"shared"};
    first.refused_segments = {"paying"};
    std::erase_if(first.segments, [](const auto& segment) { return segment.name == "paying"; });
    apply(first);
    EXPECT_EQ(published("models"), Status::kAbTest) << "its row is bad";
    EXPECT_NE(must(view().find(hash64(std::string_view("models")))).experiment, 0U);
    EXPECT_EQ(published("grown.up"), Status::kEnabled) << "its segment's row is bad";
    EXPECT_EQ(published("shared"), std::nullopt) << "deleted";
    EXPECT_EQ(published("after"), std::nullopt) << "missing from a full read";
    FlagChanges mended;
    mended.source_id = first.source_id;
    mended.changed = {flag_of("models", Status::kDisabled)};
    apply(mended);
    EXPECT_EQ(published("models"), Status::kDisabled);
}

TEST_F(SnapshotDisassemblyTest, AHoldKeepsWhatIsMissingAndLetsAKillPass) {
    restart_after(everything_of_targeting());
    FlagChanges held;
    held.source_id = 7;
    held.changed = {flag_of("plain", Status::kDisabled)};
    held.refused_segments = {"paying", "paying adults"};
    apply(held);
    EXPECT_EQ(published("plain"), Status::kDisabled);
    EXPECT_EQ(view().flag_count(), everything_of_targeting().changed.size());
    EXPECT_EQ(view().segment_count(), 2U);
}

TEST_F(SnapshotDisassemblyTest, ARequirementThatWasTakenOverStillClosesACircle) {
    restart_after(everything_of_targeting());
    FlagChanges circle;
    circle.source_id = 7;
    circle.changed = {flag_of("nested", Status::kEnabled)};
    circle.changed[0].requirements = {
        {"chained", true}};  // which requires "after", and that "nested"
    apply(circle);
    EXPECT_EQ(published("nested"), Status::kCanary);
    ASSERT_FALSE(builder_->problems().empty());
    EXPECT_EQ(builder_->problems().front().field, "segments.requires");
}

TEST_F(SnapshotDisassemblyTest, AnotherDatabaseLeavesNothing) {
    restart_after(everything_of_targeting());
    FlagChanges elsewhere;
    elsewhere.source_id = 8;
    elsewhere.is_full = true;
    elsewhere.changed = {flag_of("plain", Status::kEnabled)};
    elsewhere.refused = {"models"};
    elsewhere.refused_segments = {"paying"};
    apply(elsewhere);
    EXPECT_EQ(view().flag_count(), 1U);
    EXPECT_EQ(view().segment_count(), 0U);
    const ReadBack read_back = builder_->take_read_back();
    EXPECT_NE(std::ranges::find(read_back.absent, hash64(std::string_view("models"))),
              read_back.absent.end());
}

TEST_F(SnapshotDisassemblyTest, WhatIsExpiredStaysExpired) {
    restart_after(one_of_each());
    FlagChanges bad;
    bad.source_id = 7;
    bad.refused = {"winter.sale"};
    apply(bad);
    EXPECT_NE(must(view().find(hash64(std::string_view("winter.sale")))).traits & kTraitExpired,
              0U);
}

TEST_F(SnapshotDisassemblyTest, WhatWillExpireDoesSoThoughNoRowWasRead) {
    FlagChanges changes = one_of_each();
    changes.changed.front().expires_unix_ms = kNow + kDay;
    const std::uint64_t name_hash = hash64(changes.changed.front().name);
    restart_after(changes);
    EXPECT_EQ(builder_->next_change_unix_ms(kNow), kNow + kDay);
    bytes_ = builder_->build({2, kNow + kDay - 1});
    EXPECT_EQ(must(view().find(name_hash)).traits & kTraitExpired, 0U);
    bytes_ = builder_->build({3, kNow + kDay});
    EXPECT_NE(must(view().find(name_hash)).traits & kTraitExpired, 0U);
    EXPECT_EQ(view().expiry_count(), 0U);

    apply(changes);
    EXPECT_EQ(must(view().find(name_hash)).traits & kTraitExpired, 0U)
        << "our clock had been a day ahead of the database's";
}

TEST_F(SnapshotDisassemblyTest, RefusesExpiriesThatAreUnsound) {
    FlagChanges changes = one_of_each();
    changes.changed[0].expires_unix_ms = kNow + kDay;
    changes.changed[1].expires_unix_ms = kNow + kDay;
    const std::vector<std::byte> sound = snapshot_of(changes);
    const auto expect_refused = [&](std::size_t number, void (*change)(ExpiryRecord&)) {
        bytes_ = sound;
        EXPECT_EQ(spoil_record<ExpiryRecord>(SectionType::kExpiries, number, change),
                  ViewError::kExpiryRecord);
    };
    expect_refused(0, [](ExpiryRecord& expiry) { expiry.flag = UINT32_MAX; });
    expect_refused(0, [](ExpiryRecord& expiry) { expiry.zero = 1; });
    expect_refused(1, [](ExpiryRecord& expiry) { expiry.flag = 0; });
    bytes_ = sound;
    EXPECT_EQ(view().expiry_count(), 2U);
}

TEST_F(SnapshotDisassemblyTest, AnExperimentThatWasTakenOverEndsAndIsReplacedByThePolls) {
    FlagChanges changes = one_of_each();
    changes.experiments.front().end_unix_ms = kNow + kDay;
    restart_after(changes);
    EXPECT_EQ(builder_->next_change_unix_ms(kNow), kNow + kDay);
    bytes_ = builder_->build({2, kNow + kDay - 1});
    EXPECT_EQ(view().header().experiment_count, 1U);
    bytes_ = builder_->build({3, kNow + kDay});
    EXPECT_EQ(view().header().experiment_count, 0U);
    changes.experiments.clear();
    restart_after(one_of_each());
    apply(changes);
    EXPECT_EQ(view().header().experiment_count, 0U) << "each poll brings all of them";
}

TEST_F(SnapshotDisassemblyTest, WhatWasExpiredIsNotWhenItsRowExpiresNoMore) {
    restart_after(one_of_each());
    FlagChanges same = one_of_each();  // the row lost its expiry while no trigger looked
    for (FlagDefinition& flag : same.changed) {
        flag.expires_unix_ms.reset();
    }
    apply(same);
    EXPECT_EQ(must(view().find(hash64(std::string_view("winter.sale")))).traits & kTraitExpired,
              0U);
}

TEST_F(SnapshotDisassemblyTest, TakesNoMoreThanTwiceTheSnapshot) {
    FlagChanges changes;
    changes.is_full = true;
    for (int number = 0; number < 100; ++number) {
        changes.changed.push_back(flag_of("flag " + std::to_string(number), Status::kEnabled));
        changes.changed.back().include = {"a unit"};
    }
    FlagDefinition large = flag_of("large", Status::kEnabled);
    for (int number = 0; number < 10'000; ++number) {
        large.include.push_back("unit " + std::to_string(number));
    }
    changes.changed.push_back(large);
    bytes_ = snapshot_of(changes);
    const TargetingRecord of_large =
        must(view().targeting(must(view().find(hash64(large.name))).targeting - 1));
    for (std::size_t number = 0; number < view().targeting_count(); ++number) {
        spoil_record<TargetingRecord>(SectionType::kTargeting, number, [&](auto& record) {
            record.include_first = of_large.include_first;
            record.include_count = of_large.include_count;
        });
    }
    ASSERT_EQ(full_error(bytes_), ViewError::kNone) << "no check minds that flags share their set";
    builder_.emplace();
    builder_->begin_with(view());
    EXPECT_LE(builder_->build({1, kNow}).size(), 3 * bytes_.size());
    EXPECT_LT(builder_->flag_count(), 4U);
    EXPECT_GT(builder_->flag_count(), 0U);
}

TEST_F(SnapshotDisassemblyTest, CopiesNoMoreOfAFlagThanItsSnapshotCouldHold) {
    FlagChanges changes;
    changes.is_full = true;
    FlagDefinition hostile = ab_test_of("hostile");
    hostile.variants.clear();
    for (std::uint32_t number = 0; number < kVariantCountMax; ++number) {
        hostile.variants.push_back(
            {"variant " + std::to_string(number), 100.0 / kVariantCountMax, "{}", {}});
    }
    FlagDefinition large = ab_test_of("large");
    large.variants[0].config_json = "\"" + std::string(1 << 20, 'x') + "\"";
    changes.changed = {hostile, large, flag_of("plain", Status::kEnabled)};
    bytes_ = snapshot_of(changes);
    const FlagRecord record = must(view().find(hash64(hostile.name)));
    ASSERT_TRUE(flag_taken_from(view(), record, bytes_.size()));
    std::vector<SectionEntry> entries = table();
    const std::uint64_t text_size = entry_of(entries, SectionType::kStrings).size_bytes;
    for (std::size_t number = 0; number < record.variant_count; ++number) {
        spoil_record<VariantRecord>(SectionType::kVariants, record.variants_first + number,
                                    [&](auto& variant) {
                                        variant.json_offset = 0;
                                        variant.json_size = static_cast<std::uint32_t>(text_size);
                                    });
    }
    ASSERT_EQ(full_error(bytes_), ViewError::kNone) << "no check minds that variants share a text";
    EXPECT_TRUE(flag_taken_from(view(), record, 65 * bytes_.size()));
    EXPECT_FALSE(flag_taken_from(view(), record, 2 * bytes_.size()));
    builder_.emplace();
    builder_->begin_with(view());
    EXPECT_FALSE(builder_->contains("hostile"));
    EXPECT_TRUE(builder_->contains("large"));
    EXPECT_TRUE(builder_->contains("plain"));
}

}  // namespace
}  // namespace burgee::test
