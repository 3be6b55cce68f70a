// Promise: `burgee flag plan` says whom a change would move, what it cannot know, and whether a
// running experiment is touched, and changes nothing. Method: the real program on a real
// PostgreSQL; then the change is made, and what the plan said is what happened.

#include <fstream>

#include "tests/cli/command_line.hpp"

namespace burgee::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class PlanCommandTest : public CommandLineTest {
protected:
    TemporaryDirectory files_;

    std::string file(const std::string& content) {
        const std::string path = files_.path() + "/contexts.jsonl";
        std::ofstream(path, std::ios::binary) << content;
        return path;
    }
    static std::string traces() {
        return postgres().value("select value from burgee.revision") + " " +
               postgres().value("select count(*) from burgee.flag_history");
    }
};

TEST_F(PlanCommandTest, SaysTheExactShareAndChangesNothing) {
    ok({"flag", "create", "p.rollout", "--status", "gradual_rollout", "--rollout", "25"});
    const std::string before = traces();
    const std::string text = ok({"flag", "plan", "p.rollout", "--rollout", "50"});
    EXPECT_THAT(text, HasSubstr("p.rollout: 25 % of all units would change their answer\n"));
    EXPECT_THAT(text, HasSubstr("off -> on      25 %\n"));
    EXPECT_THAT(text, HasSubstr("exact: every unit keeps its buckets"));
    EXPECT_EQ(traces(), before);
    const auto plan = json({"flag", "plan", "p.rollout", "--salt", "other"});
    EXPECT_DOUBLE_EQ(plan["shares"]["off_to_on"].get_double().value(), 0.1875);
    EXPECT_DOUBLE_EQ(plan["shares"]["on_to_off"].get_double().value(), 0.1875);
    EXPECT_TRUE(plan["is_exact"].get_bool().value());
}

TEST_F(PlanCommandTest, SplitsVariantsAndNamesNewConfigurations) {
    ok({"flag", "create", "p.test", "--status", "ab_test", "--variant", R"(a=50:{"m": 1})",
        "--variant", "b=50"});
    const auto plan =
        json({"flag", "plan", "p.test", "--variant", R"(a=20:{"m": 2})", "--variant", "b=80"});
    EXPECT_NEAR(plan["shares"]["side_to_side"].get_double().value(), 0.3, 1e-12);
    EXPECT_EQ(plan["new_configs"].at(0)["variant"].get_string().value(), "a");
    EXPECT_NEAR(plan["new_configs"].at(0)["share"].get_double().value(), 0.2, 1e-12);
    EXPECT_THAT(ok({"flag", "plan", "p.test", "--status", "disabled"}),
                HasSubstr("on -> off      100 %\n"));
}

TEST_F(PlanCommandTest, SaysWhetherARunningExperimentIsTouched) {
    ok({"flag", "create", "p.exp", "--status", "ab_test", "--rollout", "50", "--variant", "a=50",
        "--variant", "b=50"});
    ok({"experiment", "create", "--flag", "p.exp", "--name", "touched", "--metric", "conversion"});
    EXPECT_THAT(ok({"flag", "plan", "p.exp", "--rollout", "60"}),
                HasSubstr("experiment touched runs on this flag: no unit would change sides"));
    EXPECT_THAT(ok({"flag", "plan", "p.exp", "--salt", "x"}),
                HasSubstr("experiment touched runs on this flag: units would change sides"));
    const auto plan = json({"flag", "plan", "p.exp", "--rollout", "40"});
    EXPECT_TRUE(plan["is_new_phase_advisable"].get_bool().value());
    EXPECT_EQ(plan["experiments"].at(0).get_string().value(), "touched");
    EXPECT_THAT(ok({"flag", "plan", "p.exp", "--variant", R"(a=50:{"m": 1})", "--variant", "b=50"}),
                HasSubstr("would become something else under way; a new phase is advisable"));
    refused(1, {"flag", "plan", "p.exp", "--segments", R"({"bucketing":"xxh3","type":"random"})"});
}

