// Promise: a command line either becomes exactly one command with its values, or one line that says
// what is wrong and what was probably meant; then nothing has run.
// Method: two small commands of our own, read by the real grammar.

#include "cli/arguments.hpp"

#include <cstdlib>
#include <memory>

namespace burgee::cli {
namespace {

class ArgumentsTest : public testing::Test {
protected:
    void SetUp() override {
        ::unsetenv("BURGEE_DATABASE_DSN");
        ::unsetenv("BURGEE_SHM_DIRECTORY");
    }

    std::vector<Command> commands() {
        return {{"flag",
                 "create",
                 "Creates a flag",
                 {"burgee flag create a", "burgee flag create b --rollout 5"},
                 {{"NAME", &name_, "the name", true},
                  {"--rollout", &rollout_, "percent", false, {}, NumberRange{0, 100}},
                  {"--days", &days_, "days", false, {}, NumberRange{0, 10, true}},
                  {"--to", &revision_, "a revision", false, {}, NumberRange{1, 1e9}},
                  {"--file", &file_, "a file", false, {}, {}, true},
                  {"--status", &status_, "the status", false, {"enabled", "disabled"}},
                  {"--include", &include_, "a unit"},
                  {"--dry-run", &is_dry_, "changes nothing"}},
                 [](Terminal&) { return ExitCode::kOk; }},
                {"",
                 "status",
                 "Shows the state",
                 {"burgee status", "burgee status -o json"},
                 {},
                 [](Terminal&) { return ExitCode::kFailed; }}};
    }

    Invocation parse(const std::vector<std::string>& words) {
        return parse_arguments(words, commands());
    }

    std::string refusal(const std::vector<std::string>& words) {
        try {
            parse(words);
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), ExitCode::kUsage);
            EXPECT_EQ(std::string(failure.what()).find('\n'), std::string::npos);
            return failure.what();
        }
        return "accepted";
    }

    std::string name_;
    std::optional<double> rollout_;
    std::optional<double> days_;
    std::optional<std::int64_t> revision_;
    std::string file_;
    std::string status_;
    std::vector<std::string> include_;
    bool is_dry_ = false;
};

TEST_F(ArgumentsTest, FillsTheCommandsVariables) {
    parse({"flag", "create", "search", "--rollout", "12.5", "--status=enabled", "--include", "u1",
           "--include", "u2", "--dry-run"});
    EXPECT_EQ(name_, "search");
    EXPECT_EQ(rollout_, 12.5);
    EXPECT_EQ(status_, "enabled");
    EXPECT_THAT(include_, testing::ElementsAre("u1", "u2"));
    EXPECT_TRUE(is_dry_);
}

TEST_F(ArgumentsTest, LeavesOutWhatWasNotGiven) {
    parse({"flag", "create", "search"});
    EXPECT_EQ(rollout_, std::nullopt);
    EXPECT_TRUE(include_.empty());
}

TEST_F(ArgumentsTest, AnOptionTakesOneValueSoThatNamesMayFollow) {
    parse({"flag", "create", "--include", "u1", "search"});
    EXPECT_EQ(name_, "search");
    EXPECT_THAT(include_, testing::ElementsAre("u1"));
}

TEST_F(ArgumentsTest, RunsTheChosenCommand) {
    Terminal terminal{GlobalOptions{}};
    EXPECT_EQ(parse({"status"}).run(terminal), ExitCode::kFailed);
    EXPECT_EQ(parse({"flag", "create", "x"}).run(terminal), ExitCode::kOk);
}

TEST_F(ArgumentsTest, TakesGlobalOptionsOnEitherSide) {
    for (const auto& words :
         {std::vector<std::string>{"-o", "json", "--dsn", "host=a", "status"},
          std::vector<std::string>{"status", "--dsn=host=a", "--output=json"}}) {
        const Invocation invocation = parse(words);
        EXPECT_EQ(invocation.options.format, Format::kJson);
        EXPECT_EQ(invocation.options.dsn, "host=a");
    }
}

TEST_F(ArgumentsTest, PrefersOptionsToTheEnvironmentToTheDefaults) {
    EXPECT_EQ(parse({"status"}).options.directory, "/run/burgee");
    ::setenv("BURGEE_SHM_DIRECTORY", "/tmp/elsewhere", 1);
    ::setenv("BURGEE_DATABASE_DSN", "host=b", 1);
    EXPECT_EQ(parse({"status"}).options.directory, "/tmp/elsewhere");
    EXPECT_EQ(parse({"status"}).options.dsn, "host=b");
    EXPECT_EQ(parse({"status", "--directory", "/tmp/third"}).options.directory, "/tmp/third");
}

TEST_F(ArgumentsTest, SuggestsWhatWasMeant) {
    EXPECT_THAT(refusal({"flga", "create"}), testing::HasSubstr("did you mean \"flag\"?"));
    EXPECT_THAT(refusal({"flag", "craete", "x"}), testing::HasSubstr("did you mean \"create\"?"));
    EXPECT_THAT(refusal({"flag", "create", "x", "--rolout", "5"}),
                testing::HasSubstr("did you mean \"--rollout\"?"));
    EXPECT_THAT(refusal({"-o", "json", "statsu"}), testing::HasSubstr("did you mean \"status\"?"));
}

