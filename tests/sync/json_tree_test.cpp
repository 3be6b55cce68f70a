// Promise: JSON that PostgreSQL compares as equal has one canonical text, no digit of a number is
// lost, and what cannot be stored is refused at its place. Method: texts.

#include "sync/json_tree.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace burgee::sync {
namespace {

using testing::HasSubstr;

std::string canonical(std::string_view text) {
    const auto read = read_json_tree(text);
    const auto* tree = std::get_if<JsonTree>(&read);
    return tree == nullptr ? "refused: " + std::get<std::string>(read) : compact_text(*tree);
}

TEST(JsonTreeTest, SortsKeysAndDropsSpace) {
    EXPECT_EQ(canonical(R"( { "b" : [ 1 , null , true ] , "a" : { } } )"),
              R"({"a":{},"b":[1,null,true]})");
    EXPECT_EQ(canonical(R"(["\u00e9\/\u0041\n\""])"), "[\"\xC3\xA9/A\\n\\\"\"]");
}

TEST(JsonTreeTest, ANumberHasOneTextAndKeepsItsDigits) {
    EXPECT_EQ(canonical("[0, -0, 0.0, 0e5, 1.0, 2.50, 10, 1e2, 12.5E-1, -1.20e+1]"),
              "[0,0,0,0,1,2.5,10,100,1.25,-12]");
    EXPECT_EQ(canonical("[0.001, 1e-3, 9007199254740993, 18446744073709551616]"),
              "[0.001,0.001,9007199254740993,18446744073709551616]");
    EXPECT_EQ(canonical("[0.1000000000000000055511151231257827]"),
              "[0.1000000000000000055511151231257827]");
    EXPECT_EQ(canonical("[1e300]"), "[1" + std::string(300, '0') + "]");
}

TEST(JsonTreeTest, RefusesWhatCannotBeStoredAtItsPlace) {
    EXPECT_EQ(canonical(R"({"a": [{"k": 1, "k": 2}]})"),
              "refused: a[0].k is given twice: keep one");
    EXPECT_THAT(canonical(R"({"a": "x\u0000y"})"), HasSubstr("a holds \\u0000"));
    EXPECT_THAT(canonical("[" + std::string(401, '9') + "]"), HasSubstr("[0] is a number of more"));
    EXPECT_THAT(canonical(""), HasSubstr("is not JSON"));
    EXPECT_THAT(canonical("{\"a\": }"), HasSubstr("is not JSON"));
    EXPECT_THAT(canonical("3"), HasSubstr("neither object nor array"));
    EXPECT_THAT(canonical(std::string(5000, '[')), HasSubstr("is not JSON"));
}

TEST(JsonTreeTest, ItsOwnTextIsItsOwnTextAgain) {
    const std::string once = canonical(R"({"x": [1.10, {"b": "\u2028", "a": -0.0}], "": 1})");
    EXPECT_EQ(canonical(once), once);
}

}  // namespace
}  // namespace burgee::sync
