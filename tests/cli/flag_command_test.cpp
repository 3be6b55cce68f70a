// Promise: flags are created, changed, looked at, restored and refused as the command says, each
// change in the history with its reason, each error with its exit code and one line.
// Method: the real program on a real PostgreSQL.

#include <fstream>

#include "tests/cli/command_line.hpp"

namespace burgee::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class FlagCommandTest : public CommandLineTest {};

TEST_F(FlagCommandTest, CreatesAFlagWithAllItsFields) {
    ok({"flag",
        "create",
        "full.flag",
        "--status",
        "ab_test",
        "--rollout",
        "40",
        "--variant",
        "control=50:{\"model\":\"gpt-3.5\"}",
        "--variant",
        "treatment=50:{\"model\":\"gpt-4\"}",
        "--include",
        "u1",
        "--include",
        "u2",
        "--exclude",
        "u3",
        "--salt",
        "pepper",
        "--description",
        "which model",
        "--metadata",
        "{\"team\":\"search\"}",
        "--expires",
        "2099-01-31T12:00:00Z",
        "--why",
        "a test"});
    const auto flag = json({"flag", "show", "full.flag"});
    EXPECT_EQ(flag["status"].get_string().value(), "ab_test");
    EXPECT_EQ(flag["rollout_percentage"].get_double().value(), 40);
    EXPECT_EQ(flag["description"].get_string().value(), "which model");
    EXPECT_EQ(flag["metadata"]["team"].get_string().value(), "search");
    EXPECT_THAT(std::string(flag["expires_at"].get_string().value()), HasSubstr("2099-01-31"));
    EXPECT_EQ(flag["segments"]["bucketing"].get_string().value(), "xxh3");
    EXPECT_EQ(flag["segments"]["salt"].get_string().value(), "pepper");
    EXPECT_EQ(flag["segments"]["include"].get_array().size(), 2U);
    EXPECT_EQ(flag["segments"]["exclude"].at(0).get_string().value(), "u3");
    EXPECT_EQ(flag["variants"].at(1)["name"].get_string().value(), "treatment");
    EXPECT_EQ(flag["variants"].at(1)["weight"].get_double().value(), 50);
    EXPECT_EQ(flag["variants"].at(1)["config_overrides"]["model"].get_string().value(), "gpt-4");

    const std::string text = ok({"flag", "show", "full.flag"});
    EXPECT_THAT(text, HasSubstr("description  which model\n"));
    EXPECT_THAT(text, HasSubstr("\"team\""));
    EXPECT_THAT(text, HasSubstr("2099-01-31"));
}

TEST_F(FlagCommandTest, AlwaysWritesTheBucketing) {
    ok({"flag", "create", "plain.flag"});
    const auto flag = json({"flag", "show", "plain.flag"});
    EXPECT_EQ(flag["segments"]["bucketing"].get_string().value(), "xxh3");
    EXPECT_EQ(flag["status"].get_string().value(), "disabled");
    ok({"flag", "create", "legacy.flag", "--segments", "{\"bucketing\":\"legacy_md5\"}"});
    EXPECT_EQ(json({"flag", "show", "legacy.flag"})["segments"]["bucketing"].get_string().value(),
              "legacy_md5");
}

TEST_F(FlagCommandTest, ListsInAlignedColumns) {
    ok({"flag", "create", "list.short", "--status", "enabled"});
    ok({"flag", "create", "list.quite.a.long.name", "--status", "gradual_rollout", "--rollout",
        "12.5"});
    const std::string table = ok({"flag", "list"});
    EXPECT_THAT(column(table, "NAME"), Contains("list.short"));
    EXPECT_THAT(column(table, "STATUS"), Contains("gradual_rollout"));
    EXPECT_THAT(table, HasSubstr("12.5%"));
    EXPECT_THAT(column(ok({"flag", "list", "-o", "wide"}), "EXPIRES"), Not(testing::IsEmpty()));
    const std::string names = ok({"flag", "list", "-o", "name", "--status", "gradual_rollout"});
    EXPECT_THAT(names, HasSubstr("list.quite.a.long.name\n"));
    EXPECT_THAT(names, Not(HasSubstr("list.short")));
    EXPECT_GE(json({"flag", "list"}).get_array().size(), 2U);
}

