// Promise: a slip of the finger is answered with the word that was meant, and nonsense with
// nothing. Method: known distances, then words near and far from a list.

#include "shm/suggestion.hpp"

namespace burgee {
namespace {

TEST(SuggestionTest, CountsEditsAndSwaps) {
    EXPECT_EQ(edit_distance("", ""), 0U);
    EXPECT_EQ(edit_distance("abc", ""), 3U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
    EXPECT_EQ(edit_distance("craete", "create"), 1U);
    EXPECT_EQ(edit_distance("create", "craete"), 1U);
}

TEST(SuggestionTest, FindsTheWordThatWasMeant) {
    const std::vector<std::string> verbs{"create", "list", "show", "rollback"};
    EXPECT_EQ(closest("craete", verbs), "create");
    EXPECT_EQ(closest("lst", verbs), "list");
    EXPECT_EQ(closest("roll", verbs), "rollback");
    EXPECT_EQ(closest("list", {"lists", "list"}), "list") << "the word itself is closest of all";
}

TEST(SuggestionTest, SaysNothingRatherThanNonsense) {
    const std::vector<std::string> verbs{"create", "list"};
    EXPECT_EQ(closest("zebra", verbs), std::nullopt);
    EXPECT_EQ(closest("", verbs), std::nullopt);
    EXPECT_EQ(closest(std::string(100'000, 'l'), verbs), std::nullopt);
    EXPECT_EQ(did_you_mean("zebra", verbs), "");
}

TEST(SuggestionTest, BreaksTiesByOrder) {
    EXPECT_EQ(closest("cat", {"car", "can"}), "car");
    EXPECT_EQ(did_you_mean("cat", {"car", "can"}), "; did you mean \"car\"?");
}

}  // namespace
}  // namespace burgee
