// Every command of every noun, in the order of the help.

#include "cli/command.hpp"

namespace burgee::cli {

std::vector<Command> all_commands() {
    std::vector<Command> all;
    for (const auto& nouns :
         {flag_commands(),    flag_change_commands(), rebucket_commands(), plan_commands(),
          export_commands(),  apply_commands(),       lint_commands(),     segment_commands(),
          layer_commands(),   experiment_commands(),  results_commands(),  eval_commands(),
          explain_commands(), track_commands(),       status_commands(),   dump_commands(),
          spool_commands(),   db_commands(),          db_adopt_commands(), db_verify_commands(),
          doctor_commands()}) {
        all.insert(all.end(), nouns.begin(), nouns.end());
    }
    return all;
}

}  // namespace burgee::cli
