// The other of the two files; see first_client.cpp.

#include "second_client.hpp"

#include <burgee/client.hpp>

bool second_file_agrees() {
    burgee::ClientOptions options;
    options.directory = "/nonexistent/burgee";
    burgee::Client flags{options};
    const burgee::Context user{{"user_id", "user123"}};
    return flags.is_enabled("search.enhanced", user, true);
}
