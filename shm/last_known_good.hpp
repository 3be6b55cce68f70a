#pragma once

// The newest good snapshot on disk, so that a host answers at once after a reboot, without
// Postgres. A file that fails any check is refused with a reason and never served.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <boost/system/result.hpp>
#include <burgee/snapshot_layout.hpp>

namespace burgee {

enum class LastKnownGoodFault : std::uint8_t {
    kAbsent,   ///< there is none yet: a first start
    kForeign,  ///< no regular file, another owner's, or writable by others
    kDamaged,  ///< refused by SnapshotView, named in the message
    kSystem,   ///< a system call failed
};

struct LastKnownGoodError {
    LastKnownGoodFault fault = LastKnownGoodFault::kSystem;
    std::string message;  ///< one line: what, where, what to do
};

inline constexpr const char* kLastKnownGoodName = "lkg.L1";
static_assert(kLayoutMajor == 1, "kLastKnownGoodName carries the layout's number");

/// Replaces the last-known-good file in `directory` by `image`, durably: after a power cut there is
/// the old file or the new one. Errors: kSystem. Cost: one write and two syncs; call it off the hot
/// loop.
boost::system::result<void, LastKnownGoodError> save_last_known_good(
    const std::string& directory, std::span<const std::byte> image);

/// Reads it and checks all of it. The image may be given to Publisher::publish() as it is.
/// Errors: each of LastKnownGoodFault.
boost::system::result<std::vector<std::byte>, LastKnownGoodError> load_last_known_good(
    const std::string& directory);

/// The snapshot that is in force in `run_directory`, `generation` (0 = none), if that is the newer
/// one and passes the same checks; else the last-known-good file. After a kill the file may be
/// seconds behind, and a kill switch in those seconds. Errors: those of the file.
boost::system::result<std::vector<std::byte>, LastKnownGoodError> load_newest_snapshot(
    const std::string& directory, const std::string& run_directory, std::uint64_t generation);

}  // namespace burgee
