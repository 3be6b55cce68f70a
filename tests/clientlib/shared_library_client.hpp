#pragma once

// What each of the shared libraries of shared_library_test.cpp offers: a client of its own, under
// one symbol, "library_client".

#include <cstdint>

namespace burgee::test {

struct LibraryClient {
    void (*open)(const char* directory);
    void (*close)();
    bool (*is_enabled)(const char* flag, const char* user_id);
    std::uint64_t (*generation)();
    bool (*track)(const char* flag, const char* user_id);  ///< starts the library's sender thread
    /// The same with a client that nobody destroys.
    bool (*track_and_forget)(const char* directory, const char* flag, const char* user_id);
};

using LibraryClientOf = const LibraryClient* (*)();
inline constexpr const char* kLibraryClientSymbol = "library_client";

}  // namespace burgee::test
