// Promise: a flag moves to xxh3 in one transaction with its experiments' new phases and its
// history, keeps what had an effect, and is left alone when it could not be published. Method: a
// real server with rows of the former system.
#include "sync/rebucket.hpp"

#include <gmock/gmock.h>

#include "sync/adoption.hpp"
#include "tests/support/former_system.hpp"
#include "tests/support/postgres_cluster.hpp"

namespace burgee::sync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kHalves =
    R"([{"name":"control","weight":50},{"name":"treatment","weight":50}])";

class RebucketTest : public testing::Test {
protected:
    RebucketTest() {
        cluster_.execute(test::kFormerTables);
        if (!adopt({.dsn = cluster_.dsn()})) {
            throw std::runtime_error("cannot adopt");
        }
    }

    void insert(const std::string& name, const std::string& segments,
                const std::string& variants = kHalves) {
        cluster_.execute(
            "INSERT INTO feature_flags (name, status, rollout_percentage, segments,"
            " variants) VALUES ('" +
            name + "', 'ab_test', 50, '" + segments + "', '" + variants + "')");
    }
    void start_experiment(const std::string& flag, const std::string& name,
                          const std::string& status) {
        cluster_.execute(
            "INSERT INTO ab_test_experiments (feature_flag_id, name, status) SELECT id, '" + name +
            "', '" + status + "' FROM feature_flags WHERE name = '" + flag + "'");
    }
    std::string value(const std::string& sql) { return cluster_.value(sql); }

    Rebucketing apply(const std::string& name, RebucketMode mode = RebucketMode::kApply) {
        return rebucket(session_, name, "treatment got nobody", mode).value();
    }
    SyncError refusal(const std::string& name) {
        const auto result = rebucket(session_, name, "", RebucketMode::kApply);
        EXPECT_FALSE(result);
        return result.has_error() ? result.error() : SyncError{};
    }

    test::PostgresCluster cluster_;
    PgSession session_{{.dsn = cluster_.dsn()}};
};

TEST_F(RebucketTest, WritesBucketsPhasesAndHistoryTogether) {
    insert("models", R"({"type":"geographic","country":"NO","include":["u1"]})");
    start_experiment("models", "running", "active");
    start_experiment("models", "halted", "paused");
    start_experiment("models", "done", "completed");
    const std::string revision = value("SELECT value FROM burgee.revision");
    const Rebucketing planned = apply("models", RebucketMode::kDryRun);
    EXPECT_EQ(planned.revision, 0U);
    EXPECT_EQ(value("SELECT value FROM burgee.revision"), revision);

    const Rebucketing done = apply("models");
    EXPECT_EQ(done.segments_after, planned.segments_after);
    EXPECT_EQ(value("SELECT segments = '{\"type\":\"hash_based\",\"bucketing\":\"xxh3\","
                    "\"salt\":\"models\"}' FROM feature_flags"),
              "t");
    EXPECT_THAT(done.dropped_keys, ElementsAre("country", "include"));
    EXPECT_EQ(value("SELECT string_agg(e.name || p.phase, ' ' ORDER BY e.name) FROM"
                    " burgee.experiment_phases p JOIN ab_test_experiments e ON e.id ="
                    " p.experiment_id WHERE p.reason LIKE '%treatment got nobody'"),
              "halted2 running2");
    EXPECT_EQ(std::to_string(done.revision), value("SELECT value FROM burgee.revision"));
    EXPECT_EQ(value("SELECT string_agg(kind || ' ' || why, ',' ORDER BY kind) FROM"
                    " burgee.flag_history WHERE revision = " +
                    std::to_string(done.revision)),
              "flag treatment got nobody,phase treatment got nobody,phase treatment got nobody");
    // Control has 50 of 100 before, all of them below the gate; then 25 of each.
    EXPECT_DOUBLE_EQ(done.changed_share, 0.625);
    EXPECT_EQ(refusal("models").kind, SyncErrorKind::kInvalid);
}

TEST_F(RebucketTest, KeepsWhatAnExplicitRowChose) {
    insert("chosen", R"({"bucketing":"legacy_md5","salt":"shared","exclude":["u9"]})");
    insert("default", R"({"bucketing":"legacy_md5","salt":"rag-cms-features"})");
    EXPECT_THAT(apply("chosen").dropped_keys, IsEmpty());
    apply("default");
    EXPECT_EQ(value("SELECT segments ->> 'salt' || ' ' || (segments ->> 'exclude') FROM"
                    " feature_flags WHERE name = 'chosen'"),
              "shared [\"u9\"]");
    EXPECT_EQ(value("SELECT segments ->> 'salt' FROM feature_flags WHERE name = 'default'"),
              "default");
}

TEST_F(RebucketTest, ABucketingOfNullIsNone) {
    insert("null", R"({"bucketing":null,"include":["u1"]})");
    EXPECT_THAT(apply("null").dropped_keys, ElementsAre("bucketing", "include"));
    EXPECT_EQ(value("SELECT segments ? 'include' FROM feature_flags"), "f");
}

TEST_F(RebucketTest, RefusesWhatCouldNotBePublished) {
    insert("short", "{}", R"([{"name":"a","weight":50},{"name":"b","weight":30}])");
    EXPECT_THAT(refusal("short").message, HasSubstr("sum to"));
    EXPECT_EQ(value("SELECT segments FROM feature_flags WHERE name = 'short'"), "{}");
    EXPECT_EQ(refusal("nothing").kind, SyncErrorKind::kNotFound);
}

TEST_F(RebucketTest, BeginsTheNextPhaseEachTime) {
    insert("again", "{}");
    start_experiment("again", "x", "active");
    cluster_.execute(
        "INSERT INTO burgee.experiment_phases (experiment_id, phase) SELECT id, 4 FROM"
        " ab_test_experiments");
    EXPECT_EQ(apply("again").experiments.at(0).phase, 5U);
}

}  // namespace
}  // namespace burgee::sync
