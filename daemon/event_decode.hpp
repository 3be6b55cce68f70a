#pragma once

// From spooled bytes to events as the metric writer takes them. Relied on by the uploader. The
// bytes were checked before they were acknowledged and carry a checksum since; they are measured
// again all the same.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "daemon/spool/spool.hpp"
#include "sync/metric_event.hpp"

namespace burgee::daemon {

/// The event in `bytes`, with views into them; nothing when sizes contradict each other.
/// Cost: about 20 ns, most of it the hash of the unit.
std::optional<sync::MetricEvent> decode_event(std::uint64_t lsn, std::span<const std::byte> bytes);

/// Reads the events of a spool piece by piece, in memory of a fixed size.
class SpoolEventSource final : public sync::EventSource {
public:
    explicit SpoolEventSource(Spool& spool) : spool_(spool) {}

    sync::EventChunk read(std::uint64_t from_lsn, std::uint64_t end_lsn) override;

private:
    Spool& spool_;
    SpoolBatch batch_;
    std::vector<sync::MetricEvent> events_;
};

}  // namespace burgee::daemon
