#pragma once

// Collects what is wrong with one flag or segment while it is being checked, and sets of it.

#include <cstddef>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "shm/flag_set.hpp"

namespace burgee::sync {

/// Refusals, and warnings, of one row that are shown; the last one says that there are more,
/// because a row may hold a million mistakes. Chosen by feel.
inline constexpr std::size_t kProblemsShownMax = 100;

/// An order for sets alone: by flag, field and message.
struct ProblemOrder {
    bool operator()(const FlagProblem& one, const FlagProblem& other) const {
        return std::tie(one.flag, one.field, one.message, one.is_refused) <
               std::tie(other.flag, other.field, other.message, other.is_refused);
    }
};
using ProblemSet = std::set<FlagProblem, ProblemOrder>;

class FlagProblems {
public:
    explicit FlagProblems(std::string shown_name) : flag_(std::move(shown_name)) {}

    /// From here on nothing may refuse the flag: refusals become warnings, and the caller replaces
    /// what it read by defaults.
    void tolerate() { is_tolerant_ = true; }

    /// The flag cannot be published as it stands.
    void refuse(std::string field, std::string message) {
        is_refused_ = true;
        add(refusals_, std::move(field), std::move(message), !is_tolerant_);
    }
    /// The flag is published; somebody should look.
    void warn(std::string field, std::string message) {
        add(warnings_, std::move(field), std::move(message), false);
    }
    /// refuse() or warn().
    void report(bool is_refusal, std::string field, std::string message) {
        if (is_refusal) {
            refuse(std::move(field), std::move(message));
        } else {
            warn(std::move(field), std::move(message));
        }
    }

    /// True when something was refused, tolerated or not.
    bool is_refused() const { return is_refused_; }
    /// False once further refusals are only counted: a hint for them would be wasted work.
    bool has_room() const { return refusals_ < kProblemsShownMax; }
    /// Changes with every refusal: tells whether a part of the row was good.
    std::size_t refusal_count() const { return refusals_; }
    std::vector<FlagProblem> take() { return std::move(list_); }

private:
    void add(std::size_t& count, std::string field, std::string message, bool is_refusal) {
        if (++count == kProblemsShownMax) {
            message += "; more is wrong with this row and not shown: correct these first";
        }
        if (count <= kProblemsShownMax) {
            list_.push_back({flag_, std::move(field), std::move(message), is_refusal});
        }
    }

    std::string flag_;
    std::vector<FlagProblem> list_;
    std::size_t refusals_ = 0;
    std::size_t warnings_ = 0;
    bool is_refused_ = false;
    bool is_tolerant_ = false;
};

}  // namespace burgee::sync
