#pragma once

// What can go wrong between us and PostgreSQL, once for all of `sync`. Exceptions of libpqxx become
// one of these and never leave this folder. A message is one line, names what to do, and never
// holds a password.

#include <boost/system/result.hpp>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace burgee::sync {

enum class SyncErrorKind : std::uint8_t {
    kUnreachable,  ///< no server, or the connection broke before anything was committed: try again
    kRefused,      ///< the server answered no: password, role, database, pg_hba.conf
    kMissingSchema,  ///< a table of ours is not there: `burgee db migrate`
    kFutureSchema,   ///< the schema is newer than this program
    kConfiguration,  ///< rights or names (SQLSTATE classes 28, 3D, 42): somebody must act
    kBusy,           ///< locks, timeouts, shortages, read-only standby: try again later
    kRejected,       ///< the server refused a value (classes 22, 23)
    kInDoubt,        ///< the connection broke during COMMIT: it may or may not have happened
    kInvalid,        ///< our own check refused the input; nothing was written
    kNotFound,       ///< what was named does not exist
    kAlreadyExists,  ///< what should be created is there already
};

/// "unreachable", "refused": one word for logs and JSON.
std::string_view to_string(SyncErrorKind kind);

struct SyncError {
    SyncErrorKind kind = SyncErrorKind::kUnreachable;
    std::string sqlstate;  ///< five characters, or empty when the server did not answer
    std::string message;   ///< one line for people

    /// True when the same call may succeed later without anybody acting.
    bool is_transient() const {
        return kind == SyncErrorKind::kUnreachable || kind == SyncErrorKind::kBusy ||
               kind == SyncErrorKind::kInDoubt;
    }
};

template <class Value>
using SyncResult = boost::system::result<Value, SyncError>;

/// Carries a SyncError out of the body of a transaction; thrown and caught inside `sync` only.
class SyncFailure : public std::runtime_error {
public:
    explicit SyncFailure(SyncError failure)
        : std::runtime_error(failure.message), error(std::move(failure)) {}
    SyncFailure(SyncErrorKind kind, std::string message)
        : SyncFailure(SyncError{kind, "", std::move(message)}) {}

    SyncError error;
};

/// Found by boost::system::result::value(); only tests call value() without asking first.
[[noreturn]] inline void throw_exception_from_error(const SyncError& error,
                                                    const boost::source_location&) {
    throw SyncFailure(error);
}

/// What an error with this SQLSTATE means to us. `message` is PostgreSQL's text.
SyncError classify(std::string_view sqlstate, std::string_view message);

}  // namespace burgee::sync
