#pragma once

// Which sanitizer a test is compiled with; GCC and clang tell it in different words.
//   BURGEE_ASAN, BURGEE_TSAN  defined under the address and the thread sanitizer

#if defined(__SANITIZE_ADDRESS__)
#define BURGEE_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define BURGEE_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BURGEE_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define BURGEE_TSAN 1
#endif
#endif
