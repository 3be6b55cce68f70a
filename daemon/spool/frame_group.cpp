#include "daemon/spool/frame_group.hpp"

#include <algorithm>
#include <burgee/checksum.hpp>
#include <cstring>

namespace burgee::daemon {

std::byte* FrameGroup::append(SpoolFrameType type, std::uint64_t first_lsn, std::uint32_t count,
                              std::size_t payload_size) {
    SpoolFrameHeader header{};
    header.magic = kSpoolFrameMagic;
    header.payload_size = static_cast<std::uint32_t>(payload_size);
    header.first_lsn = first_lsn;
    header.count = count;
    header.type = static_cast<std::uint16_t>(type);
    const std::size_t offset = bytes_.size();
    bytes_.resize(offset + sizeof header + payload_size);
    std::memcpy(bytes_.data() + offset, &header, sizeof header);
    frames_.push_back({offset, sizeof header + payload_size, first_lsn, first_lsn + count, type});
    return bytes_.data() + offset + sizeof header;
}

void FrameGroup::add_batch(const StagedBatch& batch, std::uint64_t first_lsn) {
    add_refusals(batch.refusals, first_lsn);
    if (batch.totals != nullptr) {
        const TotalsRecord record{batch.session_id, batch.staged_unix_ms, *batch.totals};
        add_totals(std::span(&record, 1), first_lsn);
    }
    if (batch.seq_count != 0) {
        add_events(batch, first_lsn);
    }
}

void FrameGroup::add_events(const StagedBatch& batch, std::uint64_t first_lsn) {
    EventsPrefix prefix{};
    prefix.session_id = batch.session_id;
    prefix.first_seq = batch.first_seq;
    prefix.staged_unix_ms = batch.staged_unix_ms;
    prefix.seq_count = batch.seq_count;
    std::byte* payload = append(SpoolFrameType::kEvents, first_lsn, batch.event_count,
                                sizeof prefix + batch.events.size());
    std::memcpy(payload, &prefix, sizeof prefix);
    std::copy(batch.events.begin(), batch.events.end(), payload + sizeof prefix);
}

void FrameGroup::add_watermark(std::uint64_t next_lsn) {
    append(SpoolFrameType::kWatermark, next_lsn, 0, 0);
}

template <class Record>
void FrameGroup::add_records(SpoolFrameType type, std::span<const Record> records,
                             std::uint64_t next_lsn) {
    constexpr std::size_t kRecordsMax = (64U << 10U) / sizeof(Record);
    while (!records.empty()) {
        const auto part = records.first(std::min(kRecordsMax, records.size()));
        std::byte* payload = append(type, next_lsn, 0, part.size_bytes());
        std::memcpy(payload, part.data(), part.size_bytes());
        records = records.subspan(part.size());
    }
}

void FrameGroup::add_sessions(std::span<const SessionPosition> sessions, std::uint64_t next_lsn) {
    std::vector<SessionRecord> records;
    records.reserve(sessions.size());
    for (const SessionPosition& session : sessions) {
        records.push_back({session.session_id, session.last_seq, session.seen_unix_ms});
    }
    add_records<SessionRecord>(SpoolFrameType::kSessions, records, next_lsn);
}

void FrameGroup::add_gaps(std::span<const GapRecord> gaps, std::uint64_t next_lsn) {
    add_records<GapRecord>(SpoolFrameType::kGap, gaps, next_lsn);
}

void FrameGroup::add_refusals(std::span<const RefusalRecord> refusals, std::uint64_t next_lsn) {
    add_records<RefusalRecord>(SpoolFrameType::kRefusals, refusals, next_lsn);
}

void FrameGroup::add_totals(std::span<const TotalsRecord> totals, std::uint64_t next_lsn) {
    add_records<TotalsRecord>(SpoolFrameType::kTotals, totals, next_lsn);
}

void FrameGroup::truncate(std::size_t count) {
    frames_.resize(count);
    bytes_.resize(frames_.back().offset + frames_.back().size_bytes);
}

void FrameGroup::clear() {
    bytes_.clear();
    frames_.clear();
}

void FrameGroup::seal(std::size_t begin, std::size_t end, std::uint64_t salt,
                      std::uint64_t durable_lsn) {
    for (std::size_t index = begin; index < end; ++index) {
        std::byte* const place = bytes_.data() + frames_[index].offset;
        SpoolFrameHeader header{};
        std::memcpy(&header, place, sizeof header);
        header.durable_lsn = durable_lsn;
        header.payload_checksum = hash64(place + sizeof header, header.payload_size, salt);
        header.header_checksum = hash64(&header, offsetof(SpoolFrameHeader, header_checksum), salt);
        std::memcpy(place, &header, sizeof header);
    }
}

std::span<const std::byte> FrameGroup::bytes(std::size_t begin, std::size_t end) const {
    if (begin == end) {
        return {};
    }
    const Frame& last = frames_[end - 1];
    const std::size_t offset = frames_[begin].offset;
    return std::span(bytes_).subspan(offset, last.offset + last.size_bytes - offset);
}

std::span<const std::byte> FrameGroup::payload(const Frame& frame) const {
    return std::span(bytes_).subspan(frame.offset + sizeof(SpoolFrameHeader),
                                     frame.size_bytes - sizeof(SpoolFrameHeader));
}

}  // namespace burgee::daemon
