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

#ifdef BURGEE_MUTATE_IGNORE_SYNC
inline constexpr bool kMutateIgnoreSync = true;  ///< whatever the sync says, it was one
#else
inline constexpr bool kMutateIgnoreSync = false;
#endif

#ifdef BURGEE_MUTATE_TRUST_SYNC
inline constexpr bool kMutateTrustSync = true;  ///< recovery believes a sync after a failed one
#else
inline constexpr bool kMutateTrustSync = false;
#endif

#ifdef BURGEE_MUTATE_WRONG_LSN
inline constexpr bool kMutateWrongLsn = true;  ///< recovery goes on one number too far
#else
inline constexpr bool kMutateWrongLsn = false;
#endif

#ifdef BURGEE_MUTATE_EARLY_ACK
inline constexpr bool kMutateEarlyAck = true;  ///< clients are answered before the commit is known
#else
inline constexpr bool kMutateEarlyAck = false;
#endif

#ifdef BURGEE_MUTATE_MISCOUNT
inline constexpr bool kMutateMiscount = true;  ///< one event too many is counted as delivered
#else
inline constexpr bool kMutateMiscount = false;
#endif

}  // namespace burgee::daemon
