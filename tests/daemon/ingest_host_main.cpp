// The event server in a process of its own, so that its memory can be read and its open files be
// many: what burgeed is without flags and PostgreSQL.
//
//   burgee_ingest_host DIRECTORY STUCK_TIMEOUT_MS
//
// Serves DIRECTORY/events.sock from DIRECTORY/spool until SIGTERM. Says "ready" on standard output,
// and at the end "counters" and a line "NAME VALUE" for each.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "daemon/event_listener.hpp"
#include "daemon/event_server.hpp"

namespace {

using namespace burgee::daemon;

int serve(const std::string& directory, std::int64_t stuck_timeout_ms) {
    auto spool = Spool::open(directory + "/spool", {});
    if (!spool) {
        std::fprintf(stderr, "%s\n", spool.error().message.c_str());
        return 1;
    }
    raise_descriptor_limit();
    Counters counters;
    EventServerOptions options;
    options.socket_path = directory + "/events.sock";
    options.limits.stuck_timeout_ms = stuck_timeout_ms;
    boost::asio::io_context io_context;
    boost::asio::signal_set signals(io_context, SIGTERM);
    EventServer server(io_context, options, **spool, counters);
    signals.async_wait([&](const auto&, int) {
        server.stop();
        io_context.stop();
    });
    std::puts("ready");
    std::fflush(stdout);
    io_context.run();
    std::puts("counters");
    counters.for_each([](const CounterDescription& counter, std::uint64_t value) {
        std::printf("%s %llu\n", counter.name.data(), static_cast<unsigned long long>(value));
    });
    return 0;
}

}  // namespace

int main(int count, char** values) {
    if (count != 3) {
        std::fputs("burgee_ingest_host DIRECTORY STUCK_TIMEOUT_MS\n", stderr);
        return 2;
    }
    return serve(values[1], std::atoll(values[2]));
}
