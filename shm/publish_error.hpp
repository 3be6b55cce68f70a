#pragma once

// Why a snapshot could not be published, each cause once, with a line for the operator.

#include <cstdint>
#include <string>

#include <boost/system/result.hpp>

namespace burgee {

enum class PublishFault : std::uint8_t {
    kDirectory,     ///< missing, no directory, a foreign owner's, or writable by others
    kControl,       ///< `control` is no regular file of ours and must be removed by hand
    kSecondDaemon,  ///< another process publishes into this directory
    kTooLarge,      ///< over the configured limit
    kNoSpace,       ///< the file system has no room, or a resource limit forbids the size
    kBadImage,      ///< the snapshot failed its read-back: nothing was announced
    kSystem,        ///< another system call failed
};

struct PublishError {
    PublishFault fault = PublishFault::kSystem;
    std::string message;  ///< one line: what, where, what to do
};

template <typename T>
using PublishResult = boost::system::result<T, PublishError>;

/// The error of a system call: ENOSPC, EDQUOT and EFBIG are kNoSpace, all others kSystem.
/// @param what  what was tried and on what, "write a snapshot in /run/burgee"
PublishError system_error_of(int error_number, const std::string& what);

}  // namespace burgee
