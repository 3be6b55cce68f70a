#pragma once

// Flags in a file instead of a database: one as `flag show -o json` prints it, an array of them, or
// {"flags": [...], "segments": [...]}. For looking at before anything is stored.

#include <cstdint>
#include <string>

#include "shm/flag_set.hpp"

namespace burgee::cli {

/// What a database that holds these rows would publish, each row checked as sync does. Without
/// "segments", those that flags name count as there, with a warning; the slots of layers are not in
/// a file and not looked at.
/// @param now_unix_ms  decides what has expired
/// Throws Failure kNotFound when the file cannot be read, kUsage when it is no such JSON or larger
/// than 256 MiB.
FlagChanges read_flag_file(const std::string& path, std::int64_t now_unix_ms);

}  // namespace burgee::cli
