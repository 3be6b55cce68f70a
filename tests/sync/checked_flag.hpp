#pragma once

// One good row, spoiled by a test in one place at a time, and what the check makes of it.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sync/flag_check.hpp"

namespace burgee::test {

class CheckedFlag {
public:
    sync::RawFlag row = [] {
        sync::RawFlag good;
        good.name = "search.enhanced";
        good.status = "gradual_rollout";
        good.rollout_percentage = "25";
        good.segments = R"({"bucketing": "xxh3"})";
        good.variants = "[]";
        good.metadata = "{}";
        return good;
    }();
    sync::FlagSettings settings;

    sync::FlagVerdict check() const { return sync::check_flag(row, settings); }

    /// The flag of a row that must be good.
    FlagDefinition accepted() const {
        sync::FlagVerdict verdict = check();
        EXPECT_TRUE(verdict.flag.has_value()) << row.segments.value_or("NULL") << "\n"
                                              << sync::to_line(verdict.problems);
        return verdict.flag.value_or(FlagDefinition{});
    }

    void expect_silence() const {
        EXPECT_TRUE(accepted() == accepted() && check().problems.empty())
            << row.segments.value_or("NULL") << "\n"
            << sync::to_line(check().problems);
    }

    void expect_refused(const std::string& field, const std::string& words) const {
        EXPECT_FALSE(check().flag.has_value()) << row.segments.value_or("NULL");
        expect_problem(field, words, true);
    }

    void expect_warned(const std::string& field, const std::string& words) const {
        accepted();
        expect_problem(field, words, false);
    }

private:
    void expect_problem(const std::string& field, const std::string& words, bool is_refused) const {
        const std::vector<FlagProblem> problems = check().problems;
        const bool is_named = std::ranges::any_of(problems, [&](const FlagProblem& problem) {
            return problem.is_refused == is_refused && problem.field == field &&
                   problem.message.find(words) != std::string::npos;
        });
        EXPECT_TRUE(is_named) << row.segments.value_or("NULL") << "\nwanted " << field << ": "
                              << words << "\ngot " << sync::to_line(problems);
    }
};

}  // namespace burgee::test
