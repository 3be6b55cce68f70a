// A client process to be killed: tracks events with the values FIRST+1, FIRST+2, ..., notes in a shared
// page how many it has offered and how many were acknowledged, and kills itself with SIGKILL at event
// number KILL_AT (0: never, it flushes and exits 0).
//
//   event_producer DIRECTORY PAGE FIRST COUNT KILL_AT

#include <burgee/client.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

#include "tests/fault/producer_page.hpp"

namespace {

constexpr std::uint64_t kInFlightMax = 2'000;  // far from a full ring: nothing may be refused here

void produce(burgee::Client& client, burgee::test::ProducerPage& page, char** values) {
    const double first = std::strtod(values[3], nullptr);
    const std::uint64_t count = std::strtoull(values[4], nullptr, 10);
    const std::uint64_t kill_at = std::strtoull(values[5], nullptr, 10);
    for (std::uint64_t number = 1; number <= count; ++number) {
        const std::string id = "unit-" + std::to_string(number % 100);
        const burgee::Context user{{"user_id", id}};
        const burgee::Evaluation answer = client.evaluate("load", user);
        page.offered.store(number, std::memory_order_release);
        if (!client.track(answer, "load_metric", first + static_cast<double>(number), user)) {
            page.refused.fetch_add(1, std::memory_order_relaxed);
        }
        burgee::EventCounters counters = client.counters();
        page.acknowledged.store(counters.acknowledged, std::memory_order_release);
        if (number == kill_at) {
            ::kill(::getpid(), SIGKILL);
        }
        while (counters.in_flight > kInFlightMax) {
            std::this_thread::yield();
            counters = client.counters();
        }
    }
}

}  // namespace

int main(int argument_count, char** values) {
    if (argument_count != 6) {
        return 64;
    }
    const int fd = ::open(values[2], O_RDWR | O_CLOEXEC);
    void* memory = ::mmap(nullptr, sizeof(burgee::test::ProducerPage), PROT_READ | PROT_WRITE,
                          MAP_SHARED, fd, 0);
    if (fd < 0 || memory == MAP_FAILED) {
        return 74;
    }
    auto& page = *static_cast<burgee::test::ProducerPage*>(memory);
    burgee::Client client(burgee::ClientOptions{values[1]});
    produce(client, page, values);
    const burgee::FlushResult flushed = client.flush(std::chrono::seconds(30));
    page.acknowledged.store(client.counters().acknowledged, std::memory_order_release);
    return flushed.complete ? 0 : 1;
}
