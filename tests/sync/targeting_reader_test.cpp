// Promise: segments and slots of layers reach the reader like flags do: only what changed, nothing
// missed, nothing lost because a row vanished, a bad row hurts no other. Method: plain SQL on a
// real server, as other programs would write it.
#include "sync/flag_reader.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using std::chrono::seconds;
using Names = std::vector<std::string>;

class TargetingReaderTest : public test::PostgresTest {
protected:
    std::chrono::steady_clock::time_point now_ = std::chrono::steady_clock::now();
    FlagReader reader_{session_, {.now = [this] { return now_; }}};

    FlagChanges poll() {
        SyncResult<FlagChanges> changes = reader_.poll();
        EXPECT_TRUE(changes) << changes.error().message;
        return changes ? changes.value() : FlagChanges{};
    }

    void put(const std::string& name, const std::string& constraints = "[]") {
        execute("INSERT INTO burgee.segments (name, constraints) VALUES ('" + name + "', '" +
                constraints +
                "') ON CONFLICT (name) DO UPDATE SET constraints = "
                "excluded.constraints, updated_at = now()");
    }

    static Names names_of(const std::vector<SegmentDefinition>& segments) {
        Names names;
        for (const SegmentDefinition& segment : segments) {
            names.push_back(segment.name);
        }
        return names;
    }

    void insert_flag(const std::string& name, const std::string& layer) {
        execute("INSERT INTO feature_flags (name, status, segments) VALUES ('" + name +
                R"(', 'enabled', '{"layer": {"name": ")" + layer + R"("}}'))");
    }

    void give(const std::string& flag, const std::string& layer, int first, int last) {
        execute("INSERT INTO burgee.layer_slots SELECT '" + layer +
                "', slot, id FROM feature_flags," + " generate_series(" + std::to_string(first) +
                ", " + std::to_string(last) + ") AS slot WHERE name = '" + flag + "'");
    }

    /// "a 0-99 200-200; b": the flags of a poll and their slots.
    static std::string slots_of(const FlagChanges& changes) {
        std::string text;
        for (const FlagDefinition& flag : changes.changed) {
            text += (text.empty() ? "" : "; ") + flag.name;
            for (const SlotRange& range :
                 flag.layer ? flag.layer->slots : std::vector<SlotRange>()) {
                text += " " + std::to_string(range.first) + "-" + std::to_string(range.last);
            }
        }
        return text;
    }
};

TEST_F(TargetingReaderTest, ReadsAllSegmentsThenOnlyWhatChanged) {
    put("beta", R"([{"attribute": "tier", "operator": "IN", "values": ["gold"]}])");
    put("staff");
    FlagChanges changes = poll();
    EXPECT_TRUE(changes.is_full);
    EXPECT_EQ(names_of(changes.segments), (Names{"beta", "staff"}));
    EXPECT_EQ(changes.segments.at(0).constraints.at(0).values, Names{"gold"});
    EXPECT_EQ(changes.segments.at(0).revision, 1U);
    put("staff", R"([{"segment": "beta"}])");
    execute("INSERT INTO feature_flags (name, status) VALUES ('a', 'enabled')");
    changes = poll();
    EXPECT_FALSE(changes.is_full);
    EXPECT_EQ(names_of(changes.segments), Names{"staff"});
    EXPECT_EQ(changes.segments.front().revision, 3U);
    EXPECT_EQ(changes.changed.size(), 1U);
    execute("DELETE FROM burgee.segments WHERE name = 'beta'");
    execute("UPDATE burgee.segments SET name = 'team' WHERE name = 'staff'");
    changes = poll();
    EXPECT_FALSE(changes.is_full);
    EXPECT_EQ(names_of(changes.segments), Names{"team"});
    EXPECT_EQ(changes.removed_segments, (Names{"beta", "staff"}));
    EXPECT_TRUE(poll().segments.empty());
}

TEST_F(TargetingReaderTest, ABadSegmentIsNamedAndHurtsNoOther) {
    put("good");
    put("bad");
    poll();
    put("bad", R"([{"attribute": "a", "operator": "in"}])");
    put("good", R"([{"segment": "other"}])");
    FlagChanges changes = poll();
    EXPECT_EQ(names_of(changes.segments), Names{"good"});
    EXPECT_EQ(changes.refused_segments, Names{"bad"});
    ASSERT_EQ(changes.problems.size(), 1U);
    EXPECT_EQ(changes.problems.front().flag, "segment bad");
    EXPECT_EQ(changes.problems.front().field, "constraints[0].operator");
    EXPECT_TRUE(changes.problems.front().is_refused);
    for (const char* constraints : {"{}", "7", "null", "\"x\"", "[[]]"}) {
        put("bad", constraints);
        EXPECT_EQ(poll().refused_segments, Names{"bad"}) << constraints;
    }
    reader_.forget();
    changes = poll();
    EXPECT_TRUE(changes.is_full);
    EXPECT_EQ(changes.refused_segments, Names{"bad"});
}

