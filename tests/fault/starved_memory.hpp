#pragma once

// Makes the n-th allocation of this process fail. A program that is linked with starved_memory.cpp
// has its malloc, calloc, realloc and aligned allocations, and with them operator new and whatever
// libraries allocate, counted and, one of them, refused. Nothing is preloaded and nothing is built
// into the code under test.
//
// Programs that no test can call are told by their environment: BURGEE_STARVE_AT=n at their start,
// BURGEE_STARVE_REPORT=FILE for the number of allocations, written when one is refused and at exit.

#include <cstdint>

namespace burgee::test {

/// The n-th allocation from now on is refused, once; 0: none, and counting begins again.
/// Thread safety: any thread; allocations of all threads count.
void starve_at(std::uint64_t number);

/// Allocations since the last starve_at().
std::uint64_t allocations();
bool has_starved();

}  // namespace burgee::test
