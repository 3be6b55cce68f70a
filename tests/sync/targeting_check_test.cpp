// Promise: rules, requirements, layer and type of value mean what docs/targeting.md says, and
// whatever is wrong with them is refused at its place. Method: one good row, spoiled in one place
// at a time.
#include "sync/targeting_check.hpp"

#include "tests/sync/checked_flag.hpp"

namespace burgee::sync {
namespace {

class TargetingCheckTest : public ::testing::Test {
protected:
    test::CheckedFlag flag_;

    void make_ab_test() {
        flag_.row.status = "ab_test";
        flag_.row.variants =
            R"([{"name": "control", "weight": 50}, {"name": "treatment", "weight": 50}])";
    }

    void serve(const std::string& served) {
        flag_.row.segments = R"({"rules": [{"constraints": [], "serve": )" + served + "}]}";
    }

    static std::string repeated(const std::string& entry, std::size_t count) {
        std::string list = "[";
        for (std::size_t index = 0; index < count; ++index) {
            list += (index == 0 ? "" : ",") + entry;
        }
        return list + "]";
    }
};

TEST_F(TargetingCheckTest, ReadsRulesInTheirOrder) {
    make_ab_test();
    flag_.row.segments = R"({"rules": [
        {"name": "staff", "constraints": [{"attribute": "email", "operator": "STR_ENDS_WITH",
         "value": "@example.com"}], "serve": {"variant": "treatment"}},
        {"constraints": [{"segment": "beta"}], "serve": {"rollout_percentage": 12.5}},
        {"name": "", "constraints": [], "serve": {"enabled": false}}]})";
    const FlagDefinition flag = flag_.accepted();
    ASSERT_EQ(flag.rules.size(), 3U);
    EXPECT_EQ(flag.rules[0].name, "staff");
    EXPECT_EQ(flag.rules[0].constraints.at(0).attribute, "email");
    EXPECT_EQ(flag.rules[0].serve, Serve(ServeVariant{"treatment"}));
    EXPECT_EQ(flag.rules[1].name, "");
    EXPECT_EQ(flag.rules[1].serve, Serve(ServeRollout{12.5}));
    EXPECT_EQ(flag.rules[2].serve, Serve(false));
    EXPECT_TRUE(flag.rules[2].constraints.empty());
    flag_.expect_silence();
}

TEST_F(TargetingCheckTest, RefusesRulesByPlace) {
    make_ab_test();
    const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
        {"{}", "", "is not a JSON array"},
        {"[7]", "[0]", "is not a JSON object"},
        {R"([{"serve": {"enabled": true}}])", "[0].constraints", "is missing"},
        {R"([{"constraints": []}])", "[0].serve", "is missing: write {\"enabled\": true}"},
        {R"([{"constraints": [], "serve": true}])", "[0].serve", "is not a JSON object"},
        {R"([{"constraints": [], "serve": {}}])", "[0].serve", "serves 0 things"},
        {R"([{"constraints": [], "serve": {"enabled": true, "variant": "control"}}])", "[0].serve",
         "serves 2 things"},
        {R"([{"constraints": [], "serve": {"enabeld": true}}])", "[0].serve.enabeld",
         "did you mean \"enabled\"?"},
        {R"([{"constraints": [], "serve": {"enabled": 1}}])", "[0].serve.enabled", "true or false"},
        {R"([{"constraints": [], "serve": {"rollout_percentage": 101}}])",
         "[0].serve.rollout_percentage", "from 0 to 100"},
        {R"([{"constraints": [], "serve": {"rollout_percentage": "5"}}])",
         "[0].serve.rollout_percentage", "from 0 to 100"},
        {R"([{"constraints": [], "serve": {"variant": 3}}])", "[0].serve.variant", "not a text"},
        {R"([{"constraints": [], "serve": {"variant": "treatmet"}}])", "[0].serve.variant",
         "did you mean \"treatment\"?"},
        {R"([{"constrains": [], "serve": {"enabled": true}}])", "[0].constrains",
         "did you mean \"constraints\"?"},
        {R"([{"name": 3, "constraints": [], "serve": {"enabled": true}}])", "[0].name",
         "is not a text"},
        {R"([{"name": ")" + std::string(257, 'n') + R"(", "constraints": []}])", "[0].name",
         "257 bytes"},
        {R"([{"constraints": [], "serve": {"enabled": true}},
             {"constraints": [{"attribute": "a", "operator": "in"}], "serve": {"enabled": true}}])",
         "[1].constraints[0].operator", "did you mean \"IN\"?"},
    };
    for (const auto& [rules, place, words] : cases) {
        flag_.row.segments = R"({"rules": )" + rules + "}";
        flag_.expect_refused("segments.rules" + place, words);
    }
    const std::string rule = R"({"constraints":[],"serve":{"enabled":true}})";
    flag_.row.segments = R"({"rules": )" + repeated(rule, kRuleCountMax) + "}";
    EXPECT_EQ(flag_.accepted().rules.size(), kRuleCountMax);
    flag_.row.segments = R"({"rules": )" + repeated(rule, kRuleCountMax + 1) + "}";
    flag_.expect_refused("segments.rules", "1025 rules: at most 1024 are possible");
}

