#include "daemon/session_table.hpp"

#include <algorithm>
#include <burgee/checksum.hpp>
#include <vector>

#include "daemon/spool/mutations.hpp"

namespace burgee::daemon {

std::size_t SessionTable::SessionHash::operator()(const SessionId& id) const {
    return static_cast<std::size_t>(hash64(id.data(), id.size()));
}

bool SessionTable::is_in_use(const Session& session) {
    return session.connection_id != 0 || session.batches_under_way != 0 ||
           session.accepted_seq != session.durable_seq ||
           (session.drops && session.drops->queued != session.drops->durable);
}

void SessionTable::load(std::span<const SessionPosition> positions,
                        std::span<const RefusalRecord> refusals,
                        std::span<const TotalsRecord> totals) {
    std::vector<SessionPosition> by_age(positions.begin(), positions.end());
    std::sort(by_age.begin(), by_age.end(), [](const auto& left, const auto& right) {
        return left.seen_unix_ms < right.seen_unix_ms;
    });
    for (const SessionPosition& position : by_age) {
        insert(position.session_id, position.last_seq, position.seen_unix_ms);
    }
    note_refusals(refusals);
    for (const TotalsRecord& record : totals) {
        if (const auto known = index_.find(record.session_id); known != index_.end()) {
            known->second->drops =
                std::make_unique<SessionDrops>(SessionDrops{record.totals, record.totals});
        }
    }
}

void SessionTable::note_refusals(std::span<const RefusalRecord> refusals) {
    for (const RefusalRecord& refusal : refusals) {
        refusals_.note(refusal);
    }
}

Session* SessionTable::insert(const SessionId& id, std::uint64_t last_seq,
                              std::int64_t seen_unix_ms) {
    Session& session = sessions_.emplace_front();
    session.id = id;
    session.accepted_seq = last_seq;
    session.durable_seq = last_seq;
    session.seen_unix_ms = seen_unix_ms;
    index_[id] = sessions_.begin();
    return &session;
}

void SessionTable::erase(Sessions::iterator session) {
    refusals_.forget(session->id);
    index_.erase(session->id);
    sessions_.erase(session);
}

void SessionTable::forget_old(std::int64_t now_unix_ms) {
    // Sessions in use step to the front; the loop is bounded because each step shrinks the rest.
    for (std::size_t left = sessions_.size(); left > 0; --left) {
        const auto oldest = std::prev(sessions_.end());
        const bool is_idle = now_unix_ms - oldest->seen_unix_ms > limits_.idle_max_ms;
        if (!is_idle && sessions_.size() <= limits_.count_max) {
            return;
        }
        if (is_in_use(*oldest)) {
            sessions_.splice(sessions_.begin(), sessions_, oldest);
        } else {
            erase(oldest);
        }
    }
}

SessionTable::Greeting SessionTable::greet(const SessionId& id, std::uint64_t next_seq,
                                           std::int64_t now_unix_ms) {
    forget_old(now_unix_ms);
    const auto known = index_.find(id);
    if (known == index_.end()) {
        if (next_seq != 1) {
            return {SessionOutcome::kExpired, nullptr};
        }
        Session* const session = insert(id, 0, now_unix_ms);
        forget_old(now_unix_ms);
        return {SessionOutcome::kNew, session};
    }
    Session* const session = &*known->second;
    if (next_seq == 0 || next_seq - 1 > session->durable_seq) {
        if (!is_in_use(*session)) {
            erase(known->second);
        }
        return {SessionOutcome::kExpired, nullptr};
    }
    touch(session, now_unix_ms);
    refusals_.forget_until(id, next_seq - 1);
    session->must_repeat = false;
    return {SessionOutcome::kResumed, session};
}

SessionTable::Placing SessionTable::place(const Session& session, std::uint64_t first_seq,
                                          std::uint32_t count) {
    const std::uint64_t expected = session.accepted_seq + 1;
    if (first_seq == 0 || first_seq > expected) {
        return {Order::kGap, 0};
    }
    const std::uint64_t repeated = expected - first_seq;
    if (kMutateNoDedup) {
        return {Order::kTake, 0};
    }
    return repeated >= count ? Placing{Order::kDuplicate, count}
                             : Placing{Order::kTake, static_cast<std::uint32_t>(repeated)};
}

void SessionTable::leave(Session* session) {
    session->connection_id = 0;
    const bool is_blank = session->accepted_seq == 0 &&
                          (!session->drops || session->drops->durable == SessionTotals{});
    if (is_blank && !is_in_use(*session)) {
        erase(index_.at(session->id));
    }
}

void SessionTable::touch(Session* session, std::int64_t now_unix_ms) {
    session->seen_unix_ms = std::max(session->seen_unix_ms, now_unix_ms);
    const auto place = index_.find(session->id);
    sessions_.splice(sessions_.begin(), sessions_, place->second);
}

}  // namespace burgee::daemon
