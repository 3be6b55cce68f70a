#pragma once

// Why a client does not answer from the newest snapshot: one cause each, shown by Client::status().

#include <cstdint>
#include <string_view>

namespace burgee {

/// Numbers are for people and logs; they are not stored anywhere.
enum class AttachError : std::uint8_t {
    kNone = 0,
    kTooManyClients,
    kDirectoryTooLong,
    kDirectoryMissing,
    kDirectoryUntrusted,
    kControlMissing,
    kControlUntrusted,
    kControlForeign,
    kLayoutUnsupported,
    kNothingPublished,
    kSnapshotMissing,
    kSnapshotUntrusted,
    kSnapshotRefused,
    kSnapshotMisnumbered,
    kOutOfMemory,
};

/// What is wrong and what to do about it, one line.
constexpr std::string_view to_string(AttachError error) noexcept {
    switch (error) {
        case AttachError::kNone:
            return "none";
        case AttachError::kTooManyClients:
            return "too many burgee::Client objects in this process; share one";
        case AttachError::kDirectoryTooLong:
            return "the directory's path is too long";
        case AttachError::kDirectoryMissing:
            return "cannot open the directory; is burgeed installed and running?";
        case AttachError::kDirectoryUntrusted:
            return "the directory is writable by others or belongs to someone we cannot trust";
        case AttachError::kControlMissing:
            return "cannot open the control page; has burgeed ever run here?";
        case AttachError::kControlUntrusted:
            return "the control page is not a plain file of the directory's owner, closed to "
                   "others";
        case AttachError::kControlForeign:
            return "the control page is not one of burgee's";
        case AttachError::kLayoutUnsupported:
            return "burgeed publishes no layout this client reads; rebuild one of the two";
        case AttachError::kNothingPublished:
            return "nothing is published yet";
        case AttachError::kSnapshotMissing:
            return "the announced snapshot cannot be opened";
        case AttachError::kSnapshotUntrusted:
            return "the snapshot is not a plain file of the directory's owner, closed to others";
        case AttachError::kSnapshotRefused:
            return "the snapshot is damaged";
        case AttachError::kSnapshotMisnumbered:
            return "the snapshot holds another generation than its name says";
        case AttachError::kOutOfMemory:
            return "no memory to map a snapshot";
    }
    return "unknown";
}

}  // namespace burgee
