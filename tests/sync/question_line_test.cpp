// Promise: a line of questions keeps the type of every value, 64-bit integers to the last digit,
// and a bad line says what is wrong with it; the reader goes on with the next. Method: texts.

#include "sync/question_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace burgee::sync {
namespace {

using testing::HasSubstr;

class QuestionReaderTest : public testing::Test {
protected:
    QuestionReader reader_;

    Question good(std::string_view line) {
        Question question = reader_.read(line);
        EXPECT_FALSE(question.complaint) << *question.complaint;
        return question;
    }
    std::string complaint(std::string_view line) {
        return reader_.read(line).complaint.value_or("none");
    }
};

TEST_F(QuestionReaderTest, KeepsTheTypeOfEveryValue) {
    const Question question =
        good(R"({"flag": "f", "context": {"s": "a", "b": true, "i": -9223372036854775808,)"
             R"("u": 18446744073709551615, "d": 1.0, "n": null}})");
    EXPECT_EQ(question.flag, "f");
    ASSERT_EQ(question.context.size(), 5U) << "null is as if it were not there";
    EXPECT_EQ(question.context[0].second, AttributeValue(std::string_view("a")));
    EXPECT_EQ(question.context[1].second, AttributeValue(true));
    EXPECT_EQ(question.context[2].second, AttributeValue(INT64_MIN));
    EXPECT_EQ(question.context[3].second, AttributeValue(UINT64_MAX));
    EXPECT_EQ(question.context[4].second, AttributeValue(1.0));
}

TEST_F(QuestionReaderTest, TheFlagAndTheContextMayBeMissing) {
    EXPECT_FALSE(good("{}").flag);
    EXPECT_TRUE(good(R"({"flag": "f"})").context.empty());
}

TEST_F(QuestionReaderTest, SaysWhatIsWrongAndGoesOn) {
    EXPECT_THAT(complaint(""), HasSubstr("empty"));
    EXPECT_THAT(complaint("   "), HasSubstr("empty"));
    EXPECT_THAT(complaint("{"), HasSubstr("is not JSON"));
    EXPECT_THAT(complaint("[1]"), HasSubstr("is no JSON object"));
    EXPECT_THAT(complaint(R"({"flag": 1})"), HasSubstr("flag is no string"));
    EXPECT_THAT(complaint(R"({"flag": "f", "context": []})"), HasSubstr("context is no object"));
    EXPECT_THAT(complaint(R"({"flag": "f", "contxt": {}})"), HasSubstr("did you mean \"context\""));
    EXPECT_THAT(complaint(R"({"context": {"a": [1]}})"), HasSubstr("context.a is an array"));
    EXPECT_THAT(complaint(R"({"context": {"a": {"b": 1}}})"), HasSubstr("context.a"));
    EXPECT_THAT(complaint(R"({"context": {"a": 18446744073709551616}})"), HasSubstr("64 bits"));
    EXPECT_THAT(complaint("{\"flag\": \"\xff\"}"), HasSubstr("is not JSON"));
    EXPECT_EQ(good(R"({"flag": "f"})").flag, "f");
}

}  // namespace
}  // namespace burgee::sync
