// One of two files that a service might have: the whole public client, in C++17, without
// exceptions, run-time types or Boost, and linked beside another that includes the same.

#include <burgee/client.hpp>

#include "second_client.hpp"

#if __cplusplus > 201703L
#error "this file has to be compiled as C++17"
#endif
#if defined(BOOST_CONFIG_HPP) || defined(BOOST_VERSION)
#error "a service must not need Boost"
#endif

int main() {
    burgee::ClientOptions options;
    options.directory = "/nonexistent/burgee";
    burgee::Client flags{options};
    const burgee::Context user{{"user_id", "user123"}};
    const bool is_answered_with_default = !flags.is_enabled("search.enhanced", user);
    return is_answered_with_default && second_file_agrees() ? 0 : 1;
}
