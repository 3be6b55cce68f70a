#pragma once

// Switches that break one promise each, for the fault suite: a test build that defines one must
// make the suite fail, which proves that the suite looks. Off in every build that leaves the house.

namespace burgee::daemon {

#ifdef BURGEE_MUTATE_NO_DEDUP
inline constexpr bool kMutateNoDedup = true;  ///< sessions take events they already have
#else
inline constexpr bool kMutateNoDedup = false;
#endif

#ifdef BURGEE_MUTATE_NO_CHECKSUM
inline constexpr bool kMutateNoChecksum = true;  ///< frames are believed without their checksums
#else
inline constexpr bool kMutateNoChecksum = false;
#endif

#ifdef BURGEE_MUTATE_NO_FDATASYNC
inline constexpr bool kMutateNoFdatasync = true;  ///< acknowledged without a sync
#else
inline constexpr bool kMutateNoFdatasync = false;
#endif

}  // namespace burgee::daemon
