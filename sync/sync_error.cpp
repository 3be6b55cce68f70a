#include "sync/sync_error.hpp"

#include <algorithm>
#include <array>

namespace burgee::sync {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> choices) {
    return std::find(choices.begin(), choices.end(), text) != choices.end();
}

/// PostgreSQL 15, appendix A: the first two characters are the class.
SyncErrorKind kind_of(std::string_view sqlstate) {
    const std::string_view group = sqlstate.substr(0, 2);
    if (sqlstate.empty() || is_one_of(sqlstate, {"57P01", "57P02", "57P03"}) || group == "08") {
        return SyncErrorKind::kUnreachable;
    }
    if (sqlstate == "42P01" || sqlstate == "3F000") {
        return SyncErrorKind::kMissingSchema;
    }
    if (is_one_of(group, {"40", "53", "55", "57", "58"}) || sqlstate == "25006" ||
        sqlstate == "25P03") {
        return SyncErrorKind::kBusy;
    }
    if (is_one_of(group, {"22", "23"})) {
        return SyncErrorKind::kRejected;
    }
    return SyncErrorKind::kConfiguration;
}

}  // namespace

std::string_view to_string(SyncErrorKind kind) {
    static constexpr std::array<std::string_view, 11> kNames = {
        "unreachable", "refused",  "missing_schema", "future_schema", "configuration", "busy",
        "rejected",    "in_doubt", "invalid",        "not_found",     "already_exists"};
    return kNames.at(static_cast<std::size_t>(kind));
}

SyncError classify(std::string_view sqlstate, std::string_view message) {
    SyncError error{kind_of(sqlstate), std::string(sqlstate), std::string(message)};
    if (error.kind == SyncErrorKind::kMissingSchema) {
        error.message =
            "the tables of burgee are not in this database: run \"burgee db migrate\" (" +
            error.message + ")";
    } else if (sqlstate == "42501") {
        error.message += ": grant this login burgee_reader, burgee_writer or burgee_owner";
    } else if (sqlstate == "25006") {
        error.message +=
            ": this is a read-only standby; name the primary, or every host with "
            "target_session_attrs=read-write";
    }
    return error;
}

}  // namespace burgee::sync
