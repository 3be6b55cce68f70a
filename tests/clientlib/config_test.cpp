// Promise: typed reads give the value, or the caller's default for everything else.
// Method: one variant with every type, few fields and many, read back by every accessor.

#include <burgee/client.hpp>

#include "tests/clientlib/published_directory.hpp"

namespace burgee::test {
namespace {

class ConfigTest : public ::testing::Test {
protected:
    /// The config of the only variant that anybody meets.
    const Evaluation& publish(std::vector<ConfigScalar> fields) {
        std::sort(fields.begin(), fields.end(),
                  [](const auto& one, const auto& other) { return one.path < other.path; });
        FlagDefinition flag = ab_test_of("chat");
        flag.variants[0].config = fields;
        flag.variants[1].config = fields;
        flag.variants[0].config_json = flag.variants[1].config_json = R"({"a": 1})";
        published_.publish({flag, ab_test_of("none", 0)});
        answer_ = client_->evaluate("chat", user_);
        return answer_;
    }
    void SetUp() override { client_.emplace(published_.options()); }

    PublishedDirectory published_;
    std::optional<Client> client_;
    const Context user_{{"user_id", "u1"}};
    Evaluation answer_;

    void wait() { ASSERT_TRUE(client_->wait_for_generation(1, std::chrono::seconds(10))); }
};

TEST_F(ConfigTest, ReadsEveryTypeAndDefaultsTheRest) {
    publish({});
    wait();
    const Config config = publish({{"flag", true},
                                   {"whole", std::int64_t{-5}},
                                   {"number", 2.5},
                                   {"round", 3.0},
                                   {"text", std::string("gpt-4")},
                                   {"empty", std::string()},
                                   {"nested.deeper.key", std::string("found")}})
                              .config();
    EXPECT_TRUE(config.boolean("flag"));
    EXPECT_EQ(config.integer("whole"), -5);
    EXPECT_EQ(config.number("whole"), -5.0);
    EXPECT_EQ(config.number("number"), 2.5);
    EXPECT_EQ(config.integer("number", 9), 9) << "a fraction is no integer";
    EXPECT_EQ(config.integer("round", 9), 3);
    EXPECT_EQ(config.string("text", "x"), "gpt-4");
    EXPECT_EQ(config.string("empty", "x"), "");
    EXPECT_EQ(config.string("nested.deeper.key", "x"), "found");
    EXPECT_EQ(config.string("nested.deeper.kez", "x"), "x");
    EXPECT_EQ(config.string("whole", "x"), "x");
    EXPECT_EQ(config.integer("text", 9), 9);
    EXPECT_TRUE(config.boolean("text", true));
    EXPECT_EQ(config.number("absent", 1.5), 1.5);
    EXPECT_EQ(config.json(), R"({"a": 1})");
}

TEST_F(ConfigTest, FindsEveryFieldAmongMany) {
    publish({});
    wait();
    std::vector<ConfigScalar> fields;
    for (std::int64_t number = 0; number < 300; ++number) {
        fields.push_back({"path." + std::to_string(number * 7919 % 300), number});
        fields.push_back({"p" + std::to_string(number), number});
    }
    const Config config = publish(fields).config();
    for (const ConfigScalar& field : fields) {
        EXPECT_EQ(config.integer(field.path, -1), std::get<std::int64_t>(field.value))
            << field.path;
    }
    EXPECT_EQ(config.integer("path", -1), -1);
    EXPECT_EQ(config.integer("", -1), -1);
    EXPECT_EQ(config.integer("zzz", -1), -1);
}

TEST_F(ConfigTest, GivesDefaultsWhenTheFlagIsOff) {
    publish({});
    wait();
    const Evaluation off = client_->evaluate("none", user_);
    EXPECT_FALSE(off.enabled());
    EXPECT_EQ(off.config().string("model", "x"), "x");
    EXPECT_EQ(off.config().json(), "{}");
}

}  // namespace
}  // namespace burgee::test
