#include "daemon/spool/session_positions.hpp"

#include <algorithm>
#include <burgee/checksum.hpp>
#include <cstring>

namespace burgee::daemon {

std::size_t SessionPositions::SessionHash::operator()(const SessionId& id) const {
    return static_cast<std::size_t>(hash64(id.data(), id.size()));
}

void SessionPositions::note(const SessionPosition& position) {
    Place& place = positions_[position.session_id];
    place.last_seq = std::max(place.last_seq, position.last_seq);
    place.seen_unix_ms = std::max(place.seen_unix_ms, position.seen_unix_ms);
    // A sixteenth above the bound, so that the sort is paid once in so many sessions.
    if (positions_.size() > count_max_ + count_max_ / 16) {
        forget_oldest();
    }
}

void SessionPositions::note_events(std::span<const std::byte> payload) {
    EventsPrefix prefix{};
    if (payload.size() >= sizeof prefix) {
        std::memcpy(&prefix, payload.data(), sizeof prefix);
        note({prefix.session_id, prefix.first_seq + prefix.seq_count - 1, prefix.staged_unix_ms});
    }
}

void SessionPositions::note_sessions(std::span<const std::byte> payload) {
    for (; payload.size() >= sizeof(SessionRecord);
         payload = payload.subspan(sizeof(SessionRecord))) {
        SessionRecord record{};
        std::memcpy(&record, payload.data(), sizeof record);
        note({record.session_id, record.last_seq, record.seen_unix_ms});
    }
}

void SessionPositions::note_refusals(std::span<const std::byte> payload) {
    for (; payload.size() >= sizeof(RefusalRecord);
         payload = payload.subspan(sizeof(RefusalRecord))) {
        RefusalRecord record{};
        std::memcpy(&record, payload.data(), sizeof record);
        refusals_.note(record);
    }
}

void SessionPositions::note_totals(std::span<const std::byte> payload) {
    for (; payload.size() >= sizeof(TotalsRecord);
         payload = payload.subspan(sizeof(TotalsRecord))) {
        TotalsRecord record{};
        std::memcpy(&record, payload.data(), sizeof record);
        // The totals before the position, which may be one too many and forget both again.
        SessionTotals& totals = totals_[record.session_id];
        for (std::size_t index = 0; index < totals.size(); ++index) {
            totals[index] = std::max(totals[index], record.totals[index]);
        }
        note({record.session_id, 0, record.seen_unix_ms});
    }
}

void SessionPositions::note_frame(SpoolFrameType type, std::span<const std::byte> payload) {
    switch (type) {
        case SpoolFrameType::kEvents:
            note_events(payload);
            return;
        case SpoolFrameType::kSessions:
            note_sessions(payload);
            return;
        case SpoolFrameType::kRefusals:
            note_refusals(payload);
            return;
        case SpoolFrameType::kTotals:
            note_totals(payload);
            return;
        case SpoolFrameType::kWatermark:
        case SpoolFrameType::kGap:
            return;
    }
}

void SessionPositions::settle() {
    for (const RefusalRecord& refusal : refusals_.all()) {
        const auto place = positions_.find(refusal.session_id);
        refusals_.forget_after(refusal.session_id,
                               place == positions_.end() ? 0 : place->second.last_seq);
    }
}

std::vector<TotalsRecord> SessionPositions::totals() const {
    std::vector<TotalsRecord> records;
    records.reserve(totals_.size());
    for (const auto& [id, totals] : totals_) {
        records.push_back({id, positions_.at(id).seen_unix_ms, totals});
    }
    return records;
}

std::uint64_t SessionPositions::size_bytes() const {
    return positions_.size() * sizeof(SessionRecord) + totals_.size() * sizeof(TotalsRecord) +
           refusals_.range_count() * sizeof(RefusalRecord);
}

std::vector<SessionPosition> SessionPositions::all() const {
    std::vector<SessionPosition> sessions;
    sessions.reserve(positions_.size());
    for (const auto& [id, place] : positions_) {
        sessions.push_back({id, place.last_seq, place.seen_unix_ms});
    }
    return sessions;
}

void SessionPositions::forget_oldest() {
    std::vector<SessionPosition> sessions = all();
    const auto cut = sessions.begin() + static_cast<std::ptrdiff_t>(sessions.size() - count_max_);
    std::nth_element(
        sessions.begin(), cut, sessions.end(),
        [](const auto& left, const auto& right) { return left.seen_unix_ms < right.seen_unix_ms; });
    std::for_each(sessions.begin(), cut, [this](const auto& session) {
        positions_.erase(session.session_id);
        totals_.erase(session.session_id);
        refusals_.forget(session.session_id);
    });
}

}  // namespace burgee::daemon
