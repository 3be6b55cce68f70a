// Promise: what passes here is stored by PostgreSQL as jsonb, and what does not is named in our
// words. Method: texts of each kind; a real server is asked about those that pass.
#include "sync/json_check.hpp"

#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

using ::testing::HasSubstr;

std::string complaint(std::string_view text, JsonShape shape = JsonShape::kObject) {
    return json_complaint(text, shape).value_or("");
}

class JsonCheckTest : public test::PostgresTest {};

TEST_F(JsonCheckTest, WhatPassesIsStored) {
    for (const char* text : {"{}", " {\"a\": [1, 2.5, null, true]}\n", R"({"a": "\\u0000"})",
                             R"({"a": "\u00e9 \ud83d\ude00"})", "{\"\xc3\xa9\": -1e300}"}) {
        EXPECT_EQ(complaint(text), "") << text;
        const auto stored = session_.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
            return open.query("SELECT $1::jsonb", {text}).size();
        });
        EXPECT_TRUE(stored) << text;
    }
    EXPECT_EQ(complaint("[{}]", JsonShape::kArray), "");
}

TEST_F(JsonCheckTest, NamesWhatIsWrong) {
    EXPECT_THAT(complaint(""), HasSubstr("it is empty"));
    EXPECT_THAT(complaint("x"), HasSubstr("is not a JSON object"));
    EXPECT_THAT(complaint("{\"a\":}"), HasSubstr("is not a JSON object"));
    EXPECT_THAT(complaint("{} {}"), HasSubstr("is not a JSON object"));
    EXPECT_THAT(complaint("[]"), HasSubstr("is not a JSON object"));
    EXPECT_THAT(complaint("{}", JsonShape::kArray), HasSubstr("is not a JSON array"));
    EXPECT_THAT(complaint("{\"a\":\"caf\xe9\"}"), HasSubstr("is not UTF-8"));
    EXPECT_THAT(complaint(R"({"a":"x\u0000"})"), HasSubstr("\\u0000"));
    EXPECT_THAT(complaint(R"({"a":"\\\u0000"})"), HasSubstr("\\u0000"));
    EXPECT_THAT(complaint(R"({"a":"\ud800"})"), HasSubstr("is not a JSON object"));
    EXPECT_THAT(complaint("{\"a\":1e999}"), HasSubstr("malformed number"));
}

}  // namespace
}  // namespace burgee::sync
