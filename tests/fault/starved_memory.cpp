#include "tests/fault/starved_memory.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

// The C library's own, under the names it keeps for those who put others in their place.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace burgee::test {
namespace {

// Constant-initialised: the first allocation comes before any constructor of ours.
std::atomic<std::uint64_t> seen{0};
std::atomic<std::uint64_t> refused_number{0};
std::atomic<bool> was_refused{false};
char report_path[256];

void report() {
    if (report_path[0] == '\0') {
        return;
    }
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, seen.load()).ptr;
    const int fd = ::open(static_cast<const char*>(report_path),
                          O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    (void)!::write(fd, text, static_cast<std::size_t>(end - text));
    ::close(fd);
}

/// Counts one allocation. @return whether it is to be refused.
bool is_refused() {
    const std::uint64_t number = seen.fetch_add(1, std::memory_order_relaxed) + 1;
    if (number != refused_number.load(std::memory_order_relaxed)) {
        return false;
    }
    was_refused = true;
    report();
    errno = ENOMEM;
    return true;
}

[[gnu::constructor]] void read_environment() {
    if (const char* path = std::getenv("BURGEE_STARVE_REPORT")) {
        std::strncpy(report_path, path, sizeof report_path - 1);
    }
    if (const char* number = std::getenv("BURGEE_STARVE_AT")) {
        starve_at(std::strtoull(number, nullptr, 10));
    }
}

[[gnu::destructor]] void report_at_exit() {
    report();
}

}  // namespace

void starve_at(std::uint64_t number) {
    was_refused = false;
    seen = 0;
    refused_number = number;
}

std::uint64_t allocations() {
    return seen;
}
bool has_starved() {
    return was_refused;
}

}  // namespace burgee::test

extern "C" {

void* malloc(std::size_t size) {
    return burgee::test::is_refused() ? nullptr : __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) {
    return burgee::test::is_refused() ? nullptr : __libc_calloc(count, size);
}

void* realloc(void* memory, std::size_t size) {
    return burgee::test::is_refused() ? nullptr : __libc_realloc(memory, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
    return burgee::test::is_refused() ? nullptr : __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
    *memory = burgee::test::is_refused() ? nullptr : __libc_memalign(alignment, size);
    return *memory == nullptr ? ENOMEM : 0;
}

}  // extern "C"
