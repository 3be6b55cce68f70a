#include "daemon/ingest_conversation.hpp"

#include <burgee/checksum.hpp>
#include <cstring>

#include "daemon/client_drops.hpp"
#include "daemon/event_check.hpp"

namespace burgee::daemon {
namespace {

template <class Frame>
Frame new_frame(FrameType type) {
    Frame frame{};
    frame.header.magic = kFrameMagic;
    frame.header.type = static_cast<std::uint16_t>(type);
    frame.header.version = kProtocolVersion;
    frame.header.size_bytes = sizeof frame;
    return frame;
}

}  // namespace

NackFrame nack_frame(std::uint64_t seq, NackReason reason) {
    auto frame = new_frame<NackFrame>(FrameType::kNack);
    frame.seq = seq;
    frame.reason = static_cast<std::uint32_t>(reason);
    return frame;
}

IngestConversation::~IngestConversation() {
    if (session_ != nullptr && session_->connection_id == connection_id_) {
        parts_.sessions.leave(session_);
    }
}

IngestConversation::Next IngestConversation::receive(std::span<std::byte> frame,
                                                     std::int64_t now_unix_ms) {
    FrameHeader header{};
    if (frame.size() < sizeof header || frame.size() > kFrameSizeMax) {
        return Next::kClose;
    }
    std::memcpy(&header, frame.data(), sizeof header);
    if (header.magic != kFrameMagic || header.version != kProtocolVersion ||
        header.size_bytes != frame.size() || header.reserved != 0) {
        return Next::kClose;
    }
    const auto type = static_cast<FrameType>(header.type);
    if (!has_greeted_) {
        return type == FrameType::kHello ? greet(frame, now_unix_ms) : Next::kClose;
    }
    return type == FrameType::kBatch ? take_batch(frame, now_unix_ms) : Next::kClose;
}

IngestConversation::Next IngestConversation::greet(std::span<const std::byte> frame,
                                                   std::int64_t now_unix_ms) {
    HelloFrame hello{};
    if (frame.size() != sizeof hello) {
        return Next::kClose;
    }
    std::memcpy(&hello, frame.data(), sizeof hello);
    if (hello.next_seq == 0 || hello.reserved != 0 || hello.version_min > kProtocolVersion ||
        hello.version_max < kProtocolVersion) {
        return Next::kClose;
    }
    const auto greeting = parts_.sessions.greet(hello.session_id, hello.next_seq, now_unix_ms);
    has_greeted_ = true;
    session_ = greeting.session;
    auto welcome = new_frame<WelcomeFrame>(FrameType::kWelcome);
    welcome.outcome = static_cast<std::uint32_t>(greeting.outcome);
    welcome.frame_size_max = kFrameSizeMax;
    welcome.credits = kCredits;
    if (session_ != nullptr) {
        replaced_connection_id_ = session_->connection_id;
        session_->connection_id = connection_id_;
        welcome.last_durable_seq = session_->durable_seq;
        repeat_refusals(&welcome);
    }
    outbox_.welcome = welcome;
    parts_.counters.add(greeting.outcome == SessionOutcome::kNew       ? Counter::sessions_new
                        : greeting.outcome == SessionOutcome::kResumed ? Counter::sessions_resumed
                                                                       : Counter::sessions_expired);
    return Next::kGoOn;
}

// WELCOME stops short of the first of them, because a client takes what WELCOME covers for stored;
// the NACKs and an ACK follow. Clients that know nothing of this do the right thing.
void IngestConversation::repeat_refusals(WelcomeFrame* welcome) {
    const auto refusals = parts_.sessions.refusals(*session_);
    if (!refusals.empty()) {
        welcome->last_durable_seq = refusals.front().first_seq - 1;
        refuse(refusals);
        acknowledge();
    }
}

IngestConversation::Next IngestConversation::take_batch(std::span<std::byte> frame,
                                                        std::int64_t now_unix_ms) {
    BatchFrame batch{};
    if (frame.size() < sizeof batch || session_ == nullptr) {
        return Next::kClose;
    }
    std::memcpy(&batch, frame.data(), sizeof batch);
    const std::span<std::byte> events = frame.subspan(sizeof batch);
    // Numbers begin at 1, those of a frame that only tells drops too: the spool takes no other.
    if (batch.first_seq == 0 || batch.count > kBatchEventsMax || batch.reserved != 0 ||
        batch.checksum != hash64(events.data(), events.size(), batch.first_seq) ||
        (batch.count == 0 && !events.empty())) {
        return Next::kClose;
    }
    parts_.counters.add(Counter::batches);
    parts_.sessions.touch(session_, now_unix_ms);
    return batch.count == 0 ? take_drops(batch, now_unix_ms)
                            : take_events(batch, events, now_unix_ms);
}

bool IngestConversation::skip_events(std::span<std::byte>* events, std::uint32_t skip) {
    for (; skip > 0; --skip) {
        std::uint32_t size_bytes = 0;
        if (events->size() < sizeof(EventHeader)) {
            return false;
        }
        std::memcpy(&size_bytes, events->data(), sizeof size_bytes);
        if (size_bytes < sizeof(EventHeader) || size_bytes > events->size()) {
            return false;
        }
        *events = events->subspan(size_bytes);
    }
    return true;
}

IngestConversation::Next IngestConversation::take_events(const BatchFrame& batch,
                                                         std::span<std::byte> events,
                                                         std::int64_t now_unix_ms) {
    const auto placing = SessionTable::place(*session_, batch.first_seq, batch.count);
    if (placing.order == SessionTable::Order::kGap) {
        if (!session_->must_repeat) {
            return Next::kClose;
        }
        // It was under way when the batch before it was refused, and comes again after that one.
        refuse_for_now(batch.first_seq);
        return Next::kGoOn;
    }
    parts_.counters.add(Counter::events_duplicate, placing.skip);
    if (placing.order == SessionTable::Order::kDuplicate) {
        acknowledge();
        return take_drops(batch, now_unix_ms);
    }
    if (!skip_events(&events, placing.skip)) {
        return Next::kClose;
    }
    return store_events(batch, events, batch.first_seq + placing.skip, batch.count - placing.skip,
                        now_unix_ms);
}

IngestConversation::Next IngestConversation::store_events(const BatchFrame& batch,
                                                          std::span<std::byte> events,
                                                          std::uint64_t first_seq,
                                                          std::uint32_t count,
                                                          std::int64_t now_unix_ms) {
    const CheckedEvents checked = check_events(events, count, now_unix_ms);
    if (!checked.is_well_framed) {
        return Next::kClose;
    }
    ExposureMemory::Sifted kept{{}, checked.kept_count, checked.kept_size_bytes};
    if (checked.automatic_count != 0) {
        kept = parts_.exposures.sift(events.first(checked.kept_size_bytes));
    }
    StagedBatch staged;
    staged.session_id = session_->id;
    staged.first_seq = first_seq;
    staged.seq_count = count;
    staged.event_count = kept.kept_count;
    staged.staged_unix_ms = now_unix_ms;
    staged.events = events.first(kept.kept_size_bytes);
    std::vector<RefusalRecord> refusals;
    for (const RefusedEvent& refused : checked.refused) {
        refusals.push_back({session_->id, first_seq + refused.index, 1,
                            static_cast<std::uint32_t>(refused.reason)});
    }
    staged.refusals = refusals;
    if (!push(batch, staged, kept.counts)) {
        parts_.exposures.withdraw(kept.counts.first);
        refuse_for_now(first_seq);
        return Next::kGoOn;
    }
    session_->must_repeat = false;
    session_->accepted_seq = first_seq + count - 1;
    parts_.counters.add(Counter::events_clamped, checked.clamped_count);
    for (const RefusedEvent& refused : checked.refused) {
        parts_.refusal_log.note(refused.reason, refused.why, now_unix_ms);
    }
    return Next::kGoOn;
}

bool IngestConversation::has_new_drops(const BatchFrame& batch) const {
    const SessionTotals known = session_->drops ? session_->drops->queued : SessionTotals{};
    return told_drops(batch, known) != known;
}

bool IngestConversation::push(const BatchFrame& frame, StagedBatch staged,
                              const ExposureCounts& exposures) {
    const SessionTotals known = session_->drops ? session_->drops->queued : SessionTotals{};
    const SessionTotals told = told_drops(frame, known);
    staged.totals = told == known ? nullptr : &told;
    if (!parts_.queue.push(staged, session_, exposures)) {
        return false;
    }
    ++session_->batches_under_way;
    if (staged.totals != nullptr) {
        if (!session_->drops) {
            session_->drops = std::make_unique<SessionDrops>();
        }
        session_->drops->queued = told;
    }
    return true;
}

IngestConversation::Next IngestConversation::take_drops(const BatchFrame& batch,
                                                        std::int64_t now_unix_ms) {
    StagedBatch staged;
    staged.session_id = session_->id;
    staged.first_seq = batch.first_seq;
    staged.staged_unix_ms = now_unix_ms;
    if (!has_new_drops(batch)) {
        acknowledge();
    } else if (!push(batch, staged)) {
        refuse_drops_for_now(batch.first_seq);
    }
    return Next::kGoOn;
}

void IngestConversation::refuse(std::span<const RefusalRecord> refusals) {
    for (const RefusalRecord& range : refusals) {
        nack({range.first_seq, range.count, static_cast<NackReason>(range.reason)});
    }
}

void IngestConversation::nack(const RefusedRange& range) {
    const bool is_full = range.reason == NackReason::kFull;
    const bool is_too_big = range.reason == NackReason::kTooBig;
    parts_.counters.add(is_full      ? Counter::nacks_full
                        : is_too_big ? Counter::nacks_too_big
                                     : Counter::nacks_invalid,
                        range.count);
    if (!outbox_.nacks.empty()) {
        RefusedRange& last = outbox_.nacks.back();
        if (!is_full && last.reason == range.reason &&
            last.first_seq + last.count == range.first_seq) {
            last.count += range.count;
            return;
        }
    }
    outbox_.nacks.push_back(range);
}

void IngestConversation::refuse_for_now(std::uint64_t seq) {
    session_->must_repeat = true;
    nack({seq, 1, NackReason::kFull});
}

std::uint32_t IngestConversation::credits() const {
    return parts_.queue.is_half_full() ? 0 : kCredits;
}

void IngestConversation::acknowledge() {
    auto ack = new_frame<AckFrame>(FrameType::kAck);
    ack.durable_seq = session_->durable_seq;
    ack.credits = credits();
    ack.dropped_sum = session_->drops ? drop_sum(session_->drops->durable) : 0;
    is_starved_ = ack.credits == 0;
    outbox_.ack = ack;
}

}  // namespace burgee::daemon
