#include "daemon/spool/refusal_memory.hpp"

#include <algorithm>
#include <burgee/checksum.hpp>

namespace burgee::daemon {
namespace {

/// No client counts this far in the life of a machine; below it, sums of numbers stay numbers.
constexpr std::uint64_t kSeqMax = 1ULL << 63U;

std::uint64_t end_of(const RefusalRecord& range) {
    return range.first_seq + range.count;
}

/// Cuts off what lies before `first_seq`.
RefusalRecord from(RefusalRecord range, std::uint64_t first_seq) {
    const std::uint64_t skipped = first_seq > range.first_seq ? first_seq - range.first_seq : 0;
    range.first_seq += skipped;
    range.count -= static_cast<std::uint32_t>(std::min<std::uint64_t>(skipped, range.count));
    return range;
}

}  // namespace

std::size_t RefusalMemory::SessionHash::operator()(const SessionId& id) const {
    return static_cast<std::size_t>(hash64(id.data(), id.size()));
}

void RefusalMemory::note(const RefusalRecord& refusal) {
    if (refusal.first_seq > kSeqMax) {
        return;  // made up
    }
    const auto known = index_.find(refusal.session_id);
    if (known == index_.end()) {
        if (refusal.count != 0) {
            sessions_.push_front({refusal});
            index_[refusal.session_id] = sessions_.begin();
            ++range_count_;
            keep_bounds(sessions_.begin());
        }
        return;
    }
    const auto session = known->second;
    RefusalRecord& newest = session->back();
    const RefusalRecord range = from(refusal, end_of(newest));
    if (range.count == 0) {
        return;
    }
    const bool continues =
        range.first_seq == end_of(newest) && range.reason == newest.reason &&
        range.count < kRefusalWindow - std::min<std::uint64_t>(newest.count, kRefusalWindow);
    if (continues) {
        newest.count += range.count;
    } else {
        session->push_back(range);
        ++range_count_;
    }
    sessions_.splice(sessions_.begin(), sessions_, session);
    keep_bounds(session);
}

void RefusalMemory::keep_bounds(Sessions::iterator newest) {
    const std::uint64_t end = end_of(newest->back());
    const std::size_t before = newest->size();
    if (newest->size() > kSessionRefusalsMax) {
        newest->erase(newest->begin());
    }
    // The newest range stays, because it ends within the window.
    while (end_of(newest->front()) + kRefusalWindow <= end) {
        newest->erase(newest->begin());
    }
    range_count_ -= before - newest->size();
    while (range_count_ > ranges_max_ && sessions_.size() > 1) {
        erase(std::prev(sessions_.end()));
    }
}

void RefusalMemory::erase(Sessions::iterator session) {
    range_count_ -= session->size();
    index_.erase(session->front().session_id);
    sessions_.erase(session);
}

void RefusalMemory::forget_until(const SessionId& id, std::uint64_t decided_seq) {
    const auto known = index_.find(id);
    if (known == index_.end()) {
        return;
    }
    Ranges& ranges = *known->second;
    if (end_of(ranges.back()) <= decided_seq + 1) {
        erase(known->second);
        return;
    }
    const auto first = std::find_if(ranges.begin(), ranges.end(), [&](const auto& range) {
        return end_of(range) > decided_seq + 1;
    });
    range_count_ -= static_cast<std::size_t>(first - ranges.begin());
    ranges.erase(ranges.begin(), first);
    ranges.front() = from(ranges.front(), decided_seq + 1);
}

void RefusalMemory::forget_after(const SessionId& id, std::uint64_t last_seq) {
    const auto known = index_.find(id);
    if (known == index_.end()) {
        return;
    }
    Ranges& ranges = *known->second;
    if (ranges.front().first_seq > last_seq) {
        erase(known->second);
        return;
    }
    while (ranges.back().first_seq > last_seq) {
        ranges.pop_back();
        --range_count_;
    }
    RefusalRecord& newest = ranges.back();
    newest.count = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(newest.count, last_seq + 1 - newest.first_seq));
}

void RefusalMemory::forget(const SessionId& id) {
    const auto known = index_.find(id);
    if (known != index_.end()) {
        erase(known->second);
    }
}

std::span<const RefusalRecord> RefusalMemory::of(const SessionId& id) const {
    const auto known = index_.find(id);
    return known == index_.end() ? std::span<const RefusalRecord>() : *known->second;
}

std::vector<RefusalRecord> RefusalMemory::all() const {
    std::vector<RefusalRecord> records;
    records.reserve(range_count_);
    // The longest ago first, so that whoever notes them again keeps the order.
    for (auto ranges = sessions_.rbegin(); ranges != sessions_.rend(); ++ranges) {
        records.insert(records.end(), ranges->begin(), ranges->end());
    }
    return records;
}

}  // namespace burgee::daemon
