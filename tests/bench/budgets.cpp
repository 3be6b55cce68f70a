#include "tests/bench/budget.hpp"

namespace burgee::bench {

// Figures for a release build on two shared cores. Where a row has no budget of its own the figure is
// what the row above it needs.
std::span<const Budget> budgets() {
    static constexpr Budget kBudgets[] = {
        {"on/off check by handle, hot", "check_by_handle", "", "ns", 3, Better::kLower},
        {"on/off check by name, hot", "check_by_name", "", "ns", 10, Better::kLower},
        {"on/off check by name, drawn from 100 000 flags", "check_by_name_among_100k", "", "ns", 15,
         Better::kLower},
        {"rollout check by name, hot", "check_rollout_by_name", "", "ns", 15, Better::kLower},
        {"ab_test with one typed config field", "check_ab_test_with_config", "", "ns", 25,
         Better::kLower},
        {"REGEX walk over 20 bytes, anchored", "regex_anchored_20_bytes", "", "ns", 60,
         Better::kLower},
        {"REGEX walk over 20 bytes, unanchored", "regex_search_20_bytes", "", "ns", 60,
         Better::kLower},
        {"building a context of 1 attribute", "build_context_1", "", "ns", 8, Better::kLower},
        {"building a context of 4 attributes", "build_context_4", "", "ns", 25, Better::kLower},
        {"checks per CPU-second, two threads against one",
         "check_by_threads/real_time/threads:2", "checks_per_cpu_s", "x", 1.9, Better::kHigher,
         "check_by_threads/real_time/threads:1"},
        {"cold check among 100 000 flags, p99", "check_cold/iterations:100", "p99_ns", "ns", 500,
         Better::kLower},
        {"ready with 100 000 flags", "attach_100k", "", "us", 100, Better::kLower},
        {"compile one change among 100 000 flags", "SnapshotCompileOneChange/real_time", "", "us",
         100, Better::kLower},
        {"publish 100 000 flags after one change", "SnapshotPublish100kAfterOneChange/real_time",
         "", "ms", 15, Better::kLower},
        {"snapshot of 100 000 flags, shared by the host", "SnapshotBuild100k/real_time", "bytes",
         "B", 10e6, Better::kLower},
        {"COMMIT -> answered anew, LISTEN, p50", "propagation/listen:1/iterations:1/manual_time", "p50_ms",
         "ms", 1.5, Better::kLower},
        {"COMMIT -> answered anew, LISTEN, p99", "propagation/listen:1/iterations:1/manual_time", "p99_ms",
         "ms", 5, Better::kLower},
        {"COMMIT -> answered anew, polling each second, max",
         "propagation/listen:0/iterations:1/manual_time", "max_ms", "ms", 1200, Better::kLower},
        {"restart -> READY from last-known-good, 10 000 flags, p99",
         "restart_to_ready/iterations:1/manual_time", "p99_ms", "ms", 250, Better::kLower},
        {"track on the caller's thread, median", "track/score/manual_time/threads:1", "median_ns",
         "ns", 60, Better::kLower},
        {"acknowledged (durable) events a second, clients included",
         "acknowledged_events_over_the_socket/iterations:3/real_time", "items_per_second", "/s",
         1e6, Better::kHigher},
        {"spool recovery scan", "recovery_scan/real_time", "bytes_per_second", "B/s", 1073741824,
         Better::kHigher},
        {"events into Postgres, raw and unit state, workload W",
         "upload_with_raw_rows/1000000/iterations:5/manual_time", "events_per_second", "/s", 200e3,
         Better::kHigher},
        {"the same against raw COPY of the same rows",
         "upload_with_raw_rows/1000000/iterations:5/manual_time", "ratio_to_raw_copy", "x", 0.4,
         Better::kHigher},
        {"the same with batches of 200 000",
         "upload_with_raw_rows/200000/iterations:5/manual_time", "events_per_second", "/s", 120e3,
         Better::kHigher},
        {"events into Postgres, raw rows off",
         "upload_unit_state_only/2000000/iterations:5/manual_time", "events_per_second", "/s", 1e6,
         Better::kHigher},
        {"adopting 10 000 flags and 1 000 000 metric rows",
         "adopt_former_database/iterations:1/manual_time", "", "s", 60, Better::kLower},
    };
    return kBudgets;
}

}  // namespace burgee::bench