TEST_F(TargetingReaderTest, EveryColumnOfASegmentMayBeNull) {
    execute(
        "ALTER TABLE burgee.segments DROP CONSTRAINT segments_pkey, ALTER name DROP NOT NULL,"
        " ALTER constraints DROP NOT NULL, ALTER updated_at DROP NOT NULL;"
        "INSERT INTO burgee.segments (name) VALUES ('good'), ('spoiled')");
    poll();
    for (const char* column : {"description", "updated_at", "constraints", "name"}) {
        execute(std::string("UPDATE burgee.segments SET ") + column +
                " = NULL WHERE name = 'spoiled'");
        poll();
    }
    reader_.forget();
    const FlagChanges changes = poll();
    EXPECT_EQ(names_of(changes.segments), Names{"good"});
    EXPECT_EQ(changes.refused_segments, Names{""});
    ASSERT_EQ(changes.problems.size(), 2U);
    EXPECT_EQ(changes.problems.at(0).flag, "segment (no name)");
    EXPECT_EQ(changes.problems.at(0).field, "name");
    EXPECT_EQ(changes.problems.at(1).field, "constraints");
}

TEST_F(TargetingReaderTest, TruncatedSegmentsAreHeldForAMinuteAndThreePolls) {
    put("a");
    poll();
    execute("TRUNCATE burgee.segments");
    put("new");
    FlagChanges changes = poll();
    EXPECT_EQ(names_of(changes.segments), Names{"new"});
    EXPECT_EQ(changes.refused_segments, Names{"a"}) << "its last valid form stays";
    ASSERT_EQ(changes.problems.size(), 1U);
    EXPECT_EQ(changes.problems.front().flag, "segment a");
    EXPECT_EQ(changes.problems.front().field, "row");
    EXPECT_TRUE(changes.removed_segments.empty());
    poll();
    now_ += kHoldTime;
    changes = poll();
    EXPECT_EQ(changes.removed_segments, Names{"a"});
    EXPECT_TRUE(changes.refused_segments.empty());
    now_ += seconds(1);
    EXPECT_FALSE(poll().is_full) << "in doubt no more";
}

TEST_F(TargetingReaderTest, ReadsSlotsAsRangesAndFollowsTheirChanges) {
    execute("INSERT INTO burgee.layers (name) VALUES ('checkout'), ('search')");
    insert_flag("a", "checkout");
    insert_flag("b", "checkout");
    insert_flag("c", "search");
    give("a", "checkout", 0, 99);
    give("a", "checkout", 200, 200);
    give("b", "checkout", 100, 199);
    EXPECT_EQ(slots_of(poll()), "a 0-99 200-200; b 100-199; c");
    give("c", "search", 9998, 9999);
    FlagChanges changes = poll();
    EXPECT_FALSE(changes.is_full);
    EXPECT_EQ(slots_of(changes), "c 9998-9999");
    execute(
        "UPDATE burgee.layer_slots SET flag_id = (SELECT id FROM feature_flags WHERE name = 'b')"
        " WHERE layer = 'checkout' AND slot < 50");
    EXPECT_EQ(slots_of(poll()), "a 50-99 200-200; b 0-49 100-199");
    execute("DELETE FROM burgee.layer_slots WHERE slot = 150");
    EXPECT_EQ(slots_of(poll()), "b 0-49 100-149 151-199");
    EXPECT_THROW(give("a", "checkout", 199, 201), std::runtime_error) << "one slot, one flag";
    EXPECT_EQ(slots_of(poll()), "");
    execute("UPDATE burgee.layers SET name = 'find' WHERE name = 'search'");
    changes = poll();
    EXPECT_EQ(slots_of(changes), "c");
    ASSERT_EQ(changes.problems.size(), 2U);
    EXPECT_THAT(changes.problems.at(0).message, ::testing::HasSubstr("slots of layer \"find\""));
    EXPECT_THAT(changes.problems.at(1).message, ::testing::HasSubstr("does not exist"));
    execute("DELETE FROM burgee.layers WHERE name = 'checkout'");
    EXPECT_EQ(slots_of(poll()), "a; b");
    execute("DELETE FROM feature_flags WHERE name = 'c'");
    changes = poll();
    EXPECT_FALSE(changes.is_full);
    EXPECT_EQ(changes.removed, Names{"c"});
    execute("TRUNCATE burgee.layer_slots");
    EXPECT_TRUE(poll().is_full);
}

}  // namespace
}  // namespace burgee::sync
