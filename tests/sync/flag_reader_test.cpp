// Promise: after any sequence of changes the reader knows what one full read knows, no commit is
// missed, no flag is lost because a row vanished without being deleted, and a bad row hurts no
// other. Method: a published set kept from the reader's answers alone, compared with a fresh full
// read.
#include "sync/flag_reader.hpp"

#include <map>
#include <pqxx/pqxx>
#include <random>

#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using std::chrono::seconds;

/// What a publisher would hold.
struct Published {
    std::map<std::string, FlagDefinition> flags;
    std::vector<ExperimentDefinition> experiments;

    void apply(const FlagChanges& changes) {
        if (changes.is_full) {
            std::erase_if(flags, [&](const auto& flag) {
                return std::find(changes.refused.begin(), changes.refused.end(), flag.first) ==
                       changes.refused.end();
            });
        }
        for (const FlagDefinition& flag : changes.changed) {
            flags[flag.name] = flag;
        }
        for (const std::string& name : changes.removed) {
            flags.erase(name);
        }
        experiments = changes.experiments;
    }
};

class FlagReaderTest : public test::PostgresTest {
protected:
    std::chrono::steady_clock::time_point now_ = std::chrono::steady_clock::now();
    FlagReader reader_{session_, {.now = [this] { return now_; }}};
    Published published_;

    FlagChanges poll() {
        SyncResult<FlagChanges> changes = reader_.poll();
        if (!changes) {
            ADD_FAILURE() << changes.error().message;
            return {};
        }
        published_.apply(changes.value());
        return changes.value();
    }

    std::vector<std::string> names_of(const std::vector<FlagDefinition>& flags) {
        std::vector<std::string> names;
        for (const FlagDefinition& flag : flags) {
            names.push_back(flag.name);
        }
        return names;
    }

    void insert(const std::string& name, const std::string& status = "enabled") {
        execute("INSERT INTO feature_flags (name, status) VALUES ('" + name + "', '" + status +
                "')");
    }
};

using Names = std::vector<std::string>;

TEST_F(FlagReaderTest, ReadsAllThenOnlyWhatChanged) {
    insert("a");
    insert("b");
    FlagChanges changes = poll();
    EXPECT_TRUE(changes.is_full);
    EXPECT_EQ(names_of(changes.changed), (Names{"a", "b"}));
    EXPECT_EQ(changes.revision, 2U);
    EXPECT_NE(changes.source_id, 0U);
    changes = poll();
    EXPECT_FALSE(changes.is_full);
    EXPECT_TRUE(changes.changed.empty() && changes.removed.empty());
    execute("UPDATE feature_flags SET status = 'disabled' WHERE name = 'b'");
    execute("DELETE FROM feature_flags WHERE name = 'a'");
    insert("c");
    changes = poll();
    EXPECT_FALSE(changes.is_full);
    EXPECT_EQ(names_of(changes.changed), (Names{"b", "c"}));
    EXPECT_EQ(changes.removed, Names{"a"});
    EXPECT_EQ(changes.revision, 5U);
}

// A short history is read in one pass, a long one is asked for each flag.
TEST_F(FlagReaderTest, GivesEachFlagItsRevisionHoweverLongTheHistoryIs) {
    execute("INSERT INTO feature_flags (name, status) VALUES ('silent', 'enabled')");
    execute("DELETE FROM burgee.flag_history");
    insert("a");
    insert("b");
    execute("UPDATE feature_flags SET status = 'disabled' WHERE name = 'a'");
    for (const int updates : {0, 20}) {
        for (int update = 0; update < updates; ++update) {
            execute("UPDATE feature_flags SET rollout_percentage = " + std::to_string(update + 1) +
                    " WHERE name = 'b'");
        }
        FlagReader fresh(session_);
        const auto changes = fresh.poll();
        ASSERT_TRUE(changes) << changes.error().message;
        std::map<std::string, std::uint64_t> revisions;
        for (const FlagDefinition& flag : changes->changed) {
            revisions[flag.name] = flag.revision;
        }
        const std::uint64_t last_of_b = updates == 0 ? 3 : 4 + 20;
        EXPECT_EQ(revisions, (std::map<std::string, std::uint64_t>{
                                 {"silent", 0}, {"a", 4}, {"b", last_of_b}}));
    }
}