TEST_F(ArgumentsTest, RefusesWhatMakesNoCommand) {
    EXPECT_THAT(refusal({}), testing::HasSubstr("burgee --help"));
    EXPECT_THAT(refusal({"flag"}), testing::HasSubstr("--help"));
    EXPECT_THAT(refusal({"flag", "create"}), testing::HasSubstr("NAME"));
    EXPECT_THAT(refusal({"flag", "create", "x", "y"}), testing::HasSubstr("y"));
    EXPECT_THAT(refusal({"flag", "create", "x", "--rollout", "many"}),
                testing::HasSubstr("--rollout"));
    EXPECT_THAT(refusal({"flag", "create", "x", "--status", "on"}), testing::HasSubstr("disabled"));
    EXPECT_THAT(refusal({"status", "-o", "yaml"}), testing::HasSubstr("json"));
}

TEST_F(ArgumentsTest, RefusesNumbersThatMakeNoSenseByThemselves) {
    const auto refused = [this](const char* option, const char* number) {
        return refusal({"flag", "create", "x", option, number});
    };
    EXPECT_EQ(refused("--rollout", "100"), "accepted");
    EXPECT_EQ(refused("--rollout", "0"), "accepted");
    EXPECT_THAT(refused("--rollout", "100.001"), testing::HasSubstr("at least 0 and at most 100"));
    EXPECT_THAT(refused("--rollout", "-1"), testing::HasSubstr("--rollout"));
    EXPECT_THAT(refused("--rollout", "nan"), testing::HasSubstr("\"nan\" is not a number"));
    EXPECT_THAT(refused("--rollout", "inf"), testing::HasSubstr("is not a number"));
    EXPECT_THAT(refused("--rollout", "25%"), testing::HasSubstr("\"25%\" is not a number"));
    EXPECT_THAT(refused("--days", "0"), testing::HasSubstr("more than 0"));
    EXPECT_EQ(refused("--days", "0.5"), "accepted");
    EXPECT_EQ(refused("--to", "1"), "accepted");
    EXPECT_THAT(refused("--to", "0"), testing::HasSubstr("out of range"));
    EXPECT_THAT(refused("--to", "1.5"), testing::HasSubstr("is not a whole number"));
}

TEST_F(ArgumentsTest, SuggestsTheChoiceThatWasMeant) {
    EXPECT_THAT(refusal({"flag", "create", "x", "--status", "enabeld"}),
                testing::HasSubstr("did you mean \"enabled\"?"));
    EXPECT_THAT(refusal({"status", "-o", "jsno"}), testing::HasSubstr("did you mean \"json\"?"));
}

TEST_F(ArgumentsTest, RefusesTextThatIsNotUtf8ButTakesAnyPath) {
    EXPECT_THAT(refusal({"flag", "create", "caf\xe9"}), testing::HasSubstr("caf\\xe9"));
    EXPECT_THAT(refusal({"flag", "create", "x", "--include", "caf\xe9"}),
                testing::HasSubstr("is not UTF-8"));
    EXPECT_EQ(refusal({"flag", "create", "caf\xc3\xa9"}), "accepted");
    EXPECT_EQ(refusal({"flag", "create", "x", "--file", "/caf\xe9"}), "accepted");
}

TEST_F(ArgumentsTest, SaysHowToDoWithoutAConfigurationFile) {
    EXPECT_THAT(refusal({"status", "--config", "burgee.toml"}),
                testing::HasSubstr("BURGEE_DATABASE_DSN"));
}

TEST_F(ArgumentsTest, HelpShowsBothExamples) {
    const std::string help = parse({"flag", "create", "--help"}).printed;
    EXPECT_THAT(help, testing::HasSubstr("burgee flag create a\n"));
    EXPECT_THAT(help, testing::HasSubstr("burgee flag create b --rollout 5\n"));
    EXPECT_THAT(help, testing::HasSubstr("--rollout"));
    EXPECT_THAT(help, testing::HasSubstr("the status: enabled, disabled\n"));
    EXPECT_THAT(help, testing::HasSubstr("-o, --dsn and --directory"));
    const std::string of_noun = parse({"flag", "--help"}).printed;
    EXPECT_THAT(of_noun, testing::HasSubstr("Examples:\n  burgee flag list\n"));
    EXPECT_THAT(of_noun, testing::HasSubstr("create                      Creates a flag\n"));
    EXPECT_THAT(of_noun, testing::Not(testing::HasSubstr("burgee flag create a")));
    EXPECT_THAT(parse({"--help"}).printed, testing::HasSubstr("status"));
}

TEST_F(ArgumentsTest, EveryCommandsHelpHasTwoExamplesThatItCanRead) {
    const std::string help = parse_arguments({"--help"}, all_commands()).printed;
    EXPECT_THAT(help, testing::HasSubstr("Examples:\n  burgee "));
    for (const Command& command : all_commands()) {
        std::vector<std::string> words{command.verb, "--help"};
        if (!command.noun.empty()) {
            words.insert(words.begin(), command.noun);
        }
        const std::string own = parse_arguments(words, all_commands()).printed;
        for (const std::string& example : command.examples) {
            EXPECT_THAT(own, testing::HasSubstr("\n  " + example + "\n"));
        }
        EXPECT_NE(command.examples[0], command.examples[1]);
    }
}

TEST_F(ArgumentsTest, SaysWhatIsMissing) {
    EXPECT_THAT(refusal({}), testing::HasSubstr("add one of flag, status"));
    EXPECT_THAT(refusal({"flag"}), testing::HasSubstr("add one of create (see burgee"));
    EXPECT_THAT(refusal({"flag", "create", "x", "--rollout"}),
                testing::HasSubstr("--rollout needs a value"));
}

TEST_F(ArgumentsTest, SaysWhichBurgeeThisIs) {
    EXPECT_THAT(parse({"--version"}).printed,
                testing::MatchesRegex("burgee [0-9.]+ \\(git [a-z0-9]+, snapshot format 1\\)\n"));
}

}  // namespace
}  // namespace burgee::cli
