#include "daemon/client_drops.hpp"

#include <algorithm>
#include <numeric>

namespace burgee::daemon {
namespace {

constexpr Counter kDropCounters[kDropReasonCount] = {
    Counter::client_dropped_ring_full, Counter::client_dropped_session_expired,
    Counter::client_dropped_too_big, Counter::client_dropped_invalid,
    Counter::client_dropped_no_experiment};
constexpr Counter kDropClassCounters[kEventClassCount] = {
    Counter::client_dropped_ordinary, Counter::client_dropped_exposure,
    Counter::client_dropped_conversion, Counter::client_dropped_error};

}  // namespace

SessionTotals told_drops(const BatchFrame& batch, const SessionTotals& known) {
    SessionTotals told = known;
    for (std::size_t index = 0; index < told.size(); ++index) {
        const std::uint64_t total =
            batch.dropped[index / kEventClassCount][index % kEventClassCount];
        told[index] = std::max(told[index], std::min(total, kDropTotalMax));
    }
    return told;
}

void count_drops(Counters& counters, const SessionTotals& before, const SessionTotals& after) {
    for (std::size_t index = 0; index < after.size(); ++index) {
        if (after[index] > before[index]) {
            const std::uint64_t more = after[index] - before[index];
            counters.add(kDropCounters[index / kEventClassCount], more);
            counters.add(kDropClassCounters[index % kEventClassCount], more);
        }
    }
}

std::uint32_t drop_sum(const SessionTotals& totals) {
    return static_cast<std::uint32_t>(
        std::accumulate(totals.begin(), totals.end(), std::uint64_t{0}));
}

}  // namespace burgee::daemon