TEST_F(FlagReaderTest, MissesNoTransactionThatCommitsLate) {
    insert("early");
    insert("late");
    poll();
    pqxx::connection slow(cluster_.dsn());
    pqxx::work open(slow);
    open.exec("UPDATE feature_flags SET status = 'disabled' WHERE name = 'late'");
    execute("UPDATE feature_flags SET status = 'disabled' WHERE name = 'early'");
    EXPECT_EQ(names_of(poll().changed), Names{"early"});
    open.commit();
    EXPECT_EQ(names_of(poll().changed), Names{"late"});
}

TEST_F(FlagReaderTest, ABadRowIsNamedAndHurtsNoOther) {
    insert("good");
    insert("bad");
    poll();
    execute("UPDATE feature_flags SET segments = '{\"rules\": [7]}', status = 'gradual_rollout'");
    execute("UPDATE feature_flags SET segments = '{}' WHERE name = 'good'");
    const FlagChanges changes = poll();
    EXPECT_EQ(names_of(changes.changed), Names{"good"});
    EXPECT_EQ(changes.refused, Names{"bad"});
    ASSERT_EQ(changes.problems.size(), 1U);
    EXPECT_EQ(changes.problems.front().flag, "bad");
    EXPECT_EQ(changes.problems.front().field, "segments.rules[0]");
    EXPECT_EQ(published_.flags.at("bad").status, Status::kEnabled) << "its last valid form stays";
    EXPECT_EQ(published_.flags.at("good").status, Status::kGradualRollout);
}

TEST_F(FlagReaderTest, EveryColumnMayBeNull) {
    execute("ALTER TABLE feature_flags ALTER name DROP NOT NULL, ALTER status DROP NOT NULL");
    for (int flag = 0; flag < 20; ++flag) {
        insert("flag." + std::to_string(flag));
    }
    insert("spoiled");
    for (const char* column :
         {"description", "status", "rollout_percentage", "segments", "variants", "metadata",
          "created_at", "updated_at", "expires_at", "name"}) {
        execute(std::string("UPDATE feature_flags SET ") + column +
                " = NULL WHERE name = 'spoiled'");
        poll();
        EXPECT_GE(published_.flags.size(), 20U) << column;
    }
    reader_.forget();
    const FlagChanges changes = poll();
    EXPECT_EQ(changes.changed.size(), 20U);
    EXPECT_EQ(changes.refused, Names{""});
}

TEST_F(FlagReaderTest, ReadsDatesThatAreNoDates) {
    execute(
        "INSERT INTO feature_flags (name, status, expires_at) VALUES ('never', 'enabled', "
        "'infinity'),"
        " ('always', 'enabled', '-infinity'), ('soon', 'enabled', '2030-01-01T00:00:00.5Z')");
    poll();
    EXPECT_FALSE(published_.flags.at("never").expires_unix_ms.has_value());
    EXPECT_EQ(published_.flags.at("always").expires_unix_ms, 0);
    EXPECT_EQ(published_.flags.at("soon").expires_unix_ms, 1893456000500);
    execute(
        "INSERT INTO ab_test_experiments (feature_flag_id, name, start_date, end_date) "
        "SELECT id, 'x', '-infinity', 'infinity' FROM feature_flags WHERE name = 'soon'");
    poll();
    ASSERT_EQ(published_.experiments.size(), 1U);
    EXPECT_FALSE(published_.experiments.front().end_unix_ms.has_value());
    execute("UPDATE ab_test_experiments SET start_date = 'infinity'");
    poll();
    ASSERT_EQ(published_.experiments.size(), 1U);
    EXPECT_EQ(published_.experiments.front().start_unix_ms, INT64_MAX) << "it never starts";
}

TEST_F(FlagReaderTest, UnexpectedSettingsAndStatusesHurtNobody) {
    insert("good");
    execute(
        "ALTER TABLE feature_flags DROP CONSTRAINT IF EXISTS feature_flags_status_check;"
        "INSERT INTO feature_flags (name, status) VALUES ('odd', 'perhaps')");
    execute("UPDATE burgee.settings SET value = 'nonsense'");
    execute("INSERT INTO burgee.settings VALUES ('colour', 'blue')");
    const FlagChanges changes = poll();
    EXPECT_EQ(names_of(changes.changed), Names{"good"});
    EXPECT_EQ(changes.refused, Names{"odd"});
    EXPECT_EQ(published_.flags.at("good").bucketing, Bucketing::kXxh3);
}

