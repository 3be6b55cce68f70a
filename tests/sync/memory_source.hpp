#pragma once

// Events made up in memory, in the place of a spool.

#include <burgee/checksum.hpp>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "sync/metric_event.hpp"

namespace burgee::test {

class MemorySource final : public sync::EventSource {
public:
    /// Adds an event with the next number, beginning with 1, and the texts of `event` copied.
    sync::MetricEvent& add(sync::MetricEvent event) {
        event.lsn = events_.size() + 1;
        for (std::string_view* text : {&event.variant, &event.metric, &event.user_id,
                                       &event.session_id, &event.metadata_json, &event.unit_text}) {
            *text = texts_.emplace_back(*text);
        }
        return events_.emplace_back(event);
    }

    /// Adds an event of the user `user`, who is the unit.
    sync::MetricEvent& add(const Uuid& experiment, std::string_view variant,
                           std::string_view metric, const std::string& user, double value,
                           std::int64_t created_unix_ms) {
        sync::MetricEvent event;
        event.experiment = experiment;
        event.variant = variant;
        event.metric = metric;
        event.user_id = user;
        event.unit_source = sync::UnitSource::kUserId;
        event.unit = hash64(user);
        event.value = value;
        event.created_unix_ms = created_unix_ms;
        return add(event);
    }

    std::uint64_t end_lsn() const { return events_.size() + 1; }
    const std::vector<sync::MetricEvent>& events() const { return events_; }
    std::vector<sync::MetricEvent>& events() { return events_; }

    sync::EventChunk read(std::uint64_t from_lsn, std::uint64_t end_lsn) override {
        const std::uint64_t next = std::min({end_lsn, from_lsn + chunk_size_, this->end_lsn()});
        return {std::span(events_).subspan(from_lsn - 1, next - from_lsn), next};
    }

private:
    static constexpr std::uint64_t chunk_size_ = 500;
    std::vector<sync::MetricEvent> events_;
    std::deque<std::string> texts_;
};

}  // namespace burgee::test
