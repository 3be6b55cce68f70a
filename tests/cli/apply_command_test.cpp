// Promise: `burgee flag export` gives the same bytes for the same state, `burgee flag apply` brings
// any database to that state in one transaction or refuses the whole document, and a row that is so
// already gets no line of history. Method: the real program on a real PostgreSQL; every case begins
// without flags.

#include <fstream>

#include "tests/cli/command_line.hpp"

namespace burgee::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class ApplyCommandTest : public CommandLineTest {
protected:
    void SetUp() override {
        postgres().value(
            "with a as (delete from feature_flags), b as (delete from burgee.segments),"
            " c as (delete from burgee.layers) select 1");
    }

    TemporaryDirectory files_;

    std::string file(const std::string& content) {
        const std::string path = files_.path() + "/flags.json";
        std::ofstream(path, std::ios::binary) << content;
        return path;
    }
    static std::string document(const std::string& lists) {
        return R"({"format": "burgee-flags/1", )" + lists + "}";
    }
    std::string applied(const std::string& text, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"flag", "apply", file(text)});
        return ok(more);
    }
    std::string not_applied(const std::string& text, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"flag", "apply", file(text)});
        const std::string before = traces();
        std::string line = refused(1, more);
        EXPECT_EQ(traces(), before);
        return line;
    }
    static std::string exported() { return ok({"flag", "export", "--all"}); }
    static std::string traces() {
        return postgres().value("select value from burgee.revision") + " " +
               postgres().value("select count(*) from burgee.flag_history");
    }

    /// One of everything.
    static void make_some() {
        postgres().value(
            "insert into burgee.segments (name, description, constraints) values ('staff', 'us',"
            " '[{\"attribute\": \"email\", \"operator\": \"STR_ENDS_WITH\","
            "    \"values\": [\"@example.com\"]}]') returning 1");
        postgres().value("insert into burgee.layers (name) values ('search') returning 1");
        ok({"flag", "create", "x.test", "--status", "ab_test", "--variant",
            R"(a=33.3:{"z": 1.50, "a": [1e2, 9007199254740993], "t": "é\u000a"})", "--variant",
            "b=66.7", "--description", "which one", "--metadata", R"({"team": "search"})",
            "--expires", "2099-01-31T13:00:00.25+01:00", "--segments",
            R"({"bucketing": "xxh3", "layer": {"name": "search"}})"});
        ok({"flag", "create", "x.On", "--status", "enabled", "--segments",
            R"({"bucketing": "xxh3", "salt": "s", "audience": [{"segment": "staff"}]})"});
        ok({"flag", "create", "x.half", "--status", "gradual_rollout", "--rollout", "0.0001"});
        postgres().value(
            "with gone as (insert into burgee.layer_slots (layer, slot, flag_id) select 'search',"
            " slot, id from feature_flags, generate_series(0, 9999) slot"
            " where name = 'x.test' and (slot < 100 or slot between 500 and 799)) select 1");
    }
};

TEST_F(ApplyCommandTest, ExportApplyExportGivesTheSameBytes) {
    make_some();
    const std::string first = exported();
    EXPECT_EQ(exported(), first);
    EXPECT_THAT(first, HasSubstr("\"expires_at\": \"2099-01-31T12:00:00.25Z\""));
    EXPECT_THAT(first, HasSubstr("9007199254740993"));
    EXPECT_THAT(first, HasSubstr("\"rollout_percentage\": 0.0001"));
    EXPECT_LT(first.find("x.On"), first.find("x.half")) << "by bytes, not by a language";
    EXPECT_THAT(first, Not(HasSubstr("created_at")));
    SetUp();
    EXPECT_EQ(exported(),
              "{\n  \"format\": \"burgee-flags/1\",\n  \"flags\": [],\n  \"segments\": [],\n"
              "  \"layers\": []\n}\n");
    EXPECT_THAT(applied(first, {"--why", "a copy"}), HasSubstr("created flag x.test\n"));
    EXPECT_EQ(exported(), first);
    EXPECT_EQ(postgres().value("select distinct why from burgee.flag_history where why = 'a copy'"),
              "a copy");
}

