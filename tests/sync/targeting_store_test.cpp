// Promise: people can keep segments and layers without SQL; nothing is stored that hosts would
// refuse, nothing is taken away that is in use, and no two flags get one slot. Method: the stores
// on a real server, beside the reader that hosts use.
#include "sync/flag_reader.hpp"
#include "sync/layer_store.hpp"
#include "sync/segment_store.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using ::testing::HasSubstr;
using Slots = std::vector<SlotRange>;

class TargetingStoreTest : public test::PostgresTest {
protected:
    SegmentStore segments_{session_};
    LayerStore layers_{session_};

    template <class Value>
    static void expect_error(const SyncResult<Value>& result, SyncErrorKind kind,
                             const std::string& words) {
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().kind, kind) << result.error().message;
        EXPECT_THAT(result.error().message, HasSubstr(words));
    }

    template <class Written>
    static Written must(const SyncResult<Written>& result) {
        EXPECT_TRUE(result) << result.error().message;
        return result ? *result : Written{};
    }

    SegmentWritten put(const std::string& name, const std::string& constraints,
                       const std::string& why = "") {
        return must(segments_.put({.name = name, .constraints_json = constraints}, why));
    }

    void insert_flag(const std::string& name, const std::string& segments = "{}") {
        execute("INSERT INTO feature_flags (name, status, segments) VALUES ('" + name +
                "', 'enabled', '" + segments + "')");
    }
};

TEST_F(TargetingStoreTest, PutsGetsListsAndRemovesSegments) {
    const std::string gold = R"([{"value": "gold", "operator": "IN", "attribute": "tier"}])";
    EXPECT_EQ(put("gold", gold, "ticket 1").revision, 1U);
    EXPECT_EQ(value("SELECT why FROM burgee.flag_history WHERE kind = 'segment'"), "ticket 1");
    EXPECT_FALSE(put("gold", gold).is_changed);
    must(segments_.put({.name = "gold", .description = "pays", .constraints_json = gold}, ""));
    EXPECT_EQ(put("gold", "[]").revision, 3U);
    const SegmentRow row = must(segments_.get("gold"));
    EXPECT_EQ(row.description, "pays") << "not given: it stays";
    EXPECT_EQ(row.constraints_json, "[]");
    EXPECT_EQ(row.revision, 3U);
    EXPECT_EQ(row.updated_at.size(), 24U);
    const std::string odd = "'; DROP TABLE burgee.segments; --";
    const SegmentWritten warned =
        put(odd, R"([{"attribute": "a", "operator": "NOT_IN", "value": 1}])");
    ASSERT_EQ(warned.warnings.size(), 1U);
    EXPECT_EQ(warned.warnings.front().flag, "segment " + odd);
    const auto listed = must(segments_.list());
    ASSERT_EQ(listed.size(), 2U);
    EXPECT_EQ(listed.front().name, odd);
    EXPECT_EQ(must(segments_.remove(odd, SegmentRemoval::kUnlessUsed, "")).revision, 5U);
    expect_error(segments_.get(odd), SyncErrorKind::kNotFound, "there is no segment");
    expect_error(segments_.remove(odd, SegmentRemoval::kForced, ""), SyncErrorKind::kNotFound,
                 "there is no segment");
}

TEST_F(TargetingStoreTest, RefusesSegmentsThatHostsWouldRefuse) {
    for (const auto& [name, constraints, words] :
         std::vector<std::tuple<std::string, std::string, std::string>>{
             {"", "[]", "name is empty"},
             {std::string(257, 's'), "[]", "257 bytes"},
             {"s", "{", "JSON"},
             {"s", "{}", "constraints is not a JSON array"},
             {"s", R"([{"segmen": "x"}])", "constraints[0].segmen"},
             {"s", R"([{"any": [{"attribute": "a", "operator": "in"}]}])",
              "segment s: constraints[0].any[0].operator \"in\""}}) {
        expect_error(segments_.put({.name = name, .constraints_json = constraints}, ""),
                     SyncErrorKind::kInvalid, words);
    }
    EXPECT_EQ(value("SELECT count(*) FROM burgee.segments"), "0");
    execute("INSERT INTO burgee.segments (name, constraints) VALUES ('by hand', '[7]')");
    const auto problems = must(segments_.problems());
    ASSERT_EQ(problems.size(), 1U);
    EXPECT_EQ(problems.front().field, "constraints[0]");
}

TEST_F(TargetingStoreTest, KeepsSegmentsThatAreUsedUnlessForced) {
    put("used", "[]");
    put("wide", R"([{"any": [{"not": {"segment": "used"}}]}])");
    insert_flag("direct", R"({"audience": [{"segment": "used"}]})");
    insert_flag("rule", R"({"rules": [{"constraints": [{"all": [{"segment": "used"}]}],
                            "serve": {"enabled": true}}]})");
    insert_flag("other", R"({"audience": [{"segment": "useds"}], "salt": "used"})");
    const SegmentUsers users = must(segments_.users("used"));
    EXPECT_EQ(users.flags, (std::vector<std::string>{"direct", "rule"}));
    EXPECT_EQ(users.segments, std::vector<std::string>{"wide"});
    expect_error(segments_.remove("used", SegmentRemoval::kUnlessUsed, ""), SyncErrorKind::kInvalid,
                 R"(is used by flags "direct", "rule" and by segments "wide")");
    EXPECT_EQ(must(segments_.list()).size(), 2U);
    must(segments_.remove("used", SegmentRemoval::kForced, "it burns"));
    must(segments_.remove("wide", SegmentRemoval::kUnlessUsed, ""));
    EXPECT_TRUE(must(segments_.list()).empty());
}

