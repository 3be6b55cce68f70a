// What a service would do otherwise, beside what we do, in one run: a map of parsed flags behind a
// mutex, the same map swapped as a shared_ptr, and a query to PostgreSQL for every check. All
// answer the same 50 % rollout among 1 000 flags.

#include <burgee/client.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <pqxx/pqxx>
#include <string>
#include <unordered_map>
#include <vector>

#include "shm/publisher.hpp"
#include "shm/snapshot_builder.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::bench {
namespace {

constexpr std::size_t kFlags = 1'000;
constexpr std::size_t kUsers = 1'024;

std::string name_of(std::size_t number) {
    return "service.area" + std::to_string(number % 37) + ".flag" + std::to_string(number);
}

const std::vector<std::string>& names() {
    static const std::vector<std::string> made = [] {
        std::vector<std::string> all;
        for (std::size_t number = 0; number < kFlags; ++number) {
            all.push_back(name_of(number));
        }
        return all;
    }();
    return made;
}

const std::vector<std::string>& users() {
    static const std::vector<std::string> made = [] {
        std::vector<std::string> all;
        for (std::size_t number = 0; number < kUsers; ++number) {
            all.push_back("user-" + std::to_string(number * 1'000'003));
        }
        return all;
    }();
    return made;
}

/// A flag as a service would keep it after parsing its row.
struct ParsedFlag {
    std::string name;
    bool is_rollout = true;
    double percentage = 50;
    std::uint64_t seed = 0;

    bool is_enabled(const std::string& user) const {
        return !is_rollout || bucket(user, seed) < percentage * 10'000;
    }
};
using FlagMap = std::unordered_map<std::string, ParsedFlag>;

FlagMap parsed_flags() {
    FlagMap map;
    for (const std::string& name : names()) {
        map[name] = {name, true, 50, seed(kPurposeRollout, name)};
    }
    return map;
}

/// Asks every flag for every user in turn, and fails unless about half the answers are "on".
template <typename Ask>
void ask_all(benchmark::State& state, Ask ask) {
    std::uint64_t on = 0;
    std::size_t next = static_cast<std::size_t>(state.thread_index()) * 511;
    for (auto _ : state) {
        on += ask(names()[next % kFlags], next % kUsers) ? 1U : 0U;
        next += 7;
    }
    const double share = static_cast<double>(on) / static_cast<double>(state.iterations());
    if (state.iterations() > 10'000 && (share < 0.45 || share > 0.55)) {
        state.SkipWithError("the answers are wrong: not half of them are on");
    }
}

/// The 1 000 flags, published for a client.
class Published {
public:
    Published() {
        auto publisher = Publisher::open(directory_.path());
        FlagChanges changes;
        changes.revision = 1;
        changes.is_full = true;
        for (const std::string& name : names()) {
            FlagDefinition flag;
            flag.name = flag.salt = name;
            flag.status = Status::kGradualRollout;
            flag.rollout_percentage = 50;
            changes.changed.push_back(flag);
        }
        SnapshotBuilder builder;
        builder.apply(changes);
        if (!publisher || !publisher->publish(builder.build({publisher->next_generation(), 1}),
                                              builder.take_read_back())) {
            std::abort();  // nothing to measure: the benchmark's own set-up is wrong
        }
    }
    ClientOptions options() const { return ClientOptions{directory_.path()}; }

private:
    test::TemporaryDirectory directory_{"burgee-bench"};
};

void compare_client(benchmark::State& state) {
    static const Published published;
    static const Client client(published.options());
    static const std::vector<Context> contexts = [] {
        std::vector<Context> made;
        for (const std::string& user : users()) {
            made.push_back(Context{{"user_id", user}});
        }
        return made;
    }();
    ask_all(state, [&](const std::string& name, std::size_t user) {
        return client.is_enabled(name, contexts[user]);
    });
}
BENCHMARK(compare_client)->Threads(1)->Threads(2)->UseRealTime();

void compare_mutex_map(benchmark::State& state) {
    static std::mutex mutex;
    static const FlagMap map = parsed_flags();
    ask_all(state, [&](const std::string& name, std::size_t user) {
        const std::lock_guard lock(mutex);
        const auto found = map.find(name);
        return found != map.end() && found->second.is_enabled(users()[user]);
    });
}
BENCHMARK(compare_mutex_map)->Threads(1)->Threads(2)->UseRealTime();

void compare_shared_ptr_swap(benchmark::State& state) {
    static std::atomic<std::shared_ptr<const FlagMap>> current{
        std::make_shared<const FlagMap>(parsed_flags())};
    ask_all(state, [&](const std::string& name, std::size_t user) {
        const std::shared_ptr<const FlagMap> map = current.load();
        const auto found = map->find(name);
        return found != map->end() && found->second.is_enabled(users()[user]);
    });
}
BENCHMARK(compare_shared_ptr_swap)->Threads(1)->Threads(2)->UseRealTime();

void compare_query_per_check(benchmark::State& state) {
    test::PostgresCluster cluster;
    cluster.execute("CREATE TABLE flags (name text PRIMARY KEY, rollout_percentage float8)");
    cluster.execute(
        "INSERT INTO flags SELECT 'service.area' || i % 37 || '.flag' || i, 50 FROM "
        "generate_series(0, 999) AS i");
    cluster.execute("ANALYZE flags");
    pqxx::connection connection(cluster.dsn());
    connection.prepare("ask", "SELECT rollout_percentage FROM flags WHERE name = $1");
    pqxx::nontransaction session(connection);
    ask_all(state, [&](const std::string& name, std::size_t user) {
        const double percentage = session.exec_prepared1("ask", name)[0].as<double>();
        return bucket(users()[user], seed(kPurposeRollout, name)) < percentage * 10'000;
    });
}
BENCHMARK(compare_query_per_check)->UseRealTime();

}  // namespace
}  // namespace burgee::bench