TEST_F(ApplyCommandTest, WhatIsSoAlreadyIsNotWritten) {
    make_some();
    const std::string text = exported();
    const std::string before = traces();
    EXPECT_EQ(applied(text),
              "unchanged: 3 flags, 1 segment, 1 layer\nthe database is as the file says\n");
    EXPECT_EQ(traces(), before);
}

TEST_F(ApplyCommandTest, ShowsEachFieldThatChangesAndTakesOneRevision) {
    make_some();
    ok({"flag", "create", "x.other"});
    const std::string change = document(
        R"("flags": [{"name": "x.half", "status": "gradual_rollout", "rollout_percentage": 5,
                      "segments": {"bucketing": "xxh3", "salt": "new"}},
                     {"name": "x.new", "status": "disabled"}])");
    const std::string before = traces();
    const std::string diff =
        "would change flag x.half\n"
        "  - rollout_percentage  0.0001\n"
        "  + rollout_percentage  5\n"
        "  + segments.salt       \"new\"\n"
        "would create flag x.new\n"
        "  + status              disabled\n"
        "  + rollout_percentage  0\n"
        "  + variants            []\n"
        "not in the file and left alone: 3 flags, 1 segment, 1 layer\n";
    EXPECT_EQ(applied(change, {"--dry-run"}), diff);
    EXPECT_EQ(traces(), before);
    const std::uint64_t revision =
        std::stoull(postgres().value("select value from burgee.revision"));
    EXPECT_THAT(applied(change),
                HasSubstr("applied (revision " + std::to_string(revision + 1) + ")\n"));
    EXPECT_EQ(revision_of("x.half"), revision_of("x.new"));
    EXPECT_EQ(revision_of("x.half"), revision + 1);
}

TEST_F(ApplyCommandTest, PruningDeletesTheRest) {
    make_some();
    const std::string one = document(R"("flags": [{"name": "x.half", "status": "disabled"}])");
    EXPECT_THAT(applied(one, {"--prune", "--dry-run"}), HasSubstr("would delete flag x.On\n"));
    const std::string text = applied(one, {"--prune"});
    EXPECT_THAT(text, HasSubstr("deleted flag x.test\n"));
    EXPECT_THAT(text, HasSubstr("deleted segment staff\n"));
    EXPECT_THAT(text, HasSubstr("deleted layer search\n"));
    EXPECT_EQ(postgres().value("select string_agg(name, ',') from feature_flags"), "x.half");
}

TEST_F(ApplyCommandTest, AnActiveExperimentKeepsItsFlagFromBeingPruned) {
    make_some();
    ok({"experiment", "create", "--flag", "x.test", "--name", "e", "--metric", "conversion"});
    EXPECT_THAT(not_applied(document(R"("flags": [])"), {"--prune"}),
                HasSubstr("has the active experiment \"e\""));
    const auto random_with_status = [](const std::string& status) {
        return document(R"("flags": [{"name": "x.test", "status": ")" + status + R"(",
            "rollout_percentage": 100, "segments": {"bucketing": "xxh3", "type": "random"},
            "variants": [{"name": "a", "weight": 50}, {"name": "b", "weight": 50}]}])");
    };
    EXPECT_THAT(not_applied(random_with_status("ab_test")),
                HasSubstr("in a flag with an active experiment"));
    applied(random_with_status("disabled"));
    refused(1, {"flag", "enable", "x.test"});
}

TEST_F(ApplyCommandTest, RefusesTheWholeFileForOneBadFlag) {
    const std::string line = not_applied(document(
        R"("flags": [{"name": "x.good", "status": "enabled"},
                     {"name": "x.bad", "status": "enabled", "rollout_percentage": 101},
                     {"name": "x.worse", "status": "enabled", "segments": {"audiense": []}}])"));
    EXPECT_THAT(line, HasSubstr("x.bad: rollout_percentage"));
    EXPECT_THAT(line, HasSubstr("x.worse: segments.audiense"));
    EXPECT_THAT(line, HasSubstr("did you mean \"audience\""));
    EXPECT_THAT(not_applied(document(R"("flags": [{"name": "x", "status": "enabled",
                    "segments": {"bucketing": "xxh3", "audience": [{"segment": "nowhere"}]}}])")),
                HasSubstr("nowhere"));
    EXPECT_THAT(not_applied(document(R"("flags": [
                    {"name": "x", "status": "enabled",
                     "segments": {"bucketing": "xxh3", "requires": [{"flag": "y", "enabled": true}]}},
                    {"name": "y", "status": "enabled",
                     "segments": {"bucketing": "xxh3", "requires": [{"flag": "x", "enabled": true}]}}])")),
                HasSubstr("x: segments.requires"));
    EXPECT_THAT(not_applied(document(R"("flags": [{"name": "x", "status": "enabled",
                                         "expires_at": "2027-99-01"}])")),
                HasSubstr("flag \"x\": expires_at is no time"));
}

