#pragma once

// Why the spool could not do what it was asked. Relied on by the ingest thread, which turns a cause
// into a refusal the client understands, and by `main`, which prints the message and exits.

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>

namespace burgee::daemon {

enum class SpoolErrorCode {
    kBadDirectory,  ///< missing, not a directory, or not ours to write
    kLocked,        ///< another process has this spool open
    kNewerFormat,   ///< written by a later burgee; nothing was touched
    kFull,          ///< the cap or the disk: nothing of the group was stored
    kDiskFailed,    ///< a sync failed in two segments running: nothing of the group was stored
    kIo,            ///< any other failed system call
    kBeyondEnd,     ///< a read that starts after the last durable event
    kTooBig,        ///< a batch over a limit of the format
};

struct SpoolError {
    SpoolErrorCode code = SpoolErrorCode::kIo;
    std::string message;  ///< one line: what, where, and what to do
};

template <class T>
using SpoolResult = boost::system::result<T, SpoolError>;

[[noreturn]] inline void throw_exception_from_error(const SpoolError& error,
                                                    const boost::source_location&) {
    throw std::runtime_error(error.message);
}

}  // namespace burgee::daemon
