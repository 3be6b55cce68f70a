#pragma once

// Collects what is wrong with one flag while it is being checked.

#include <string>
#include <utility>
#include <vector>

#include "shm/flag_set.hpp"

namespace burgee::sync {

class FlagProblems {
public:
    explicit FlagProblems(std::string shown_name) : flag_(std::move(shown_name)) {}

    /// From here on nothing may refuse the flag: refusals become warnings, and the caller replaces
    /// what it read by defaults.
    void tolerate() { is_tolerant_ = true; }

    /// The flag cannot be published as it stands.
    void refuse(std::string field, std::string message) {
        list_.push_back({flag_, std::move(field), std::move(message), !is_tolerant_});
        is_refused_ = true;
    }
    /// The flag is published; somebody should look.
    void warn(std::string field, std::string message) {
        list_.push_back({flag_, std::move(field), std::move(message), false});
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
    std::vector<FlagProblem> take() { return std::move(list_); }

private:
    std::string flag_;
    std::vector<FlagProblem> list_;
    bool is_refused_ = false;
    bool is_tolerant_ = false;
};

}  // namespace burgee::sync
