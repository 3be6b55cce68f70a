// Promise: a change is stored only if hosts would take it, carries its reason, and can be taken
// back, even a deletion. Method: the store against a real server; the reader decides what hosts
// see.
#include "sync/flag_store.hpp"

#include "sync/flag_reader.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using ::testing::HasSubstr;

class FlagStoreTest : public test::PostgresTest {
protected:
    FlagStore store_{session_};

    static FlagRow rollout(const std::string& name, double percentage) {
        FlagRow row;
        row.name = name;
        row.status = "gradual_rollout";
        row.rollout_percentage = percentage;
        row.segments_json = R"({"bucketing": "xxh3"})";
        return row;
    }

    std::uint64_t must(const SyncResult<FlagWritten>& written) {
        EXPECT_TRUE(written) << (written ? "" : written.error().message);
        return written ? written.value().revision : 0;
    }

    template <class Value>
    static void expect_error(const SyncResult<Value>& result, SyncErrorKind kind,
                             const std::string& words) {
        ASSERT_FALSE(result) << words;
        EXPECT_EQ(result.error().kind, kind) << result.error().message;
        EXPECT_THAT(result.error().message, HasSubstr(words));
    }
};

TEST_F(FlagStoreTest, GivesBackWhatWasStored) {
    FlagRow row = rollout("search", 12.5);
    row.description = "it's \"quoted\"";
    row.metadata_json = R"({"team": "core"})";
    row.expires_at = "2030-01-02 03:04:05+00";
    EXPECT_EQ(must(store_.create(row, "first")), 1U);
    const SyncResult<FlagRow> shown = store_.show("search");
    ASSERT_TRUE(shown);
    EXPECT_EQ(shown.value().description, row.description);
    EXPECT_EQ(shown.value().rollout_percentage, 12.5);
    EXPECT_EQ(shown.value().metadata_json, row.metadata_json);
    EXPECT_EQ(shown.value().expires_at, "2030-01-02T03:04:05.000Z");
    EXPECT_EQ(shown.value().revision, 1U);
    EXPECT_EQ(shown.value().created_at.size(), 24U);
    must(store_.create(rollout("Alpha", 1), ""));
    const auto listed = store_.list();
    ASSERT_TRUE(listed);
    ASSERT_EQ(listed.value().size(), 2U);
    EXPECT_EQ(listed.value().front().name, "Alpha");
}

TEST_F(FlagStoreTest, TheRevisionItReturnsIsTheOneHostsSee) {
    const std::uint64_t created = must(store_.create(rollout("a", 1), ""));
    FlagReader reader(session_);
    EXPECT_EQ(reader.poll().value().revision, created);
    FlagEdit edit;
    edit.rollout_percentage = 2;
    EXPECT_EQ(must(store_.update("a", edit, "")), created + 1);
    const FlagChanges changes = reader.poll().value();
    EXPECT_EQ(changes.revision, created + 1);
    EXPECT_EQ(changes.changed.at(0).revision, created + 1);
    const SyncResult<FlagWritten> again = store_.update("a", edit, "");
    ASSERT_TRUE(again);
    EXPECT_FALSE(again.value().is_changed);
    EXPECT_EQ(again.value().revision, created + 1);
}

TEST_F(FlagStoreTest, RefusesWhatHostsWouldRefuse) {
    expect_error(store_.create(rollout("a", 101), ""), SyncErrorKind::kInvalid,
                 "rollout_percentage");
    expect_error(store_.create(rollout(std::string(300, 'x'), 1), ""), SyncErrorKind::kInvalid,
                 "300 bytes");
    expect_error(store_.create(rollout("a\xff", 1), ""), SyncErrorKind::kInvalid, "not UTF-8");
    FlagRow test = rollout("test", 100);
    test.status = "ab_test";
    test.variants_json = R"([{"name": "a", "weight": 50}, {"name": "a", "weight": 49}])";
    expect_error(store_.create(test, ""), SyncErrorKind::kInvalid, "variants[1].name");
    must(store_.create(rollout("good", 1), ""));
    expect_error(store_.create(rollout("good", 2), ""), SyncErrorKind::kAlreadyExists, "good");
    FlagEdit edit;
    edit.segments_json = R"({"rules": [1]})";
    expect_error(store_.update("good", edit, ""), SyncErrorKind::kInvalid, "segments.rules");
    edit = {};
    edit.expires_at = "the day after never";
    expect_error(store_.update("good", edit, ""), SyncErrorKind::kRejected, "the day after never");
    expect_error(store_.update("none", {}, ""), SyncErrorKind::kNotFound, "\"none\"");
    expect_error(store_.remove("none", ""), SyncErrorKind::kNotFound, "\"none\"");
    expect_error(store_.show("none"), SyncErrorKind::kNotFound, "\"none\"");
    EXPECT_EQ(value("SELECT count(*) || ' ' || max(rollout_percentage) FROM feature_flags"), "1 1");
    EXPECT_EQ(value("SELECT value FROM burgee.revision"), "1");
}

