#pragma once

// BURGEE_ASSERT: a claim about ourselves, checked in every build, because a daemon that is wrong
// about itself must stop before it publishes or stores anything. What the world may do wrong is an
// error, never this. Headers that services include use neither.

#include <cstdio>
#include <cstdlib>

namespace burgee::detail {

/// Says on stderr what was claimed and where, and aborts.
[[noreturn]] inline void assertion_failed(const char* claim, const char* file, int line) noexcept {
    std::fprintf(stderr, "%s:%d: this must hold and does not: %s\n", file, line, claim);
    std::abort();
}

}  // namespace burgee::detail

/// Aborts unless the claim holds. Say why it should with `claim && "because"`. It is evaluated
/// once.
#define BURGEE_ASSERT(...)          \
    (static_cast<bool>(__VA_ARGS__) \
         ? static_cast<void>(0)     \
         : ::burgee::detail::assertion_failed(#__VA_ARGS__, __FILE__, __LINE__))
