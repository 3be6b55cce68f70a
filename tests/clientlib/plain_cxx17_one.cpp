// Half of a program in plain C++17, without exceptions and run-time types; the other half includes
// the same headers, so that linking the two shows duplicate symbols.

#include <burgee/client.hpp>

bool asks_by_handle(const burgee::Client& client, const burgee::Context& user) {
    const burgee::Flag flag(client, "f");
    return burgee::gated(
        flag, user, [] { return true; }, [] { return false; });
}
