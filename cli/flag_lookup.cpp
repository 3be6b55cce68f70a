// Asks the database for the names that exist, once somebody has named one that does not.

#include "cli/flag_lookup.hpp"

namespace burgee::cli {

std::vector<std::string> flag_names(sync::PgSession& session) {
    std::vector<std::string> names;
    const auto rows = sync::FlagStore(session).list();
    if (rows.has_value()) {
        for (const sync::FlagRow& row : *rows) {
            names.push_back(row.name);
        }
    }
    return names;
}

}  // namespace burgee::cli
