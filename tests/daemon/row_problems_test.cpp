// Promise: a problem stands exactly until its row, or the experiments, are read again, is there
// once, and is logged once with what it means. Method: polls made by hand; a log kept in memory.
#include "daemon/row_problems.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>

#include "sync/flag_check.hpp"
#include "sync/segment_rows.hpp"

namespace burgee::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Problems = std::vector<FlagProblem>;

FlagProblem problem_of(const std::string& flag, const std::string& field) {
    return {flag, field, "is wrong", true};
}

FlagChanges poll_with(const Problems& problems) {
    FlagChanges changes;
    changes.problems = problems;
    return changes;
}

std::string logged(const Problems& problems, const Problems& before = {},
                   const SnapshotBuilder& builder = SnapshotBuilder{}) {
    std::ostringstream text;
    const auto previous = spdlog::default_logger();
    const auto sink = std::make_shared<spdlog::sinks::ostream_sink_st>(text);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
    spdlog::set_pattern("%v");
    log_new_problems(problems, before, builder);
    spdlog::set_default_logger(previous);
    return text.str();
}

TEST(RowProblemsTest, AProblemStandsUntilItsRowIsReadAgain) {
    Problems problems;
    replace_row_problems(problems, poll_with({problem_of("a", "name"), problem_of("b", "name")}));
    FlagChanges changes;
    changes.refused = {"a"};
    changes.problems = {problem_of("a", "status")};
    replace_row_problems(problems, changes);
    EXPECT_THAT(problems, ElementsAre(problem_of("b", "name"), problem_of("a", "status")));
    FlagChanges everything;
    everything.is_full = true;
    replace_row_problems(problems, everything);
    EXPECT_THAT(problems, IsEmpty());
}

TEST(RowProblemsTest, AProblemOfALongNameGoesWithIt) {
    const std::string name(200, 'n');
    const std::string shown = sync::shown_name(name);
    ASSERT_NE(shown, name);
    Problems problems{problem_of(shown, "name"), problem_of(sync::shown_segment(name), "name")};
    FlagChanges changes;
    changes.changed.emplace_back().name = name;
    changes.removed_segments = {name};
    replace_row_problems(problems, changes);
    EXPECT_THAT(problems, IsEmpty());
}

TEST(RowProblemsTest, ProblemsOfExperimentsAreReplacedTogether) {
    const FlagProblem first = problem_of("a", "experiment \"x\"");
    const FlagProblem second = problem_of("b", "experiment \"y\"");
    Problems problems{problem_of("c", "name")};
    const auto read_experiments = [&](Problems found) {
        FlagChanges changes = poll_with(std::move(found));
        changes.are_experiments_read = true;
        replace_row_problems(problems, changes);
    };
    read_experiments({first, second});
    read_experiments({second});
    read_experiments({second});
    EXPECT_THAT(problems, ElementsAre(problem_of("c", "name"), second));
    read_experiments({});
    EXPECT_THAT(problems, ElementsAre(problem_of("c", "name")));
}

TEST(RowProblemsTest, AProblemOfAnExperimentOutlivesItsFlagsRow) {
    const FlagProblem of_experiment = problem_of("a", "experiment \"x\"");
    Problems problems{of_experiment, problem_of("a", "status")};
    FlagChanges changes;
    changes.changed.emplace_back().name = "a";
    replace_row_problems(problems, changes);
    EXPECT_THAT(problems, ElementsAre(of_experiment));
}

TEST(RowProblemsTest, AnEqualProblemIsThereOnce) {
    Problems problems;
    const FlagProblem held = problem_of("a", "row");
    replace_row_problems(problems, poll_with({held, held}));
    replace_row_problems(problems, poll_with({held}));
    EXPECT_THAT(problems, ElementsAre(held));
}

TEST(RowProblemsTest, LogsWhatIsNewAndWhatItMeans) {
    SnapshotBuilder builder;
    FlagChanges changes;
    changes.is_full = true;
    FlagDefinition& flag = changes.changed.emplace_back();
    flag.name = "there";
    flag.salt = "there";
    builder.apply(changes);
    ASSERT_TRUE(builder.contains("there"));
    const FlagProblem old = problem_of("old", "name");
    FlagProblem warning = problem_of("there", "metadata");
    warning.is_refused = false;
    EXPECT_EQ(logged({old, problem_of("there", "status"), warning, problem_of("gone", "status"),
                      problem_of(sync::shown_segment("beta"), "constraints")},
                     {old}, builder),
              "flag there: status: is wrong (its last valid form stays)\n"
              "flag there: metadata: is wrong\n"
              "flag gone: status: is wrong (it is not published)\n"
              "segment beta: constraints: is wrong\n");
}

TEST(RowProblemsTest, LogsNoMoreThanItMay) {
    Problems problems;
    for (std::size_t number = 0; number < kLoggedProblemsMax + 7; ++number) {
        problems.push_back(problem_of("flag" + std::to_string(number), "name"));
    }
    const std::string text = logged(problems);
    EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')),
              kLoggedProblemsMax + 1);
    EXPECT_THAT(text, ::testing::EndsWith("7 more problems: burgee flag problems\n"));
}

}  // namespace
}  // namespace burgee::daemon