TEST_F(PlanCommandTest, CountsUnitsOfTheLists) {
    ok({"flag", "create", "p.lists", "--status", "gradual_rollout", "--rollout", "0", "--include",
        "vip", "--include", "ada"});
    const std::string text =
        ok({"flag", "plan", "p.lists", "--include", "vip", "--exclude", "bob"});
    EXPECT_THAT(text, HasSubstr("p.lists: 0 % of all units"));
    EXPECT_THAT(text, HasSubstr("named units: 1 of 3 in include and exclude"));
    EXPECT_THAT(text, HasSubstr("  ada: on -> off\n"));
}

TEST_F(PlanCommandTest, SaysWhatAttributesDecideAndMeasuresItOverContexts) {
    ok({"flag", "create", "p.target", "--status", "enabled", "--segments",
        R"({"bucketing": "xxh3", "audience": [{"attribute": "plan", "operator": "IN", "values": ["pro"]}]})"});
    const std::vector<std::string> change{
        "flag", "plan", "p.target", "--segments",
        R"({"bucketing": "xxh3", "audience": [{"attribute": "plan", "operator": "IN", "values": ["pro", "team"]}]})"};
    const std::string unknown = ok(change);
    EXPECT_THAT(unknown, HasSubstr("not known: audience would change"));
    EXPECT_THAT(unknown, HasSubstr("of the units that reach the draw"));
    EXPECT_THAT(unknown, Not(HasSubstr("measured over")));
    std::vector<std::string> measured = change;
    measured.insert(measured.end(), {"--contexts", file(R"({"context": {"plan": "team"}}
{"flag": "ignored", "context": {"plan": "pro"}}
{"context": {"plan": "free"}}
{"context": {"plan": "team"}}
)")});
    EXPECT_THAT(ok(measured), HasSubstr("measured over 4 contexts"));
    const auto plan = json(measured);
    EXPECT_EQ(plan["measured"]["contexts"].get_uint64().value(), 4U);
    EXPECT_DOUBLE_EQ(plan["measured"]["shares"]["off_to_on"].get_double().value(), 0.5);
}

TEST_F(PlanCommandTest, AVariantCalledOffIsNotOff) {
    ok({"flag", "create", "p.named", "--status", "ab_test", "--rollout", "100", "--variant",
        "off=50", "--variant", "new=50", "--include", "vip"});
    ok({"experiment", "create", "--flag", "p.named", "--name", "named", "--metric", "conversion"});
    std::string contexts;
    for (int unit = 0; unit < 32; ++unit) {  // that "off" is drawn for none of them: once in 2^32
        contexts += R"({"context": {"user_id": )" + std::to_string(unit) + "}}\n";
    }
    const auto plan =
        json({"flag", "plan", "p.named", "--status", "disabled", "--contexts", file(contexts)});
    EXPECT_DOUBLE_EQ(plan["measured"]["shares"]["on_to_off"].get_double().value(), 1);
    EXPECT_EQ(plan["named_units"]["changed"].get_array().size(), 1U);
    EXPECT_TRUE(plan["is_new_phase_advisable"].get_bool().value());
}

TEST_F(PlanCommandTest, ABadContextIsNamedByItsLine) {
    ok({"flag", "create", "p.bad", "--status", "enabled"});
    EXPECT_THAT(refused(1, {"flag", "plan", "p.bad", "--status", "disabled", "--contexts",
                            file("{\"context\": {}}\n{\"context\": 1}\n")}),
                HasSubstr("line 2: context is no object"));
    refused(1, {"flag", "plan", "p.bad", "--status", "disabled", "--contexts", file("")});
}

TEST_F(PlanCommandTest, RefusesWhatTheChangeWouldRefuse) {
    ok({"flag", "create", "p.refused"});
    refused(1, {"flag", "plan", "p.refused", "--status", "ab_test"});
    refused(2, {"flag", "plan", "p.refused"});
    refused(1, {"flag", "plan", "p.refused", "--segments",
                R"({"bucketing": "xxh3", "audience": [{"segment": "nowhere"}]})", "--status",
                "enabled"});
    EXPECT_THAT(refused(3, {"flag", "plan", "p.refusd", "--rollout", "5"}),
                HasSubstr("did you mean \"p.refused\"?"));
}

}  // namespace
}  // namespace burgee::test
