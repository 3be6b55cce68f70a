// Promise: a client gives every user of an adopted database the answer that the former system's
// arithmetic gives, computed by PostgreSQL's own md5(); and rebucketing moves as many as it says.
// Method: rows as the former system writes them, through the real reader, builder, publisher and
// client; 100 000 ids at once on both sides.
#include <gmock/gmock.h>
#include <burgee/client.hpp>

#include <array>
#include <cmath>

#include "shm/publisher.hpp"
#include "shm/snapshot_builder.hpp"
#include "sync/adoption.hpp"
#include "sync/flag_reader.hpp"
#include "sync/rebucket.hpp"
#include "tests/support/former_system.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::sync {
namespace {

constexpr int kIdCount = 100'000;

// The 128-bit digest modulo 10 000, word by word: 2^32 mod 10 000 is 7 296.
constexpr const char* kPlaces =
    "CREATE TABLE place AS SELECT n, id, h % 10000 / 100.0::float8 AS bucket FROM ("
    " SELECT n, id, (((w1 % 10000 * 7296 + w2) % 10000 * 7296 + w3) % 10000 * 7296 + w4) AS h FROM "
    "("
    "  SELECT n, id, ('x' || substr(digest, 1, 8))::bit(32)::bigint AS w1,"
    "   ('x' || substr(digest, 9, 8))::bit(32)::bigint AS w2,"
    "   ('x' || substr(digest, 17, 8))::bit(32)::bigint AS w3,"
    "   ('x' || substr(digest, 25, 8))::bit(32)::bigint AS w4 FROM ("
    "   SELECT n, id, md5('rag-cms-features:' || id) AS digest FROM ("
    "    SELECT n, CASE n % 3 WHEN 0 THEN 'user' || n WHEN 1 THEN md5(n::text)"
    "              ELSE 'n\xC3\xA4me-' || n || '@example.org' END AS id"
    "    FROM generate_series(0, 99999) n) i) d) w) p";

struct Case {
    const char* name;
    const char* status;
    double rollout;
    std::vector<std::pair<const char*, double>> variants;
};

const std::array<Case, 10> kCases = {{
    {"gate.1", "gradual_rollout", 1, {}},
    {"gate.25", "gradual_rollout", 25, {}},
    {"gate.33.335", "gradual_rollout", 33.335, {}},
    {"gate.57.99", "gradual_rollout", 57.99, {}},
    {"gate.100", "gradual_rollout", 100, {}},
    {"halves.100", "ab_test", 100, {{"control", 50}, {"treatment", 50}}},
    {"halves.50", "ab_test", 50, {{"control", 50}, {"treatment", 50}}},
    {"thirds.90", "ab_test", 90, {{"a", 33.33}, {"b", 33.33}, {"c", 33.34}}},
    {"zero.first", "ab_test", 100, {{"a", 0}, {"b", 10.1}, {"c", 89.9}}},
    {"short.sum", "ab_test", 100, {{"a", 20.2}, {"b", 30.3}}},
}};

class LegacyAgreementTest : public testing::Test {
protected:
    LegacyAgreementTest() {
        cluster_.execute(test::kFormerTables);
        for (const Case& one : kCases) {
            std::string variants;
            for (const auto& [name, weight] : one.variants) {
                variants += (variants.empty() ? "" : ",") + std::string("{\"name\":\"") + name +
                            "\",\"weight\":" + std::to_string(weight) + "}";
            }
            cluster_.execute(
                "INSERT INTO feature_flags (name, status, rollout_percentage, variants)"
                " VALUES ('" +
                std::string(one.name) + "', '" + one.status + "', " + std::to_string(one.rollout) +
                ", '[" + variants + "]')");
        }
        if (!adopt({.dsn = cluster_.dsn()})) {
            throw std::runtime_error("cannot adopt");
        }
        cluster_.execute(kPlaces);
        for (const test::PostgresRow& row : cluster_.rows("SELECT id FROM place ORDER BY n")) {
            ids_.push_back(*row[0]);
        }
    }