TEST_F(FlagCommandTest, ListsWhatCountsAndHowLongAgo) {
    ok({"flag", "create", "count.on", "--status", "enabled", "--rollout", "25"});
    ok({"flag", "create", "count.past", "--expires", "2001-01-01T00:00:00Z"});
    postgres().execute("alter table feature_flags disable trigger user");
    postgres().execute(
        "update feature_flags set updated_at = now() - interval '50 hours' where name = "
        "'count.on'");
    postgres().execute("alter table feature_flags enable trigger user");
    const std::string table = ok({"flag", "list"});
    const auto row = [&table](const std::string& name) {
        const std::size_t begin = table.find("\n" + name + " ") + 1;
        return table.substr(begin, table.find('\n', begin) - begin);
    };
    EXPECT_THAT(row("count.on"), testing::MatchesRegex("count.on +enabled +100%  - +2d  ok"));
    EXPECT_THAT(row("count.past"),
                testing::MatchesRegex("count.past +disabled +0%  - +[0-9]+s  expired"));
    const auto flag = json({"flag", "show", "count.on"});
    EXPECT_EQ(flag["rollout_percentage"].get_double().value(), 25);
    EXPECT_EQ(flag["updated_at"].get_string().value().size(), 24U);
    EXPECT_THAT(ok({"flag", "show", "count.on"}), HasSubstr("100% (enabled; 25% is stored"));
    EXPECT_THAT(refused(2, {"flag", "list", "--status", "enabeld"}),
                HasSubstr("did you mean \"enabled\"?"));
    EXPECT_THAT(burgee({"flag", "list", "--status", "canary"}).error,
                HasSubstr("no flag has status canary"));
}

TEST_F(FlagCommandTest, SetChangesWhatIsGivenAndLeavesTheRest) {
    ok({"flag", "create", "set.flag", "--status", "gradual_rollout", "--rollout", "5",
        "--description", "stays", "--exclude", "u9", "--expires", "2099-01-01T00:00:00Z"});
    ok({"flag", "set", "set.flag", "--rollout", "50", "--include", "u1", "--why", "more"});
    auto flag = json({"flag", "show", "set.flag"});
    EXPECT_EQ(flag["rollout_percentage"].get_double().value(), 50);
    EXPECT_EQ(flag["description"].get_string().value(), "stays");
    EXPECT_EQ(flag["segments"]["include"].at(0).get_string().value(), "u1");
    EXPECT_EQ(flag["segments"]["exclude"].at(0).get_string().value(), "u9");
    EXPECT_EQ(flag["segments"]["bucketing"].get_string().value(), "xxh3");
    ok({"flag", "set", "set.flag", "--expires", "never"});
    EXPECT_TRUE(json({"flag", "show", "set.flag"})["expires_at"].is_null());
}

TEST_F(FlagCommandTest, AnEmptyUnitEmptiesAList) {
    ok({"flag", "create", "listed", "--include", "anna", "--include", "berta", "--exclude",
        "carl"});
    ok({"flag", "set", "listed", "--include", ""});
    EXPECT_EQ(postgres().value("select segments->>'include' || (segments->>'exclude') from "
                               "feature_flags where name = 'listed'"),
              "[][\"carl\"]");
    ok({"flag", "set", "listed", "--exclude", "", "--include", "dora"});
    EXPECT_EQ(postgres().value("select segments->>'include' || (segments->>'exclude') from "
                               "feature_flags where name = 'listed'"),
              "[\"dora\"][]");
}

TEST_F(FlagCommandTest, AKillWaitsForNobodyWhereNoDaemonIsAlive) {
    ok({"flag", "create", "killed.alone", "--status", "enabled"});
    // Were it to wait, the test's time would be over first.
    const std::string line =
        refused(4, {"flag", "kill", "killed.alone", "--why", "a test", "--timeout", "86400"});
    EXPECT_THAT(line, HasSubstr("killed.alone is disabled in the database (revision "));
    EXPECT_THAT(line, HasSubstr("is burgeed running"));
    EXPECT_EQ(postgres().value("select status from feature_flags where name = 'killed.alone'"),
              "disabled");
}