TEST_F(FlagStoreTest, AFlagThatHostsRefuseCanStillBeSwitchedOff) {
    execute(
        "INSERT INTO feature_flags (name, status, segments) VALUES ('bad', 'enabled', '{\"rules\": "
        "[1]}')");
    FlagEdit off;
    off.status = "disabled";
    must(store_.update("bad", off, "kill"));
    FlagReader reader(session_);
    const FlagChanges changes = reader.poll().value();
    ASSERT_EQ(changes.changed.size(), 1U);
    EXPECT_EQ(changes.changed.front().status, Status::kDisabled);
}

TEST_F(FlagStoreTest, ARandomFlagWithAnActiveExperimentCanStillBeSwitchedOff) {
    FlagRow row = rollout("draws", 50);
    row.segments_json = R"({"type": "random"})";
    must(store_.create(row, ""));
    execute(
        "INSERT INTO ab_test_experiments (feature_flag_id, name) SELECT id, 'x' FROM "
        "feature_flags");
    FlagEdit edit;
    edit.rollout_percentage = 60;
    expect_error(store_.update("draws", edit, ""), SyncErrorKind::kInvalid, "active experiment");
    FlagEdit off;
    off.status = "disabled";
    must(store_.update("draws", off, "kill"));
    FlagReader reader(session_);
    const FlagChanges changes = reader.poll().value();
    ASSERT_EQ(changes.changed.size(), 1U);
    EXPECT_EQ(changes.changed.front().status, Status::kDisabled);
    FlagEdit on;
    on.status = "enabled";
    expect_error(store_.update("draws", on, ""), SyncErrorKind::kInvalid, "active experiment");
}

TEST_F(FlagStoreTest, KeepsAHistoryWithReasons) {
    must(store_.create(rollout("a", 5), "start"));
    FlagEdit edit;
    edit.rollout_percentage = 50;
    must(store_.update("a", edit, "looks good"));
    must(store_.remove("a", ""));
    const auto history = store_.history("a");
    ASSERT_TRUE(history);
    ASSERT_EQ(history.value().size(), 3U);
    const FlagHistoryEntry& deleted = history.value().front();
    EXPECT_FALSE(deleted.after_json.has_value());
    EXPECT_FALSE(deleted.why.has_value());
    EXPECT_EQ(history.value().at(1).why, "looks good");
    EXPECT_EQ(history.value().at(1).changed_by, "postgres");
    EXPECT_EQ(history.value().at(1).application, "burgee");
    EXPECT_FALSE(history.value().back().before_json.has_value());
    expect_error(store_.history("b"), SyncErrorKind::kNotFound, "\"b\"");
}

TEST_F(FlagStoreTest, RollsBackOneStepToARevisionAndFromADeletion) {
    const std::uint64_t created = must(store_.create(rollout("a", 5), ""));
    const std::string id = value("SELECT id FROM feature_flags");
    FlagEdit edit;
    for (const double percentage : {25.0, 50.0}) {
        edit.rollout_percentage = percentage;
        must(store_.update("a", edit, ""));
    }
    must(store_.rollback("a", std::nullopt, "too fast"));
    EXPECT_EQ(store_.show("a").value().rollout_percentage, 25);
    must(store_.rollback("a", created, ""));
    EXPECT_EQ(store_.show("a").value().rollout_percentage, 5);
    const std::uint64_t removed = must(store_.remove("a", ""));
    expect_error(store_.rollback("a", removed, ""), SyncErrorKind::kNotFound, "did not exist");
    EXPECT_EQ(must(store_.rollback("a", std::nullopt, "")), removed + 1);
    EXPECT_EQ(store_.show("a").value().rollout_percentage, 5);
    EXPECT_EQ(value("SELECT id FROM feature_flags"), id);
    expect_error(store_.rollback("never", std::nullopt, ""), SyncErrorKind::kNotFound, "never");
    must(store_.create(rollout("fresh", 1), ""));
    expect_error(store_.rollback("fresh", std::nullopt, ""), SyncErrorKind::kNotFound,
                 "did not exist");
}

TEST_F(FlagStoreTest, NamesThatLookLikeSqlAreNames) {
    for (const char* name : {"'; DROP TABLE feature_flags; --", "{a,\"b\\}", "$1", "%s"}) {
        must(store_.create(rollout(name, 1), name));
        EXPECT_EQ(store_.show(name).value().name, name);
        EXPECT_EQ(store_.history(name).value().at(0).why, name);
        must(store_.remove(name, ""));
    }
}