TEST_F(TargetingCheckTest, OnlyAbTestsServeVariants) {
    serve(R"({"variant": "treatment"})");
    flag_.expect_refused("segments.rules[0].serve.variant", "ab_test flags alone");
    make_ab_test();
    flag_.expect_silence();
    flag_.row.variants = R"([{"name": "a", "weight": 50}, {"name": "b", "weight": 50}])";
    flag_.expect_refused("segments.rules[0].serve.variant", "\"treatment\" is no variant");
    flag_.row.status = "disabled";
    EXPECT_TRUE(flag_.accepted().rules.empty()) << "switched off: nobody asks whom it is meant for";
    flag_.expect_silence();
}

TEST_F(TargetingCheckTest, ReadsAndRefusesRequirements) {
    flag_.row.segments = R"({"requires": [{"flag": "base", "enabled": true},
        {"flag": "kill", "enabled": false}, {"flag": "test", "variant": "b"}]})";
    const std::vector<Requirement> expected = {
        {"base", true}, {"kill", false}, {"test", std::string("b")}};
    EXPECT_EQ(flag_.accepted().requirements, expected);
    flag_.expect_silence();
    const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
        {R"({"flag": "x"})", "", "is not a JSON array"},
        {R"(["x"])", "[0]", "is not a JSON object"},
        {R"([{"enabled": true}])", "[0].flag", "is missing"},
        {R"([{"flag": "", "enabled": true}])", "[0].flag", "is empty"},
        {R"([{"flag": "search.enhanced", "enabled": true}])", "[0].flag", "is this flag itself"},
        {R"([{"flag": "x"}])", "[0]", "must want exactly one thing"},
        {R"([{"flag": "x", "enabled": true, "variant": "b"}])", "[0]", "must want exactly one"},
        {R"([{"flag": "x", "enabled": "on"}])", "[0].enabled", "write true or false"},
        {R"([{"flag": "x", "variant": 3}])", "[0].variant", "not a text"},
        {R"([{"flg": "x", "enabled": true}])", "[0].flg", "did you mean \"flag\"?"},
    };
    for (const auto& [requirements, place, words] : cases) {
        flag_.row.segments = R"({"requires": )" + requirements + "}";
        flag_.expect_refused("segments.requires" + place, words);
    }
    flag_.row.segments = R"({"requires": )" +
                         repeated(R"({"flag":"x","enabled":true})", kRequirementCountMax + 1) + "}";
    flag_.expect_refused("segments.requires", "65 requirements: at most 64 are possible");
}

TEST_F(TargetingCheckTest, ReadsAndRefusesTypesOfValue) {
    const std::vector<std::pair<std::string, ValueType>> types = {{"boolean", ValueType::kBoolean},
                                                                  {"string", ValueType::kString},
                                                                  {"number", ValueType::kNumber},
                                                                  {"object", ValueType::kObject}};
    for (const auto& [name, type] : types) {
        flag_.row.segments = R"({"value_type": ")" + name + "\"}";
        EXPECT_EQ(flag_.accepted().value_type, type);
    }
    for (const char* wrong : {"\"String\"", "3", "\"\"", "[]"}) {
        flag_.row.segments = std::string(R"({"value_type": )") + wrong + "}";
        flag_.expect_refused("segments.value_type", "is no type of value");
    }
}