TEST_F(FlagCommandTest, ReadsVariantsFromAFile) {
    const std::string path = directory() + "/variants.json";
    std::ofstream(path) << R"([{"name":"a","weight":10},{"name":"b","weight":90}])";
    ok({"flag", "create", "file.flag", "--status", "ab_test", "--variants", "@" + path});
    EXPECT_EQ(json({"flag", "show", "file.flag"})["variants"].at(1)["name"].get_string().value(),
              "b");
    EXPECT_THAT(refused(3, {"flag", "set", "file.flag", "--variants", "@/no/such/file"}),
                HasSubstr("/no/such/file"));
}

TEST_F(FlagCommandTest, KeepsEveryChangeWithItsReason) {
    ok({"flag", "create", "audit.flag", "--why", "because one"});
    ok({"flag", "enable", "audit.flag", "--why", "because two"});
    ok({"flag", "disable", "audit.flag"});
    ok({"flag", "delete", "audit.flag", "--why", "because four"});
    const std::string table = ok({"flag", "history", "audit.flag"});
    EXPECT_THAT(column(table, "WHY"),
                ElementsAre("because four", "-", "because two", "because one"));
    EXPECT_THAT(table, HasSubstr("status: disabled -> enabled"));
    const auto entries = json({"flag", "history", "audit.flag"});
    EXPECT_TRUE(entries.at(0)["after"].is_null());
    EXPECT_TRUE(entries.at(3)["before"].is_null());
    EXPECT_EQ(entries.at(2)["why"].get_string().value(), "because two");
    EXPECT_EQ(entries.at(2)["after"]["status"].get_string().value(), "enabled");
}

TEST_F(FlagCommandTest, RollbackRestoresTheLastStateAndDeletedFlags) {
    ok({"flag", "create", "back.flag", "--status", "gradual_rollout", "--rollout", "10"});
    ok({"flag", "set", "back.flag", "--rollout", "90"});
    ok({"flag", "rollback", "back.flag", "--why", "too much"});
    EXPECT_EQ(json({"flag", "show", "back.flag"})["rollout_percentage"].get_double().value(), 10);
    ok({"flag", "delete", "back.flag"});
    EXPECT_THAT(refused(3, {"flag", "show", "back.flag"}), HasSubstr("back.flag"));
    ok({"flag", "rollback", "back.flag", "--why", "still needed"});
    const auto flag = json({"flag", "show", "back.flag"});
    EXPECT_EQ(flag["rollout_percentage"].get_double().value(), 10);
    EXPECT_EQ(flag["status"].get_string().value(), "gradual_rollout");
}

TEST_F(FlagCommandTest, RollbackToARevisionWritesANewOne) {
    ok({"flag", "create", "revisions.flag", "--status", "gradual_rollout", "--rollout", "1"});
    const std::uint64_t first = revision_of("revisions.flag");
    ok({"flag", "set", "revisions.flag", "--rollout", "2"});
    ok({"flag", "set", "revisions.flag", "--rollout", "3"});
    const std::uint64_t third = revision_of("revisions.flag");
    ok({"flag", "rollback", "revisions.flag", "--to", std::to_string(first)});
    EXPECT_EQ(json({"flag", "show", "revisions.flag"})["rollout_percentage"].get_double().value(),
              1);
    EXPECT_GT(revision_of("revisions.flag"), third);
    EXPECT_THAT(refused(3, {"flag", "rollback", "revisions.flag", "--to", "999999"}),
                HasSubstr("999999"));
    refused(2, {"flag", "rollback", "revisions.flag", "--to", "0"});
    refused(2, {"flag", "rollback", "revisions.flag", "--to", "yesterday"});
}

TEST_F(FlagCommandTest, AnswersAMistypedNameWithTheRightOne) {
    ok({"flag", "create", "search.enhanced"});
    for (const char* verb : {"show", "enable", "disable", "delete", "history", "kill"}) {
        EXPECT_THAT(refused(3, {"flag", verb, "search.enhansed"}),
                    HasSubstr("did you mean \"search.enhanced\"?"));
    }
    EXPECT_THAT(refused(3, {"flag", "set", "search.enhansed", "--rollout", "1"}),
                HasSubstr("did you mean \"search.enhanced\"?"));
}