    void publish() {
        const FlagChanges changes = reader_.poll().value();
        ASSERT_THAT(changes.refused, testing::IsEmpty());
        builder_.apply(changes);
        const auto image = builder_.build({publisher_.next_generation(), changes.database_unix_ms});
        ASSERT_TRUE(publisher_.publish(image, builder_.take_read_back()).has_value());
    }

    /// "-" is off, "+" on without a variant, else the variant.
    std::vector<std::string> answers(const std::string& flag) {
        Client client(ClientOptions{.directory = directory_.path().c_str()});
        std::vector<std::string> all;
        for (std::size_t index = 0; index < ids_.size(); ++index) {
            const char* attribute = index % 2 == 0 ? "user_id" : "session_id";
            const Context context{{attribute, ids_[index]}};
            const Evaluation answer = client.evaluate(flag, context);
            all.push_back(!answer.enabled()          ? "-"
                          : answer.variant().empty() ? "+"
                                                     : std::string(answer.variant()));
        }
        return all;
    }

    /// What the former system answers: one bucket for the gate and against the sums of weights,
    /// else the last.
    std::vector<std::string> expected(const Case& one) {
        std::string choice = one.variants.empty() ? "'+'" : "CASE";
        std::string sum = "0::float8";
        for (const auto& [name, weight] : one.variants) {
            sum += " + " + std::to_string(weight) + "::float8";
            choice += " WHEN bucket < " + sum + " THEN '" + name + "'";
        }
        choice += one.variants.empty()
                      ? ""
                      : " ELSE '" + std::string(one.variants.back().first) + "' END";
        std::vector<std::string> all;
        for (const test::PostgresRow& row :
             cluster_.rows("SELECT CASE WHEN bucket < " + std::to_string(one.rollout) +
                           "::float8 THEN " + choice + " ELSE '-' END FROM place ORDER BY n")) {
            all.push_back(*row[0]);
        }
        return all;
    }

    test::PostgresCluster cluster_;
    test::TemporaryDirectory directory_;
    PgSession session_{{.dsn = cluster_.dsn()}};
    FlagReader reader_{session_};
    SnapshotBuilder builder_;
    Publisher publisher_{*Publisher::open(directory_.path())};
    std::vector<std::string> ids_;
};

TEST_F(LegacyAgreementTest, TheClientAgreesWithPostgresMd5) {
    publish();
    ASSERT_EQ(ids_.size(), std::size_t{kIdCount});
    for (const Case& one : kCases) {
        const std::vector<std::string> ours = answers(one.name);
        const std::vector<std::string> theirs = expected(one);
        ASSERT_EQ(ours.size(), theirs.size());
        std::size_t differences = 0;
        for (std::size_t index = 0; index < ours.size(); ++index) {
            differences += ours[index] != theirs[index] ? 1U : 0U;
        }
        EXPECT_EQ(differences, 0U) << one.name;
    }
    const std::vector<std::string> starved = answers("halves.50");
    EXPECT_EQ(std::count(starved.begin(), starved.end(), "treatment"), 0);
}

TEST_F(LegacyAgreementTest, RebucketingMovesAsManyAsItSays) {
    publish();
    for (const char* flag : {"gate.25", "halves.50", "thirds.90"}) {
        const std::vector<std::string> before = answers(flag);
        const auto done = rebucket(session_, flag, "", RebucketMode::kApply);
        ASSERT_TRUE(done) << done.error().message;
        publish();
        const std::vector<std::string> after = answers(flag);
        int moved = 0;
        int off = 0;
        for (std::size_t index = 0; index < before.size(); ++index) {
            moved += before[index] != after[index] ? 1 : 0;
            off += after[index] == "-" ? 1 : 0;
        }
        // Five standard deviations of a share of 100 000: never by chance.
        EXPECT_NEAR(moved / double(kIdCount), done->changed_share, 5 * 0.5 / std::sqrt(kIdCount))
            << flag;
        EXPECT_NEAR(off / double(kIdCount), done->after.off, 5 * 0.5 / std::sqrt(kIdCount)) << flag;
    }
}

}  // namespace
}  // namespace burgee::sync
