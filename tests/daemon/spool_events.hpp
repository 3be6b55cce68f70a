#pragma once

// Events whose bytes follow from (session, seq), so that a test can tell from any stored event
// whether it is whole and which one it is. Shared by the tests of the spool and of the event
// server.

#include <burgee/event_wire.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "daemon/spool/spool.hpp"

namespace burgee::test {

inline daemon::SessionId session_id(std::uint64_t number) {
    daemon::SessionId id{};
    std::memcpy(id.data(), &number, sizeof number);
    return id;
}

/// A valid event of session `session`; its value, user and metadata name it.
inline void append_event(std::vector<std::byte>* bytes, std::uint64_t session, std::uint64_t seq,
                         std::int64_t created_unix_ms) {
    const std::string variant = seq % 2 == 0 ? "control" : "treatment";
    const std::string metric = "quality_score";
    const std::string user = "user-" + std::to_string(session) + "-" + std::to_string(seq);
    const std::string text = variant + metric + user;
    EventHeader header{};
    header.size_bytes = static_cast<std::uint32_t>((sizeof header + text.size() + 7) / 8 * 8);
    header.unit_kind = static_cast<std::uint8_t>(UnitKind::kUserId);
    header.in_experiment = 1;
    header.experiment_id[0] = 7;
    header.variant_size = static_cast<std::uint16_t>(variant.size());
    header.metric_size = static_cast<std::uint16_t>(metric.size());
    header.user_id_size = static_cast<std::uint16_t>(user.size());
    header.created_unix_ms = created_unix_ms;
    header.value = static_cast<double>(session * 1'000'000'000 + seq);
    const std::size_t offset = bytes->size();
    bytes->resize(offset + header.size_bytes);
    std::memcpy(bytes->data() + offset, &header, sizeof header);
    std::memcpy(bytes->data() + offset + sizeof header, text.data(), text.size());
}

/// Who is exposed to what.
struct ExposureSample {
    std::string user = "u";
    std::string variant = "control";
    std::uint32_t phase = 1;
    std::uint8_t experiment = 7;
};

/// An exposure as evaluate() tells it.
inline void append_exposure(std::vector<std::byte>* bytes, const ExposureSample& exposure,
                            std::int64_t created_unix_ms) {
    const std::string metric = "impression";
    const std::string text = exposure.variant + metric + exposure.user;
    EventHeader header{};
    header.size_bytes = static_cast<std::uint32_t>((sizeof header + text.size() + 7) / 8 * 8);
    header.event_class = static_cast<std::uint8_t>(EventClass::kExposure);
    header.unit_kind = static_cast<std::uint8_t>(UnitKind::kUserId);
    header.in_experiment = 1;
    header.is_automatic = 1;
    header.experiment_id[0] = exposure.experiment;
    header.phase = exposure.phase;
    header.variant_size = static_cast<std::uint16_t>(exposure.variant.size());
    header.metric_size = static_cast<std::uint16_t>(metric.size());
    header.user_id_size = static_cast<std::uint16_t>(exposure.user.size());
    header.created_unix_ms = created_unix_ms;
    header.value = 1;
    const std::size_t offset = bytes->size();
    bytes->resize(offset + header.size_bytes);
    std::memcpy(bytes->data() + offset, &header, sizeof header);
    std::memcpy(bytes->data() + offset + sizeof header, text.data(), text.size());
}

/// The events [first_seq, first_seq + count) of a session.
inline std::vector<std::byte> make_events(std::uint64_t session, std::uint64_t first_seq,
                                          std::uint32_t count, std::int64_t created_unix_ms = 0) {
    std::vector<std::byte> bytes;
    for (std::uint64_t seq = first_seq; seq < first_seq + count; ++seq) {
        append_event(&bytes, session, seq, created_unix_ms);
    }
    return bytes;
}

/// A batch of events that lie in `bytes`, which must outlive it.
inline daemon::StagedBatch make_batch(std::uint64_t session, std::uint64_t first_seq,
                                      std::uint32_t count, const std::vector<std::byte>& bytes) {
    daemon::StagedBatch batch;
    batch.session_id = session_id(session);
    batch.first_seq = first_seq;
    batch.seq_count = count;
    batch.event_count = count;
    batch.staged_unix_ms = 1'000'000;
    batch.events = bytes;
    return batch;
}

/// Which event these bytes are: the number in its value, if every byte is as made; 0 otherwise.
inline std::uint64_t event_number(std::span<const std::byte> event) {
    EventHeader header{};
    if (event.size() < sizeof header) {
        return 0;
    }
    std::memcpy(&header, event.data(), sizeof header);
    const auto number = static_cast<std::uint64_t>(header.value);
    std::vector<std::byte> expected;
    append_event(&expected, number / 1'000'000'000, number % 1'000'000'000, header.created_unix_ms);
    const bool is_whole = expected.size() == event.size() &&
                          std::memcmp(expected.data(), event.data(), event.size()) == 0;
    return is_whole ? number : 0;
}

/// Everything in the spool from `from_lsn` on, as event numbers by LSN; garbage counts as 0.
inline std::vector<std::uint64_t> read_numbers(daemon::Spool& spool, std::uint64_t from_lsn,
                                               daemon::SpoolBatch* batch) {
    std::vector<std::uint64_t> numbers;
    const auto result = spool.read(from_lsn, {}, *batch);
    if (result) {
        batch->for_each_event([&](std::uint64_t, std::span<const std::byte> event) {
            numbers.push_back(event_number(event));
        });
    }
    return numbers;
}

}  // namespace burgee::test