TEST_F(FlagCommandTest, RefusesWhatCouldNotBePublishedAndStoresNothing) {
    using Words = std::vector<std::string>;
    const std::vector<std::pair<int, Words>> bad{
        {2, {"--rollout", "101"}},
        {2, {"--rollout", "-1"}},
        {2, {"--rollout", "nan"}},
        {1, {"--status", "ab_test"}},
        {1, {"--status", "ab_test", "--variant", "a=50", "--variant", "b=49"}},
        {1, {"--status", "ab_test", "--variant", "a=50", "--variant", "a=50"}},
        {1, {"--status", "enabled", "--segments", "{\"colour\":\"red\"}"}},
        {2, {"--segments", "{\"bucketing\":"}},
        {2, {"--metadata", "no json"}},
        {2, {"--expires", "someday"}},
    };
    for (const auto& [code, options] : bad) {
        Words words{"flag", "create", "bad.flag"};
        words.insert(words.end(), options.begin(), options.end());
        refused(code, words);
        refused(3, {"flag", "show", "bad.flag"});
    }
    EXPECT_THAT(refused(2, {"flag", "create", std::string(300, 'x')}), HasSubstr("300 bytes"));
    EXPECT_THAT(refused(2, {"flag", "create", ""}), HasSubstr("empty"));
}

TEST_F(FlagCommandTest, SaysInItsOwnWordsWhatTheServerWouldRefuse) {
    const auto line = [](const std::vector<std::string>& options) {
        std::vector<std::string> words{"flag", "create", "worded.flag"};
        words.insert(words.end(), options.begin(), options.end());
        const std::string text = refused(2, words);
        EXPECT_THAT(text, Not(HasSubstr("SQLSTATE"))) << text;
        EXPECT_THAT(text, Not(HasSubstr("invalid input syntax"))) << text;
        return text;
    };
    EXPECT_THAT(line({"--metadata", "x"}), HasSubstr("--metadata is not a JSON object"));
    EXPECT_THAT(line({"--metadata", "[1]"}), HasSubstr("is not a JSON object"));
    EXPECT_THAT(line({"--metadata", R"({"a":"\u0000"})"}), HasSubstr("\\u0000"));
    EXPECT_THAT(line({"--variants", "{}"}), HasSubstr("--variants is not a JSON array"));
    EXPECT_THAT(line({"--variant", "a=nan", "--variant", "b=50"}), HasSubstr("not a number"));
    EXPECT_THAT(line({"--variant", "a=101"}), HasSubstr("out of range"));
    EXPECT_THAT(line({"--variant", "a=50:{\"m\":}"}), HasSubstr("configuration is not a JSON"));
    EXPECT_THAT(line({"--expires", "someday"}), HasSubstr("2027-01-31T12:00:00Z, or never"));
    EXPECT_THAT(line({"--why", "caf\xe9"}), HasSubstr("not UTF-8"));
    const std::string path = directory() + "/latin1.json";
    std::ofstream(path) << "{\"a\":\"caf\xe9\"}";
    EXPECT_THAT(line({"--metadata", "@" + path}), HasSubstr("latin1.json is not UTF-8"));
}

TEST_F(FlagCommandTest, WarnsOfWhatMeansNothing) {
    const auto talk = [](const std::vector<std::string>& words) {
        const ChildOutcome outcome = burgee(words);
        EXPECT_EQ(outcome.exit.code, 0) << outcome.error;
        return outcome.error;
    };
    EXPECT_THAT(talk({"flag", "create", "idle.flag", "--status", "enabled", "--rollout", "25"}),
                HasSubstr("--rollout 25 means nothing"));
    EXPECT_THAT(talk({"flag", "set", "idle.flag", "--rollout", "30"}),
                HasSubstr("--rollout 30 means nothing"));
    EXPECT_THAT(talk({"flag", "set", "idle.flag", "--variant", "a=50", "--variant", "b=50"}),
                HasSubstr("variants mean nothing"));
    EXPECT_THAT(
        talk({"flag", "set", "idle.flag", "--status", "gradual_rollout", "--rollout", "30"}),
        Not(HasSubstr("means nothing")));
    EXPECT_THAT(talk({"flag", "create", "past.flag", "--expires", "2001-01-01T00:00:00Z"}),
                HasSubstr("past.flag: expires_at has passed"));
    EXPECT_THAT(talk({"flag", "create", "future.flag", "--expires", "2099-01-01T00:00:00Z"}),
                Not(HasSubstr("has passed")));
    EXPECT_EQ(talk({"flag", "set", "idle.flag", "--rollout", "31", "-o", "json"}), "");
}

