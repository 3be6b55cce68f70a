// A shared library of a service: it includes the client and keeps one. Built several times, with
// all symbols visible and with none but its one function.

#include "tests/clientlib/shared_library_client.hpp"

#include <burgee/client.hpp>

#include <optional>
#include <string>

namespace burgee::test {
namespace {

// Ended by close(), or by the library's end: then its sender thread must be gone before its code.
std::optional<Client>& library_owned() {
    static std::optional<Client> client;
    return client;
}

void open(const char* directory) {
    library_owned().emplace(ClientOptions{directory});
}

void close() {
    library_owned().reset();
}

bool is_enabled(const char* flag, const char* user_id) {
    return library_owned()->is_enabled(flag, Context{{"user_id", user_id}});
}

std::uint64_t generation() {
    return library_owned()->generation();
}

bool track(const char* flag, const char* user_id) {
    const Context user{{"user_id", user_id}};
    return library_owned()->track(library_owned()->evaluate(flag, user), "impression", 1, user);
}

bool track_and_forget(const char* directory, const char* flag, const char* user_id) {
    static Client* const forgotten = new Client(ClientOptions{directory});
    const Context user{{"user_id", user_id}};
    return forgotten->track(forgotten->evaluate(flag, user), "impression", 1, user);
}

constexpr LibraryClient kLibraryClient{&open,       &close, &is_enabled,
                                       &generation, &track, &track_and_forget};

}  // namespace
}  // namespace burgee::test

extern "C" [[gnu::visibility("default")]] const burgee::test::LibraryClient* library_client();
extern "C" const burgee::test::LibraryClient* library_client() {
    return &burgee::test::kLibraryClient;
}
