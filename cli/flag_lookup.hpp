#pragma once

// A flag's name that does not exist is answered with the one that was probably meant.

#include <string>
#include <utility>

#include "cli/database.hpp"
#include "shm/suggestion.hpp"
#include "sync/flag_store.hpp"

namespace burgee::cli {

/// The names of all flags; none when they cannot be read, because this only serves a suggestion.
std::vector<std::string> flag_names(sync::PgSession& session);

/// As take(), but "not found" names the flag and suggests another.
template <class Value>
Value take_flag(sync::PgSession& session, sync::SyncResult<Value> result, const std::string& name) {
    if (result.has_error() && result.error().kind == sync::SyncErrorKind::kNotFound) {
        throw Failure(ExitCode::kNotFound,
                      result.error().message + did_you_mean(name, flag_names(session)));
    }
    return take(std::move(result));
}

}  // namespace burgee::cli