TEST_F(FlagStoreTest, ListsTheProblemsOfRowsOthersWrote) {
    execute(
        "INSERT INTO feature_flags (name, status, segments) VALUES ('bad', 'enabled', '{\"x\": "
        "1}'), ('ok', 'enabled', '{}')");
    const auto problems = store_.problems();
    ASSERT_TRUE(problems);
    ASSERT_EQ(problems.value().size(), 1U);
    EXPECT_EQ(problems.value().front().flag, "bad");
    EXPECT_EQ(problems.value().front().field, "segments.x");
}

TEST_F(FlagStoreTest, ADryRunTellsTheWholeChangeAndKeepsNothing) {
    FlagStore trial(session_, WriteMode::kDryRun);
    const auto created = trial.create(rollout("search", 5), "why");
    ASSERT_TRUE(created);
    EXPECT_TRUE(created->is_changed);
    EXPECT_FALSE(created->before);
    ASSERT_TRUE(created->after);
    EXPECT_EQ(created->after->rollout_percentage, 5);
    expect_error(store_.show("search"), SyncErrorKind::kNotFound, "search");
    EXPECT_EQ(value("SELECT value FROM burgee.revision"), "0");

    must(store_.create(rollout("search", 5), ""));
    FlagEdit edit;
    edit.rollout_percentage = 50;
    const auto updated = trial.update("search", edit, "");
    ASSERT_TRUE(updated);
    EXPECT_EQ(updated->before->rollout_percentage, 5);
    EXPECT_EQ(updated->after->rollout_percentage, 50);
    const auto removed = trial.remove("search", "");
    ASSERT_TRUE(removed);
    EXPECT_FALSE(removed->after);
    EXPECT_EQ(store_.show("search").value().rollout_percentage, 5);
    EXPECT_EQ(value("SELECT value FROM burgee.revision"), "1");
    edit.rollout_percentage = 101;
    expect_error(trial.update("search", edit, ""), SyncErrorKind::kInvalid, "rollout_percentage");
    expect_error(trial.create(rollout("search", 1), ""), SyncErrorKind::kAlreadyExists, "search");
}

TEST_F(FlagStoreTest, ADeletionTakesEndedExperimentsAndSparesActiveOnes) {
    must(store_.create(rollout("search", 5), ""));
    execute(
        "INSERT INTO public.ab_test_experiments (feature_flag_id, name, status) "
        "SELECT id, 'old', 'completed' FROM public.feature_flags;"
        "INSERT INTO public.ab_test_experiments (feature_flag_id, name, status) "
        "SELECT id, 'running', 'active' FROM public.feature_flags");
    expect_error(store_.remove("search", ""), SyncErrorKind::kInvalid, "\"running\"");
    EXPECT_EQ(value("SELECT count(*) FROM public.ab_test_experiments"), "2");
    // One whose time is over counts no longer, whatever its status says.
    execute("UPDATE public.ab_test_experiments SET end_date = now() WHERE name = 'running'");
    const auto removed = store_.remove("search", "");
    ASSERT_TRUE(removed) << removed.error().message;
    EXPECT_THAT(removed->experiments_removed, ::testing::UnorderedElementsAre("old", "running"));
    EXPECT_EQ(value("SELECT count(*) FROM public.ab_test_experiments"), "0");
}

TEST_F(FlagStoreTest, SaysWhatHostsMakeOfARow) {
    must(store_.create(rollout("good", 5), ""));
    FlagRow past = rollout("past", 5);
    past.expires_at = "2001-01-01T00:00:00Z";
    const auto written = store_.create(past, "");
    ASSERT_TRUE(written);
    ASSERT_EQ(written->warnings.size(), 1U);
    EXPECT_EQ(written->warnings.front().field, "expires_at");
    execute(
        "INSERT INTO public.feature_flags (name, status, segments) "
        "VALUES ('bad', 'enabled', '{\"colour\": 1}');"
        "UPDATE public.feature_flags SET expires_at = 'infinity' WHERE name = 'bad'");
    const std::vector<FlagRow> rows = store_.list().value();
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_TRUE(rows[0].is_refused);
    EXPECT_FALSE(rows[0].is_expired);
    EXPECT_FALSE(rows[1].is_refused || rows[1].has_warnings || rows[1].is_expired);
    EXPECT_TRUE(rows[2].is_expired);
    EXPECT_TRUE(store_.show("bad").value().is_refused);
    past.expires_at = "someday";
    past.name = "never.read";
    const auto refused = store_.create(past, "");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("expires_at is no time: \"someday\""));
}

}  // namespace
}  // namespace burgee::sync