TEST_F(ApplyCommandTest, ADocumentMayNotBreakFlagsItDoesNotName) {
    make_some();
    EXPECT_THAT(not_applied(document(R"("segments": [{"name": "staff",
                    "constraints": [{"segment": "staff"}]}])")),
                HasSubstr("staff"));
}

TEST_F(ApplyCommandTest, SlotsMoveBetweenFlagsAndStrangersKeepTheirs) {
    make_some();
    const auto layer = [](const std::string& owners) {
        return document(R"("flags": [{"name": "a", "status": "enabled"},
                                     {"name": "b", "status": "enabled"}],
                           "layers": [{"name": "search", "owners": [)" +
                        owners + "]}]");
    };
    applied(layer(R"({"flag": "a", "slots": [[100, 199]]}, {"flag": "b", "slots": [[200, 299]]})"));
    const std::string text = applied(
        layer(R"({"flag": "a", "slots": [[200, 299]]}, {"flag": "b", "slots": [[100, 199]]})"));
    EXPECT_THAT(text, HasSubstr("  - slots of a  100..199\n  + slots of a  200..299\n"));
    EXPECT_THAT(exported(), HasSubstr("[500, 799]")) << "x.test is not named and keeps its slots";
    EXPECT_THAT(not_applied(layer(R"({"flag": "a", "slots": [[799, 800]]})")),
                HasSubstr("slot 799 is for flag \"a\" and belongs to flag \"x.test\""));
    EXPECT_THAT(not_applied(layer(R"({"flag": "nobody", "slots": [[1000, 1000]]})")),
                HasSubstr("owner \"nobody\" is no flag"));
}

TEST_F(ApplyCommandTest, RefusesAnotherFormatUnknownKeysAndWhatIsNoJson) {
    EXPECT_THAT(not_applied(R"({"format": "burgee-flags/2"})"), HasSubstr("burgee-flags/1"));
    EXPECT_THAT(not_applied(document(R"("flags": [{"name": "x", "statsu": "enabled"}])")),
                HasSubstr("flags[0].statsu is not known; did you mean \"status\"?"));
    EXPECT_THAT(not_applied("{"), HasSubstr("is not JSON"));
    refused(3, {"flag", "apply", "/nonexistent"});
}

TEST_F(ApplyCommandTest, ExportsTheFlagsThatAreNamed) {
    make_some();
    const std::string text = ok({"flag", "export", "x.On", "x.half"});
    EXPECT_THAT(text, HasSubstr("\"name\": \"staff\""));
    EXPECT_THAT(text, Not(HasSubstr("x.test")));
    refused(2, {"flag", "export"});
    refused(2, {"flag", "export", "x.On", "--all"});
    EXPECT_THAT(refused(3, {"flag", "export", "x.on"}), HasSubstr("did you mean \"x.On\"?"));
}

TEST_F(ApplyCommandTest, JsonNamesEachActionAndField) {
    make_some();
    const auto result = json({"flag", "apply",
                              file(document(
                                  R"("flags": [{"name": "x.half", "status": "disabled",
                      "rollout_percentage": 0.0001, "segments": {"bucketing": "xxh3"}}])"))});
    EXPECT_TRUE(result["is_changed"].get_bool().value());
    const auto flag = result["flags"].at(1);
    EXPECT_EQ(flag["name"].get_string().value(), "x.half");
    EXPECT_EQ(flag["action"].get_string().value(), "changed");
    EXPECT_EQ(flag["changes"].at(0)["field"].get_string().value(), "status");
    EXPECT_EQ(result["flags"].at(0)["action"].get_string().value(), "kept");
}

}  // namespace
}  // namespace burgee::test
