#include "tests/fault/event_load.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>

namespace burgee::test {
namespace {

std::string variants(std::uint64_t version) {
    const std::string config = R"("config_overrides":{"version":)" + std::to_string(version) + "}";
    return R"([{"name":"control","weight":50,)" + config + R"(},{"name":"treatment","weight":50,)" +
           config + "}]";
}

}  // namespace

void create_load_flags(PostgresCluster& postgres) {
    for (const char* name : {"load", "pair.a", "pair.b"}) {
        postgres.execute(
            "INSERT INTO public.feature_flags (name, status, rollout_percentage, segments, variants) "
            "VALUES ('" + std::string(name) + "', 'ab_test', 100, '{\"bucketing\":\"xxh3\"}', '" +
            variants(1) + "')");
    }
    postgres.execute(
        "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date) "
        "SELECT '11111111-2222-3333-4444-555555555555', id, 'load', now() - interval '1 day' "
        "FROM public.feature_flags WHERE name = 'load'");
}

void move_pair(PostgresCluster& postgres, std::uint64_t version) {
    postgres.execute("UPDATE public.feature_flags SET variants = '" + variants(version) +
                     "' WHERE name IN ('pair.a', 'pair.b')");
}

EventLoad::EventLoad(const std::string& directory, Options options)
    : options_(options), client_(ClientOptions{directory}) {
    // A lookup before the host's first snapshot ever is the caller's default, not a failure.
    client_.wait_for_generation(1, std::chrono::seconds(30));
    const int end = options_.first_producer + options_.producer_count;
    for (int producer = options_.first_producer; producer < end; ++producer) {
        threads_.emplace_back([this, producer] { produce(producer); });
    }
    if (options_.has_checker) {
        threads_.emplace_back([this] { check(); });
    }
}

EventLoad::~EventLoad() { stop(); }

void EventLoad::stop() {
    is_stopping_ = true;
    for (std::thread& thread : threads_) {
        thread.join();
    }
    threads_.clear();
}

void EventLoad::produce(int producer) {
    std::uint64_t number = 0;
    while (!is_stopping_) {
        for (int i = 0; i < options_.burst_events; ++i) {
            const std::string id = "unit-" + std::to_string(++number % 1'000);
            const Context user{{"user_id", id}};
            const Evaluation answer = client_.evaluate("load", user);
            if (answer.reason() != Reason::kSplit) {
                ++failed_lookups_;
                continue;
            }
            const double value =
                static_cast<double>(producer) * kProducerStride + static_cast<double>(number);
            ++calls_;
            taken_ += client_.track(answer, "load_metric", value, user) ? 1 : 0;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(options_.pause_us));
    }
}

void EventLoad::check() {
    const Context user{{"user_id", "checker"}};
    std::uint64_t generation = 0;
    while (!is_stopping_) {
        const Snapshot snapshot = client_.pin();
        const Evaluation first = snapshot.evaluate("pair.a", user);
        const Evaluation second = snapshot.evaluate("pair.b", user);
        const std::int64_t version = first.config().integer("version", -1);
        if (first.reason() != Reason::kSplit || second.reason() != Reason::kSplit) {
            ++failed_lookups_;
        } else if (version < 1 || version != second.config().integer("version", -2)) {
            ++torn_snapshots_;
        }
        const std::uint64_t now = client_.generation();
        backward_steps_ += now < generation ? 1 : 0;
        generation = now;
        if (++checks_ % 1'024 == 0) {  // leave the two cores to those who do the work
            std::this_thread::sleep_for(std::chrono::microseconds(500));
        }
    }
}

StoredEvents stored_events(PostgresCluster& postgres) {
    const auto row = postgres.rows(
        "SELECT count(*), count(DISTINCT metric_value), count(DISTINCT (spool_id, lsn)),"
        " (SELECT count(*) FROM burgee.dead_letter),"
        " (SELECT coalesce(sum(n), 0)::bigint FROM burgee.unit_metrics)"
        " FROM public.ab_test_metrics");
    const auto number = [&](std::size_t column) { return std::stoull(*row.at(0).at(column)); };
    return {number(0), number(1), number(2), number(3), number(4)};
}

void expect_stored_once(PostgresCluster& postgres, std::uint64_t events) {
    // The cursors first, which are cheap to ask; the rows once.
    const auto passed = [&] {
        return std::stoull(postgres.value(
            "SELECT coalesce(sum(next_lsn - 1), 0)::bigint FROM burgee.spool_cursor"));
    };
    constexpr std::chrono::minutes kPatience{5};  // without any movement
    auto moved_at = std::chrono::steady_clock::now();
    for (std::uint64_t before = 0, now = passed();
         now < events && std::chrono::steady_clock::now() - moved_at < kPatience; now = passed()) {
        moved_at = now != before ? std::chrono::steady_clock::now() : moved_at;
        before = now;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));  // between two looks
    }
    const StoredEvents stored = stored_events(postgres);
    EXPECT_EQ(stored.rows, events);
    EXPECT_EQ(stored.distinct_values, stored.rows) << "an event was stored twice";
    EXPECT_EQ(stored.distinct_lsns, stored.rows);
    EXPECT_EQ(stored.dead_letters, 0U);
    EXPECT_EQ(stored.folded, stored.rows);
}

}  // namespace burgee::test
