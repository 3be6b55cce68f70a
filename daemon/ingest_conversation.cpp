#include "daemon/ingest_conversation.hpp"

#include <burgee/checksum.hpp>
#include <cstring>

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

constexpr Counter kDropCounters[kDropReasonCount] = {
    Counter::client_dropped_ring_full, Counter::client_dropped_session_expired,
    Counter::client_dropped_too_big, Counter::client_dropped_invalid,
    Counter::client_dropped_no_experiment};
constexpr Counter kDropClassCounters[kEventClassCount] = {
    Counter::client_dropped_ordinary, Counter::client_dropped_exposure,
    Counter::client_dropped_conversion, Counter::client_dropped_error};

}  // namespace

IngestConversation::~IngestConversation() {
    if (session_ != nullptr && session_->connection_id == connection_id_) {
        session_->connection_id = 0;
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
    }
    outbox_.welcome = welcome;
    parts_.counters.add(greeting.outcome == SessionOutcome::kNew       ? Counter::sessions_new
                        : greeting.outcome == SessionOutcome::kResumed ? Counter::sessions_resumed
                                                                       : Counter::sessions_expired);
    return Next::kGoOn;
}

IngestConversation::Next IngestConversation::take_batch(std::span<std::byte> frame,
                                                        std::int64_t now_unix_ms) {
    BatchFrame batch{};
    if (frame.size() < sizeof batch || session_ == nullptr) {
        return Next::kClose;
    }
    std::memcpy(&batch, frame.data(), sizeof batch);
    const std::span<std::byte> events = frame.subspan(sizeof batch);
    if (batch.count > kBatchEventsMax || batch.reserved != 0 ||
        batch.checksum != hash64(events.data(), events.size(), batch.first_seq) ||
        (batch.count == 0 && !events.empty())) {
        return Next::kClose;
    }
    parts_.counters.add(Counter::batches);
    parts_.sessions.touch(session_, now_unix_ms);
    count_drops(batch);
    return batch.count == 0 ? Next::kGoOn : take_events(batch, events, now_unix_ms);
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
        return Next::kGoOn;
    }
    const std::uint64_t first_seq = batch.first_seq + placing.skip;
    const std::uint32_t count = batch.count - placing.skip;
    if (!skip_events(&events, placing.skip)) {
        return Next::kClose;
    }
    const CheckedEvents checked = check_events(events, count, now_unix_ms);
    if (!checked.is_well_framed) {
        return Next::kClose;
    }
    StagedBatch staged;
    staged.session_id = session_->id;
    staged.first_seq = first_seq;
    staged.seq_count = count;
    staged.event_count = checked.kept_count;
    staged.staged_unix_ms = now_unix_ms;
    staged.events = events.first(checked.kept_size_bytes);
    if (!parts_.queue.push(staged, session_)) {
        refuse_for_now(first_seq);
        return Next::kGoOn;
    }
    session_->must_repeat = false;
    session_->accepted_seq = first_seq + count - 1;
    parts_.counters.add(Counter::events_clamped, checked.clamped_count);
    for (const RefusedEvent& refused : checked.refused) {
        nack(first_seq + refused.index, refused.reason);
    }
    return Next::kGoOn;
}

void IngestConversation::count_drops(const BatchFrame& batch) {
    for (std::size_t reason = 0; reason < kDropReasonCount; ++reason) {
        for (std::size_t column = 0; column < kEventClassCount; ++column) {
            std::uint64_t& known = session_->dropped[reason][column];
            const std::uint64_t told = batch.dropped[reason][column];
            // A lower total is a repeated, older frame.
            if (told > known) {
                parts_.counters.add(kDropCounters[reason], told - known);
                parts_.counters.add(kDropClassCounters[column], told - known);
                known = told;
            }
        }
    }
}

void IngestConversation::nack(std::uint64_t seq, NackReason reason) {
    auto frame = new_frame<NackFrame>(FrameType::kNack);
    frame.seq = seq;
    frame.reason = static_cast<std::uint32_t>(reason);
    outbox_.nacks.push_back(frame);
    if (reason == NackReason::kFull) {
        parts_.counters.add(Counter::nacks_full);
        return;
    }
    const bool is_too_big = reason == NackReason::kTooBig;
    parts_.counters.add(is_too_big ? Counter::nacks_too_big : Counter::nacks_invalid);
    parts_.counters.add(is_too_big ? Counter::events_rejected_too_big
                                   : Counter::events_rejected_invalid);
}

void IngestConversation::refuse_for_now(std::uint64_t seq) {
    session_->must_repeat = true;
    nack(seq, NackReason::kFull);
}

std::uint32_t IngestConversation::credits() const {
    // Half of the queue is kept for what is under way when the clients learn of it.
    return parts_.queue.size_bytes() > parts_.queue_size_bytes_max / 2 ? 0 : kCredits;
}

void IngestConversation::acknowledge() {
    auto ack = new_frame<AckFrame>(FrameType::kAck);
    ack.durable_seq = session_->durable_seq;
    ack.credits = credits();
    is_starved_ = ack.credits == 0;
    outbox_.ack = ack;
}

}  // namespace burgee::daemon