TEST_F(FlagCommandTest, RefusesACommandLineThatMakesNoSense) {
    ok({"flag", "create", "twice.flag"});
    EXPECT_THAT(refused(1, {"flag", "create", "twice.flag"}), HasSubstr("twice.flag"));
    EXPECT_THAT(refused(2, {"flag", "set", "twice.flag"}), HasSubstr("nothing to change"));
    EXPECT_THAT(refused(2, {"flag", "set", "twice.flag", "--variant", "half"}),
                HasSubstr("NAME=WEIGHT"));
    refused(2, {"flag", "set", "twice.flag", "--variant", "a=1", "--variants", "[]"});
    refused(2, {"flag", "create", "other.flag", "--status", "on"});
    EXPECT_THAT(refused(2, {"flag", "lst"}), HasSubstr("did you mean \"list\"?"));
}

TEST_F(FlagCommandTest, NamesTheProblemsOfRowsThatOthersWrote) {
    postgres().execute(
        "insert into feature_flags (name, status, segments) "
        "values ('broken.flag', 'enabled', '{\"colour\": 1}')");
    const std::string table = ok({"flag", "problems"});
    EXPECT_THAT(column(table, "FLAG"), Contains("broken.flag"));
    EXPECT_THAT(table, HasSubstr("colour"));
    EXPECT_GE(json({"flag", "problems"}).get_array().size(), 1U);
    EXPECT_THAT(ok({"flag", "problems", "-o", "name"}), HasSubstr("broken.flag\n"));
    const ChildOutcome list = burgee({"flag", "list"});
    EXPECT_THAT(column(list.output, "CHECK"), Contains("refused"));
    EXPECT_THAT(list.error, HasSubstr("1 flag is refused"));
    EXPECT_TRUE(json({"flag", "show", "broken.flag"})["is_refused"].get_bool().value());
    postgres().execute("delete from feature_flags where name = 'broken.flag'");
    EXPECT_THAT(column(ok({"flag", "list"}), "CHECK"), Not(Contains("refused")));
}

TEST_F(FlagCommandTest, SaysSoWhenThereIsNoDatabase) {
    const ChildOutcome outcome =
        burgee({"flag", "list", "--dsn", "host=/nonexistent dbname=x password=hunter2"});
    EXPECT_EQ(outcome.exit.code, 4);
    EXPECT_THAT(outcome.error, HasSubstr("/nonexistent"));
    EXPECT_THAT(outcome.error, Not(HasSubstr("hunter2")));
}

TEST_F(FlagCommandTest, AsksForTheMigrationsWhenTheyAreMissing) {
    postgres().execute("create database empty");
    const std::string dsn = postgres().dsn("postgres", "empty");
    EXPECT_THAT(refused(1, {"flag", "list", "--dsn", dsn}), HasSubstr("db migrate"));
    const std::string sql = ok({"db", "migrate", "--dry-run", "--dsn", dsn});
    EXPECT_THAT(sql, HasSubstr("CREATE TABLE"));
    EXPECT_THAT(refused(1, {"flag", "list", "--dsn", dsn}), HasSubstr("db migrate"));
    EXPECT_GT(json({"db", "migrate", "--dsn", dsn})["applied"].get_array().size(), 0U);
    EXPECT_EQ(json({"db", "migrate", "--dsn", dsn})["applied"].get_array().size(), 0U);
    EXPECT_EQ(json({"flag", "list", "--dsn", dsn}).get_array().size(), 0U);
}

}  // namespace
}  // namespace burgee::test
