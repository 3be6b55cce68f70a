#pragma once

// One measurement as the metric writer takes it, and where it reads them from. The daemon decodes
// spooled bytes into this form; nothing here knows the wire format, so `sync` does not depend on
// the client.

#include <cstdint>
#include <span>
#include <string_view>

#include "shm/flag_set.hpp"

namespace burgee::sync {

/// Which text of an event named the unit that was bucketed.
enum class UnitSource : std::uint8_t {
    kNone,       ///< no unit: stored raw, not analysed
    kUserId,     ///< the text of user_id
    kSessionId,  ///< the text of session_id
    kOther,      ///< another attribute; its text is `unit_text` and is stored in metadata
};

/// One event. The views belong to whoever made it and live as long as the chunk it came in.
struct MetricEvent {
    std::uint64_t lsn = 0;  ///< number in the spool, 1, 2, 3, ...
    Uuid experiment{};
    std::uint32_t phase = 0;    ///< of the experiment; 0: the current one
    bool in_experiment = true;  ///< false: the variant was assigned by hand
    UnitSource unit_source = UnitSource::kNone;
    std::uint64_t unit = 0;      ///< hash64 of the unit's text; meaningless for kNone
    std::string_view unit_text;  ///< only for kOther
    std::string_view variant;    ///< strict UTF-8 without NUL, as are all texts here
    std::string_view metric;
    std::string_view user_id;        ///< empty: none
    std::string_view session_id;     ///< empty: none
    std::string_view metadata_json;  ///< a JSON object, or empty
    std::int64_t created_unix_ms = 0;
    double value = 0;  ///< finite
};

/// A run of events in the order of their numbers. Numbers may be missing: those events are lost.
struct EventChunk {
    std::span<const MetricEvent> events;
    std::uint64_t next_lsn = 0;  ///< where the next chunk begins; all below it has been given
};

/// Gives the events of a range, as often as it is asked: a failed transaction reads them again.
class EventSource {
public:
    virtual ~EventSource() = default;

    /// Events with from_lsn <= lsn < end_lsn, as many as one chunk holds. The chunk is valid until
    /// the next call. Precondition: from_lsn < end_lsn and all of the range is still kept.
    /// Postcondition: from_lsn < next_lsn <= end_lsn, or from_lsn == next_lsn when it cannot be
    /// read now; then the batch ends there.
    virtual EventChunk read(std::uint64_t from_lsn, std::uint64_t end_lsn) = 0;
};

}  // namespace burgee::sync
