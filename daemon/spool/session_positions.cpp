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
    std::for_each(sessions.begin(), cut,
                  [this](const auto& session) { positions_.erase(session.session_id); });
}

}  // namespace burgee::daemon
