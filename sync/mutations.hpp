#pragma once

// Switches that break one guard on purpose, so that the fault suite can prove that it would notice.
// Off in every build that is shipped; a build with one of them on is good for nothing else.

namespace burgee::sync {

#ifdef BURGEE_MUTATE_NO_CURSOR_FENCE
/// The writer believes its own idea of the cursor instead of the database's.
inline constexpr bool kMutateNoCursorFence = true;
#else
inline constexpr bool kMutateNoCursorFence = false;
#endif

}  // namespace burgee::sync
