// What a client costs a process: maps DIRECTORY's snapshot, asks each of its COUNT flags once, and
// prints how many KiB of private memory and of page tables that took. A program of its own, because
// only a fresh process shows what one more service pays. Names are footprint_bench.cpp's.

#include <burgee/client.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

/// The sum of the numbers behind `keys` in a file of /proc, in KiB. Allocates nothing: it measures.
template <std::size_t kCount>
long kib_of(const char* path, const std::array<const char*, kCount>& keys) {
    static std::array<char, 8'192> text;
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = ::read(file, text.data(), text.size() - 1);
    ::close(file);
    text[static_cast<std::size_t>(size > 0 ? size : 0)] = '\0';
    long sum = 0;
    for (const char* key : keys) {
        const char* const place = std::strstr(text.data(), key);
        sum += place != nullptr ? std::atol(place + std::strlen(key)) : 0;
    }
    return sum;
}

long private_kib() {
    return kib_of("/proc/self/smaps_rollup",
                  std::array<const char*, 2>{"Private_Clean:", "Private_Dirty:"});
}

long page_table_kib() {
    return kib_of("/proc/self/status", std::array<const char*, 1>{"VmPTE:"});
}

}  // namespace

int main(int count, char** values) {
    if (count != 3) {
        std::fputs("memory_probe DIRECTORY COUNT\n", stderr);
        return 2;
    }
    const long flag_count = std::atol(values[2]);
    (void)private_kib();  // what measuring itself needs is there before it counts
    std::printf(" ");
    const long private_before = private_kib();
    const long tables_before = page_table_kib();
    const burgee::Client client(burgee::ClientOptions{values[1]});
    const burgee::Context user{{"user_id", "user-1"}};
    long on = 0;
    for (long number = 0; number < flag_count; ++number) {
        std::array<char, 64> name;
        const int size =
            std::snprintf(name.data(), name.size(), "team%ld.feature_%ld", number % 97, number);
        on += client.is_enabled({name.data(), static_cast<std::size_t>(size)}, user) ? 1 : 0;
    }
    const long private_after = private_kib();
    std::printf("%ld %ld\n", private_after - private_before, page_table_kib() - tables_before);
    return on == flag_count ? 0 : 1;
}