TEST_F(FlagReaderTest, AColumnOfAnotherTypeIsAnErrorUntilItIsMended) {
    insert("good");
    poll();
    execute("ALTER TABLE burgee.revision ALTER value TYPE text USING 'many'");
    const SyncResult<FlagChanges> spoiled = reader_.poll();
    ASSERT_FALSE(spoiled);
    EXPECT_EQ(spoiled.error().kind, SyncErrorKind::kConfiguration);
    EXPECT_THAT(spoiled.error().message, ::testing::HasSubstr("holds what it must not"));
    execute("ALTER TABLE burgee.revision ALTER value TYPE bigint USING 7");
    EXPECT_TRUE(poll().is_full);
    EXPECT_EQ(published_.flags.count("good"), 1U);
}

TEST_F(FlagReaderTest, FollowsExperimentsAndTheirPhases) {
    insert("a", "gradual_rollout");
    execute(
        "INSERT INTO ab_test_experiments (id, feature_flag_id, name) SELECT "
        "'00112233-4455-6677-8899-aabbccddeeff', id, 'first' FROM feature_flags");
    poll();
    ASSERT_EQ(published_.experiments.size(), 1U);
    EXPECT_EQ(published_.experiments.front().flag_name, "a");
    EXPECT_EQ(published_.experiments.front().phase, 1U);
    EXPECT_EQ(published_.experiments.front().id[0], 0x00);
    EXPECT_EQ(published_.experiments.front().id[15], 0xff);
    execute("INSERT INTO burgee.experiment_phases SELECT id, 2 FROM ab_test_experiments");
    poll();
    EXPECT_EQ(published_.experiments.front().phase, 2U);
    execute(
        "INSERT INTO ab_test_experiments (feature_flag_id, name) SELECT id, 'second' FROM "
        "feature_flags");
    const FlagChanges changes = poll();
    ASSERT_EQ(changes.problems.size(), 1U);
    EXPECT_THAT(changes.problems.front().message, ::testing::HasSubstr("pause or complete"));
    execute("UPDATE ab_test_experiments SET status = 'paused'");
    poll();
    EXPECT_TRUE(published_.experiments.empty());
}

TEST_F(FlagReaderTest, RandomIsRefusedWhileAnExperimentIsActive) {
    execute(
        "INSERT INTO feature_flags (name, status, rollout_percentage, segments) VALUES "
        "('a', 'gradual_rollout', 50, '{\"type\": \"random\"}')");
    EXPECT_TRUE(poll().refused.empty());
    execute(
        "INSERT INTO ab_test_experiments (feature_flag_id, name) SELECT id, 'x' FROM "
        "feature_flags");
    EXPECT_EQ(poll().refused, Names{"a"});
    execute("UPDATE ab_test_experiments SET status = 'completed'");
    EXPECT_EQ(names_of(poll().changed), Names{"a"});
}

TEST_F(FlagReaderTest, ARandomFlagIsSwitchedOffWhileAnExperimentIsActive) {
    execute(
        "INSERT INTO feature_flags (name, status, rollout_percentage, segments) VALUES "
        "('a', 'gradual_rollout', 50, '{\"type\": \"random\"}')");
    execute(
        "INSERT INTO ab_test_experiments (feature_flag_id, name) SELECT id, 'x' FROM "
        "feature_flags");
    EXPECT_EQ(poll().refused, Names{"a"});
    execute("UPDATE feature_flags SET status = 'disabled'");
    const FlagChanges changes = poll();
    EXPECT_TRUE(changes.refused.empty());
    ASSERT_EQ(names_of(changes.changed), Names{"a"});
    EXPECT_EQ(changes.changed.front().status, Status::kDisabled);
    execute("UPDATE feature_flags SET status = 'gradual_rollout'");
    EXPECT_EQ(poll().refused, Names{"a"}) << "on again it would draw";
}

TEST_F(FlagReaderTest, SettingsTouchEveryFlag) {
    insert("a", "canary");
    poll();
    EXPECT_EQ(published_.flags.at("a").status, Status::kCanary);
    execute("UPDATE burgee.settings SET value = 'off' WHERE name = 'legacy_canary'");
    EXPECT_TRUE(poll().is_full);
    EXPECT_EQ(published_.flags.at("a").status, Status::kDisabled);
    execute("UPDATE burgee.settings SET value = 'legacy_md5' WHERE name = 'default_bucketing'");
    poll();
    EXPECT_EQ(published_.flags.at("a").bucketing, Bucketing::kLegacyMd5);
}

