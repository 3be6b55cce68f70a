// Promise: PostgreSQL computes the key of a unit's state from the unit's text exactly as every
// client and daemon does. Method: texts of every length there is, hashed by both.

#include <burgee/checksum.hpp>
#include <random>

#include "tests/sync/migrated_cluster.hpp"

namespace burgee::test {
namespace {

class UnitHashTest : public PostgresTest {};

TEST_F(UnitHashTest, IsTheHashOfTheClientsForEveryLength) {
    constexpr unsigned kSeed = 4711;
    std::mt19937 random(kSeed);
    std::string values;
    for (int size = 0; size <= 512; ++size) {
        for (int text_index = 0; text_index < 4; ++text_index) {
            std::string text;
            while (static_cast<int>(text.size()) < size) {
                // Letters of one to four bytes, as far as they fit: unit ids are any text.
                const int room = size - static_cast<int>(text.size());
                constexpr std::string_view kLetters[] = {
                    "a", "7", "-", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x9A\xA9"};
                const std::string_view letter = kLetters[random() % 6];
                text += static_cast<int>(letter.size()) <= room ? letter : "z";
            }
            values += (values.empty() ? "('" : ",('") + text + "'," +
                      std::to_string(static_cast<std::int64_t>(hash64(text))) + ")";
        }
    }
    EXPECT_EQ(value("SELECT count(*) || ' ' || count(*) FILTER (WHERE burgee.unit_hash(t) = h)"
                    " FROM (VALUES " +
                    values + ") v (t, h)"),
              "2052 2052")
        << "seed " << kSeed;
}

TEST_F(UnitHashTest, HasNoneForWhatIsNoUnit) {
    EXPECT_EQ(value("SELECT burgee.unit_hash(NULL) IS NULL AND burgee.unit_hash(repeat('a', 513))"
                    " IS NULL AND burgee.unit_hash(repeat('a', 512)) IS NOT NULL"),
              "t");
}

}  // namespace
}  // namespace burgee::test
