// Translates sync's errors for people; the messages themselves come from sync, without passwords.

#include "cli/database.hpp"

namespace burgee::cli {
namespace {

// A value that is wrong by itself is the caller's mistake, also where only the server can tell.
constexpr const char* kNoTime[] = {"22007", "22008"};  // SQLSTATE: no time, or one out of range

ExitCode exit_code_of(const sync::SyncError& error) {
    if (error.sqlstate == kNoTime[0] || error.sqlstate == kNoTime[1]) {
        return ExitCode::kUsage;
    }
    switch (error.kind) {
        case sync::SyncErrorKind::kUnreachable:
        case sync::SyncErrorKind::kRefused:
        case sync::SyncErrorKind::kBusy:
            return ExitCode::kUnreachable;
        case sync::SyncErrorKind::kNotFound:
            return ExitCode::kNotFound;
        default:
            return ExitCode::kFailed;
    }
}

// What to do next, where the message from below cannot know that a person is typing.
const char* advice_for(sync::SyncErrorKind kind) {
    switch (kind) {
        case sync::SyncErrorKind::kUnreachable:
            return " (is PostgreSQL running, and is --dsn or BURGEE_DATABASE_DSN right?)";
        case sync::SyncErrorKind::kInDoubt:
            return " (it may or may not have happened: look before you repeat it)";
        default:
            return "";
    }
}

}  // namespace

sync::PgOptions database_options(const Terminal& terminal) {
    sync::PgOptions options;
    options.dsn = terminal.options().dsn;
    return options;
}

Failure failure_of(const sync::SyncError& error) {
    return Failure(exit_code_of(error), error.message + advice_for(error.kind));
}

}  // namespace burgee::cli