TEST_F(FlagReaderTest, TruncatedFlagsAreHeldForAMinuteAndThreePolls) {
    insert("a");
    insert("b");
    poll();
    execute("TRUNCATE feature_flags CASCADE");
    insert("new");
    FlagChanges changes = poll();
    EXPECT_FALSE(changes.is_full);
    EXPECT_EQ(names_of(changes.changed), Names{"new"}) << "what is there is never held";
    ASSERT_TRUE(reader_.held().has_value());
    EXPECT_EQ(reader_.held()->names, (Names{"a", "b"}));
    EXPECT_EQ(changes.problems.size(), 2U);
    now_ += seconds(59);
    poll();
    poll();
    EXPECT_EQ(published_.flags.size(), 3U) << "three polls, but not a minute";
    now_ += seconds(1);
    changes = poll();
    EXPECT_EQ(changes.removed, (Names{"a", "b"}));
    EXPECT_TRUE(changes.is_full);
    EXPECT_FALSE(reader_.held().has_value());
    EXPECT_EQ(published_.flags.size(), 1U);
}

TEST_F(FlagReaderTest, LostRightsAreHeldAndForgottenWhenTheyReturn) {
    execute("CREATE ROLE reader LOGIN IN ROLE burgee_reader");
    insert("a");
    insert("b");
    PgSession session({.dsn = cluster_.dsn("reader")});
    FlagReader reader(session, {.full_read_interval = seconds(10), .now = [this] { return now_; }});
    ASSERT_TRUE(reader.poll());
    execute("ALTER TABLE feature_flags ENABLE ROW LEVEL SECURITY");
    now_ += seconds(10);
    SyncResult<FlagChanges> changes = reader.poll();
    ASSERT_TRUE(changes);
    EXPECT_TRUE(changes.value().removed.empty());
    EXPECT_FALSE(changes.value().is_full);
    ASSERT_TRUE(reader.held().has_value());
    execute("UPDATE feature_flags SET status = 'disabled' WHERE name = 'a'");
    ASSERT_TRUE(reader.poll());
    EXPECT_TRUE(reader.held().has_value());
    execute("ALTER TABLE feature_flags DISABLE ROW LEVEL SECURITY");
    changes = reader.poll();
    ASSERT_TRUE(changes);
    EXPECT_EQ(changes.value().changed.size(), 2U);
    EXPECT_FALSE(reader.held().has_value());
}

TEST_F(FlagReaderTest, ARestartedReaderHoldsWhatItIsToldWasPublished) {
    insert("a");
    const std::uint64_t source_id = poll().source_id;
    execute("DELETE FROM feature_flags WHERE name = 'a'");
    insert("b");
    execute("TRUNCATE feature_flags CASCADE");
    FlagReader restarted(session_);
    restarted.remember({source_id, {"a", "b"}, {}});
    SyncResult<FlagChanges> changes = restarted.poll();
    ASSERT_TRUE(changes);
    EXPECT_EQ(changes.value().removed, Names{"a"}) << "deleted: its tombstone says so";
    ASSERT_TRUE(restarted.held().has_value());
    EXPECT_EQ(restarted.held()->names, Names{"b"});
    FlagReader elsewhere(session_);
    elsewhere.remember({source_id + 1, {"a", "b"}, {}});
    changes = elsewhere.poll();
    ASSERT_TRUE(changes);
    EXPECT_TRUE(changes.value().is_full) << "another database owes us nothing";
}

TEST_F(FlagReaderTest, NoticesADatabaseThatWasSetBack) {
    for (const char* name : {"a", "b", "c"}) {
        insert(name);
    }
    poll();
    // A backup of revision 1 was restored, and then somebody made other changes.
    execute(
        "SET session_replication_role = replica; DELETE FROM feature_flags WHERE name IN ('b', "
        "'c');"
        "DELETE FROM burgee.flag_history WHERE revision > 1; UPDATE burgee.revision SET value = 1");
    execute("INSERT INTO feature_flags (name, status) VALUES ('d', 'enabled')");
    execute("INSERT INTO feature_flags (name, status) VALUES ('e', 'enabled')");
    EXPECT_EQ(value("SELECT value FROM burgee.revision"), "3") << "the number it had before";
    poll();
    EXPECT_TRUE(published_.flags.contains("d") && published_.flags.contains("e"));
    execute("INSERT INTO feature_flags (name, status) VALUES ('f', 'enabled')");
    poll();
    EXPECT_TRUE(published_.flags.contains("f"));
}

