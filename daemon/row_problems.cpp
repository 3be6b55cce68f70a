#include "daemon/row_problems.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include <spdlog/spdlog.h>

#include "sync/flag_check.hpp"
#include "sync/segment_rows.hpp"

namespace burgee::daemon {
namespace {

using ProblemKey = std::tuple<std::string_view, std::string_view, std::string_view, bool>;

ProblemKey key_of(const FlagProblem& problem) {
    return {problem.flag, problem.field, problem.message, problem.is_refused};
}

std::set<ProblemKey> keys_of(const std::vector<FlagProblem>& problems) {
    std::set<ProblemKey> keys;
    for (const FlagProblem& problem : problems) {
        keys.insert(key_of(problem));
    }
    return keys;
}

/// Such problems are found together, for all experiments at once, and not with the flag's row.
bool is_of_experiment(const FlagProblem& problem) {
    return problem.field.starts_with("experiment");
}

/// The flags and segments whose rows `changes` has read, as problems call them.
std::set<std::string> shown_names_of(const FlagChanges& changes) {
    std::set<std::string> names;
    for (const auto* flags : {&changes.removed, &changes.refused}) {
        for (const std::string& name : *flags) {
            names.insert(sync::shown_name(name));
        }
    }
    for (const FlagDefinition& flag : changes.changed) {
        names.insert(sync::shown_name(flag.name));
    }
    for (const SegmentDefinition& segment : changes.segments) {
        names.insert(sync::shown_segment(segment.name));
    }
    for (const auto* segments : {&changes.removed_segments, &changes.refused_segments}) {
        for (const std::string& name : *segments) {
            names.insert(sync::shown_segment(name));
        }
    }
    return names;
}

/// Those of `problems` that are not among `before`, each once.
std::vector<FlagProblem> new_problems(const std::vector<FlagProblem>& problems,
                                      const std::vector<FlagProblem>& before) {
    std::set<ProblemKey> seen = keys_of(before);
    std::vector<FlagProblem> news;
    for (const FlagProblem& problem : problems) {
        if (seen.insert(key_of(problem)).second) {
            news.push_back(problem);
        }
    }
    return news;
}

/// A line for the log. Only of flags it says what follows: what a segment's refusal means, its
/// flags say.
std::string problem_line(const FlagProblem& problem, const SnapshotBuilder& builder) {
    const std::string said = problem.flag + ": " + problem.field + ": " + problem.message;
    const bool is_published = builder.contains(problem.flag);
    if (!is_published && problem.flag.starts_with("segment ")) {
        return said;
    }
    const char* const consequence = !problem.is_refused ? ""
                                    : is_published      ? " (its last valid form stays)"
                                                        : " (it is not published)";
    return "flag " + said + consequence;
}

}  // namespace

void replace_row_problems(std::vector<FlagProblem>& problems, const FlagChanges& changes) {
    const std::set<std::string> read_again = shown_names_of(changes);
    std::erase_if(problems, [&](const FlagProblem& problem) {
        return changes.is_full || (is_of_experiment(problem) ? changes.are_experiments_read
                                                             : read_again.contains(problem.flag));
    });
    const std::vector<FlagProblem> added = new_problems(changes.problems, problems);
    problems.insert(problems.end(), added.begin(), added.end());
}

void log_new_problems(const std::vector<FlagProblem>& problems,
                      const std::vector<FlagProblem>& before, const SnapshotBuilder& builder) {
    const std::vector<FlagProblem> news = new_problems(problems, before);
    const std::size_t logged = std::min(news.size(), kLoggedProblemsMax);
    for (std::size_t index = 0; index < logged; ++index) {
        spdlog::warn("{}", problem_line(news[index], builder));
    }
    if (news.size() > logged) {
        spdlog::warn("{} more problems: burgee flag problems", news.size() - logged);
    }
}

}  // namespace burgee::daemon