TEST_F(TargetingCheckTest, TakesTheSlotsOfItsLayer) {
    flag_.row.segments = R"({"layer": {"name": "checkout"}})";
    flag_.row.has_named_layer = true;
    flag_.row.layers = {{"checkout", {{0, 99}, {300, 300}}}};
    const FlagDefinition flag = flag_.accepted();
    ASSERT_TRUE(flag.layer.has_value());
    EXPECT_EQ(*flag.layer, flag_.row.layers.front());
    flag_.expect_silence();
    flag_.row.layers.push_back({"search", {{5, 5}}});
    flag_.expect_warned("segments.layer", "owns slots of layer \"search\"");
    flag_.row.layers.clear();
    flag_.expect_warned("segments.layer", "owns no slot, so nobody takes part");
    flag_.row.has_named_layer = false;
    flag_.expect_warned("segments.layer", "does not exist, so nobody takes part");
    EXPECT_TRUE(flag_.accepted().layer.has_value()) << "else everybody would take part";
    flag_.row.layers = {{"checkout", {{0, 99}}}};
    flag_.row.segments = "{}";
    flag_.expect_warned("segments.layer", "names no layer");
    for (const auto& [layer, place, words] :
         std::vector<std::tuple<std::string, std::string, std::string>>{
             {"\"checkout\"", "", "is not a JSON object"},
             {"{}", ".name", "is missing"},
             {R"({"name": ""})", ".name", "is empty"},
             {R"({"name": "x", "slots": 5})", ".slots", "is not known"}}) {
        flag_.row.segments = R"({"layer": )" + layer + "}";
        flag_.expect_refused("segments.layer" + place, words);
    }
}

TEST_F(TargetingCheckTest, NullIsAbsent) {
    flag_.row.segments = R"({"audience": null, "rules": null, "requires": null, "layer": null,
                             "value_type": null})";
    flag_.expect_silence();
}

TEST_F(TargetingCheckTest, LegacyBySettingIgnoresAllOfIt) {
    flag_.settings.default_bucketing = Bucketing::kLegacyMd5;
    const std::string nonsense =
        R"("audience": 1, "rules": 1, "requires": 1, "layer": 1, "value_type": 1)";
    flag_.row.segments = "{" + nonsense + "}";
    for (const char* key : {"audience", "rules", "requires", "layer", "value_type"}) {
        flag_.expect_warned(std::string("segments.") + key, "is ignored, as the former system did");
    }
    flag_.row.segments = R"({"bucketing": "legacy_md5", )" + nonsense + "}";
    for (const char* key : {"audience", "rules", "requires", "layer", "value_type"}) {
        flag_.expect_refused(std::string("segments.") + key, "is no");
    }
    flag_.row.segments =
        R"({"bucketing": "legacy_md5", "audience": [{"segment": "s"}], "other": 1})";
    EXPECT_EQ(flag_.accepted().audience.size(), 1U);
    flag_.expect_warned("segments.other", "is not known and ignored");
}

TEST_F(TargetingCheckTest, ADisabledFlagToleratesEverything) {
    flag_.row.status = "disabled";
    flag_.row.segments = R"({"audience": 1, "rules": [7], "requires": [{"flag": "search.enhanced"}],
                             "layer": [], "value_type": "x"})";
    const FlagDefinition flag = flag_.accepted();
    EXPECT_EQ(flag.status, Status::kDisabled);
    EXPECT_GE(flag_.check().problems.size(), 5U);
    flag_.row.segments = R"({"audience": [{"segment": "s"}], "rules": [{"constraints": [], "serve":
        {"enabled": true}}], "requires": [{"flag": "x", "enabled": true}], "layer": {"name": "l"}})";
    flag_.expect_silence();
    const FlagDefinition off = flag_.accepted();
    EXPECT_TRUE(off.audience.empty() && off.rules.empty() && off.requirements.empty());
    EXPECT_FALSE(off.layer.has_value()) << "nothing in it can keep the builder from publishing";
}

TEST_F(TargetingCheckTest, WarnsOfACanaryForNobodyInParticular) {
    flag_.row.status = "canary";
    flag_.row.rollout_percentage = "3";
    flag_.expect_warned("segments.audience", "meant for a named few");
    flag_.row.segments = R"({"include": ["u1"]})";
    flag_.expect_silence();
    flag_.row.segments = R"({"audience": [{"segment": "staff"}]})";
    flag_.expect_silence();
}

}  // namespace
}  // namespace burgee::sync
