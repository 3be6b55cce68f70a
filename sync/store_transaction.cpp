#include "sync/store_transaction.hpp"

namespace burgee::sync {

void note_reason(PgTransaction& open, const std::string& why) {
    open.query("SELECT set_config('burgee.why', $1, true)", {why});
}

WrittenRevision take_revision(PgTransaction& open) {
    open.script("SET CONSTRAINTS ALL IMMEDIATE");
    const PgRows rows = open.query(
        "SELECT value, coalesce(transaction_id = pg_current_xact_id(), false) FROM "
        "burgee.revision");
    if (rows.empty()) {
        return {0, false};
    }
    return {static_cast<std::uint64_t>(rows.integer(0, 0)), rows.boolean(0, 1)};
}

}  // namespace burgee::sync