TEST_F(FlagReaderTest, ReadsEverythingWhenTheHistoryHasAGap) {
    insert("a");
    poll();
    insert("b");
    insert("c");
    execute("DELETE FROM burgee.flag_history WHERE name = 'b'");
    const FlagChanges changes = poll();
    EXPECT_TRUE(changes.is_full);
    EXPECT_TRUE(published_.flags.contains("b"));
}

TEST_F(FlagReaderTest, NamesAMissingAndAFutureSchema) {
    cluster_.execute("CREATE DATABASE empty");
    PgSession empty({.dsn = cluster_.dsn("postgres", "empty")});
    FlagReader lost(empty);
    const SyncResult<FlagChanges> missing = lost.poll();
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().kind, SyncErrorKind::kMissingSchema);
    EXPECT_THAT(missing.error().message, ::testing::HasSubstr("burgee db migrate"));
    execute("INSERT INTO burgee.schema_version (version) VALUES (999)");
    const SyncResult<FlagChanges> future = reader_.poll();
    ASSERT_FALSE(future);
    EXPECT_EQ(future.error().kind, SyncErrorKind::kFutureSchema);
}

TEST_F(FlagReaderTest, SurvivesAStoppedServer) {
    insert("a");
    poll();
    cluster_.stop();
    EXPECT_FALSE(reader_.poll());
    cluster_.start();
    insert("b");
    poll();
    EXPECT_EQ(published_.flags.size(), 2U);
}

TEST_F(FlagReaderTest, IncrementsAddUpToAFullRead) {
    const std::uint32_t seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto name = [&] { return "'flag." + std::to_string(random() % 12) + "'"; };
    const auto edit = [&]() -> std::string {
        switch (random() % 9) {
            case 0:
                return "DELETE FROM feature_flags WHERE name = " + name();
            case 1:
                return "UPDATE feature_flags SET status = 'disabled' WHERE name = " + name();
            case 2:
                return "UPDATE feature_flags SET segments = '{\"salt\": \"s\"}' WHERE name = " +
                       name();
            case 3:
                return "UPDATE feature_flags SET segments = '{\"type\": \"random\"}' WHERE name "
                       "= " +
                       name();
            case 4:
                return "UPDATE feature_flags SET segments = '{\"bad\": 1}' WHERE name = " + name();
            case 5:
                return "UPDATE feature_flags f SET name = " + name() + " WHERE name = " + name() +
                       " AND NOT EXISTS (SELECT FROM feature_flags g WHERE g.name = " + name() +
                       ")";
            case 6:
                return "INSERT INTO ab_test_experiments (feature_flag_id, name) SELECT id, 'x' "
                       "FROM feature_flags WHERE name = " +
                       name();
            case 7:
                return "UPDATE ab_test_experiments SET status = 'paused' WHERE random() < 0.5";
            default:
                return "INSERT INTO feature_flags (name, status, rollout_percentage) VALUES (" +
                       name() + ", 'gradual_rollout', " + std::to_string(random() % 101) +
                       ") ON CONFLICT DO NOTHING";
        }
    };
    pqxx::connection writer(cluster_.dsn());
    std::set<std::string> refused;
    int increments = 0;
    for (int round = 0; round < 150; ++round) {
        for (std::uint32_t edits = random() % 4; edits > 0; --edits) {
            try {
                pqxx::work change(writer);
                change.exec(edit());
                change.commit();
            } catch (const pqxx::unique_violation&) {  // a rename onto a name that is taken
            }
        }
        const FlagChanges changes = poll();
        increments += changes.is_full ? 0 : 1;
        for (const FlagDefinition& flag : changes.changed) {
            refused.erase(flag.name);
        }
        for (const std::string& gone : changes.removed) {
            refused.erase(gone);
        }
        refused.insert(changes.refused.begin(), changes.refused.end());
        FlagReader fresh(session_);
        const SyncResult<FlagChanges> full = fresh.poll();
        ASSERT_TRUE(full);
        Published valid = published_;
        std::erase_if(valid.flags, [&](const auto& flag) { return refused.contains(flag.first); });
        Published expected;
        expected.apply(full.value());
        ASSERT_EQ(valid.flags, expected.flags) << "round " << round;
        ASSERT_EQ(valid.experiments, expected.experiments) << "round " << round;
        ASSERT_EQ(refused,
                  std::set<std::string>(full.value().refused.begin(), full.value().refused.end()));
    }
    EXPECT_GT(increments, 100) << "the test must exercise increments";
}

}  // namespace
}  // namespace burgee::sync
