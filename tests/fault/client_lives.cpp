#include "tests/fault/client_lives.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fault/event_load.hpp"
#include "tests/fault/producer_page.hpp"

namespace burgee::test {
namespace {

std::uint64_t expect_prefix(PostgresCluster& postgres, const ClientLife& life) {
    const std::string first = std::to_string(static_cast<double>(life.number) * kProducerStride);
    const auto row = postgres.rows(
        "SELECT count(*), count(DISTINCT metric_value), coalesce(max(metric_value) - " + first +
        ", 0)::bigint FROM public.ab_test_metrics WHERE metric_value > " + first +
        " AND metric_value < " + first + " + " + std::to_string(kProducerStride));
    const auto number = [&](std::size_t column) { return std::stoull(*row.at(0).at(column)); };
    const std::uint64_t rows = number(0);
    const std::string who = "client " + std::to_string(life.number);
    EXPECT_EQ(number(1), rows) << who;
    EXPECT_GE(rows, life.acknowledged) << who;
    EXPECT_LE(rows, life.offered) << who;
    EXPECT_EQ(life.refused, 0U) << who;
    EXPECT_EQ(number(2), rows) << who << ": the stored events are not its first ones";
    return rows;
}

}  // namespace

ClientLife ClientLives::live_and_die(std::uint64_t number, std::uint64_t kill_at) const {
    const std::string path = pages_.file(std::to_string(number));
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_EQ(::ftruncate(fd, sizeof(ProducerPage)), 0);
    void* memory = ::mmap(nullptr, sizeof(ProducerPage), PROT_READ, MAP_SHARED, fd, 0);
    ::close(fd);
    const auto& page = *static_cast<const ProducerPage*>(memory);
    const double first = static_cast<double>(number) * kProducerStride;
    ChildOptions options;
    options.arguments = {BURGEE_PRODUCER_PATH,
                         run_directory_,
                         path,
                         std::to_string(static_cast<std::uint64_t>(first)),
                         std::to_string(kKillAtMax),
                         std::to_string(kill_at)};
    ChildProcess child(options);
    const auto exit = child.wait(std::chrono::seconds(120));
    EXPECT_TRUE(exit && exit->signal == SIGKILL) << "client " << number;
    const ClientLife life{number, page.offered, page.acknowledged, page.refused};
    ::munmap(memory, sizeof(ProducerPage));
    return life;
}

std::uint64_t expect_stored_prefixes(PostgresCluster& postgres,
                                     const std::vector<ClientLife>& lives) {
    // Hundreds of questions about millions of rows.
    postgres.execute("CREATE INDEX ON public.ab_test_metrics (metric_value)");
    std::uint64_t rows = 0;
    for (const ClientLife& life : lives) {
        rows += expect_prefix(postgres, life);
    }
    return rows;
}

}  // namespace burgee::test