TEST_F(TargetingStoreTest, AssignsTheLowestFreeSlotsAndReleasesTheHighest) {
    ASSERT_TRUE(layers_.create("checkout", "everything around paying"));
    insert_flag("a", R"({"layer": {"name": "checkout"}})");
    insert_flag("b");
    const LayerWritten first = must(layers_.assign("checkout", "a", 100, "ticket 2"));
    EXPECT_EQ(first.slots, (Slots{{0, 99}}));
    EXPECT_TRUE(first.warnings.empty());
    EXPECT_EQ(value("SELECT why FROM burgee.flag_history WHERE kind = 'layer'"), "ticket 2");
    const LayerWritten other = must(layers_.assign("checkout", "b", slots_of_percentage(0.5), ""));
    EXPECT_EQ(other.slots, (Slots{{100, 149}}));
    ASSERT_EQ(other.warnings.size(), 1U) << "its segments do not name the layer";
    EXPECT_EQ(must(layers_.assign("checkout", "a", 10, "")).slots, (Slots{{0, 99}, {150, 159}}));
    EXPECT_EQ(must(layers_.release("checkout", "a", 15, "")).slots, (Slots{{0, 94}}));
    EXPECT_EQ(must(layers_.assign("checkout", "b", 7, "")).slots, (Slots{{95, 151}}));
    const LayerView view = must(layers_.show("checkout"));
    EXPECT_EQ(view.layer.description, "everything around paying");
    EXPECT_EQ(view.layer.used_slots, 152U);
    ASSERT_EQ(view.owners.size(), 2U);
    EXPECT_EQ(view.owners.back().flag, "b");
    EXPECT_EQ(view.owners.back().slot_count, 57U);
    EXPECT_EQ(view.owners.back().slots, (Slots{{95, 151}}));
    FlagReader reader(session_);
    const FlagChanges changes = must(reader.poll());
    EXPECT_EQ(changes.changed.at(0).layer->slots, (Slots{{0, 94}}));
    const LayerWritten released = must(layers_.release("checkout", "b", std::nullopt, ""));
    EXPECT_TRUE(released.slots.empty());
    EXPECT_EQ(must(reader.poll()).revision, released.revision);
    EXPECT_FALSE(must(layers_.release("checkout", "b", std::nullopt, "")).is_changed);
    EXPECT_EQ(slots_of_percentage(0.01), 1U);
    EXPECT_EQ(slots_of_percentage(33.333), 3333U);
    EXPECT_EQ(slots_of_percentage(100), kLayerSlotCount);
}

TEST_F(TargetingStoreTest, RefusesWhatALayerCannotGive) {
    ASSERT_TRUE(layers_.create("l", std::nullopt));
    expect_error(layers_.create("l", ""), SyncErrorKind::kAlreadyExists, "already");
    expect_error(layers_.create("", ""), SyncErrorKind::kInvalid, "is empty");
    insert_flag("a");
    insert_flag("b");
    expect_error(layers_.assign("x", "a", 1, ""), SyncErrorKind::kNotFound, "no layer \"x\"");
    expect_error(layers_.assign("l", "x", 1, ""), SyncErrorKind::kNotFound, "no flag \"x\"");
    expect_error(layers_.assign("l", "a", 0, ""), SyncErrorKind::kInvalid, "1 to 10000");
    expect_error(layers_.assign("l", "a", 10'001, ""), SyncErrorKind::kInvalid, "1 to 10000");
    must(layers_.assign("l", "a", 9'990, ""));
    expect_error(layers_.assign("l", "b", 11, ""), SyncErrorKind::kInvalid,
                 "has 10 free slots and 11 are wanted");
    EXPECT_EQ(must(layers_.assign("l", "b", 10, "")).slots, (Slots{{9990, 9999}}));
    expect_error(layers_.release("l", "b", 11, ""), SyncErrorKind::kInvalid, "owns 10 slots");
    expect_error(layers_.release("x", "b", 1, ""), SyncErrorKind::kNotFound, "no layer \"x\"");
    expect_error(layers_.show("x"), SyncErrorKind::kNotFound, "no layer \"x\"");
    expect_error(layers_.remove("l"), SyncErrorKind::kInvalid, "release them first");
    execute("DELETE FROM feature_flags");
    EXPECT_EQ(must(layers_.list()).at(0).used_slots, 0U);
    EXPECT_TRUE(layers_.remove("l"));
    expect_error(layers_.remove("l"), SyncErrorKind::kNotFound, "no layer \"l\"");
}

}  // namespace
}  // namespace burgee::sync
