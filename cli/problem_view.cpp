#include "cli/problem_view.hpp"

namespace burgee::cli {

ListView<FlagProblem> problem_list_view() {
    ListView<FlagProblem> view;
    view.columns = {{"FLAG"}, {"EFFECT"}, {"FIELD"}, {"PROBLEM"}};
    view.name = [](const FlagProblem& problem) { return problem.flag; };
    view.cells = [](const FlagProblem& problem) {
        return std::vector<std::string>{problem.flag, problem.is_refused ? "refused" : "warning",
                                        problem.field, problem.message};
    };
    view.write = [](JsonWriter& json, const FlagProblem& problem) {
        json.begin_object().member("flag", problem.flag).member("field", problem.field);
        json.member("message", problem.message).member("is_refused", problem.is_refused);
        json.end_object();
    };
    return view;
}

}  // namespace burgee::cli
