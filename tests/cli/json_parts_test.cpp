// Promise: JSON is taken apart and put together without changing what was not asked for, and no
// text is a reason to crash. Method: small texts, and every beginning of one.

#include "cli/json_parts.hpp"

#include "cli/exit_code.hpp"
#include "cli/flag_definition.hpp"

namespace burgee::cli {
namespace {

using testing::ElementsAre;

constexpr const char* kNested = R"( {"a": [1, {"b": "},\""}], "c:d" : "x, y" ,"e":null} )";

TEST(JsonPartsTest, FindsMembersWhateverTheyHold) {
    const auto members = json_members(kNested);
    ASSERT_TRUE(members.has_value());
    EXPECT_THAT(*members, ElementsAre(JsonMember{"a", R"([1, {"b": "},\""}])"},
                                      JsonMember{"c:d", R"("x, y")"}, JsonMember{"e", "null"}));
    EXPECT_EQ(json_member(kNested, "e"), "null");
    EXPECT_EQ(json_member(kNested, "b"), std::nullopt);
}

TEST(JsonPartsTest, FindsElements) {
    EXPECT_THAT(*json_elements(R"([1, "a,b", [2,3]])"), ElementsAre("1", R"("a,b")", "[2,3]"));
    EXPECT_TRUE(json_elements("[]")->empty());
    EXPECT_TRUE(json_members("{}")->empty());
    EXPECT_EQ(json_elements("{}"), std::nullopt);
    EXPECT_EQ(json_members("[]"), std::nullopt);
}

TEST(JsonPartsTest, ReplacesOneKeyAndLeavesTheOthers) {
    EXPECT_EQ(json_with(R"({"a":1,"b":[2]})", "a", "3"), R"({"a": 3, "b": [2]})");
    EXPECT_EQ(json_with("{}", "a", "3"), R"({"a": 3})");
    EXPECT_THROW(json_with("[1]", "a", "3"), Failure);
}

TEST(JsonPartsTest, ShowsTextsPlainly) {
    EXPECT_EQ(json_plain(R"("a \"b\" \\ c")"), R"(a "b" \ c)");
    EXPECT_EQ(json_plain(R"("\u0041\u00e9\u20ac\ud83d\ude00\n\/")"), "A\u00e9\u20ac\U0001F600\n/");
    EXPECT_EQ(json_plain(R"("\ud83d x \u12")"), "\uFFFD x \uFFFD");
    EXPECT_EQ(json_plain("12.5"), "12.5");
}

TEST(JsonPartsTest, SurvivesEveryBeginning) {
    const std::string whole = kNested;
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        const std::string text = whole.substr(0, size);
        (void)json_members(text);
        (void)json_elements(text);
        (void)json_plain(text);
        (void)json_members("{" + text + "}");
        (void)json_elements("[" + text + "]");
    }
}

TEST(VariantsTest, BecomeTheColumnsJson) {
    EXPECT_EQ(variants_json({"control=50", R"(b=12.5:{"model":"x:y=z"})"}),
              R"([{"name":"control","weight":50,"config_overrides":{},"metadata":{}},)"
              R"({"name":"b","weight":12.5,"config_overrides":{"model":"x:y=z"},"metadata":{}}])");
    for (const char* bad : {"", "control", "=50", "a=", "a=x", "a=5:", "a=5:[1]", "a=5x:{}"}) {
        EXPECT_THROW(variants_json({bad}), Failure) << bad;
    }
}

}  // namespace
}  // namespace burgee::cli
