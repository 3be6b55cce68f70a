#pragma once

// The client's side of the protocol in docs/event_protocol.md, as a state machine that the sender
// thread steps: it is told the time, never sleeps, and says what to wait for next.
//
// The daemon's bytes are foreign: every frame's size, magic, version and numbers are checked, and
// whatever cannot be right ends the connection, to be tried again later.

#include <burgee/checksum.hpp>
#include <burgee/event_drops.hpp>
#include <burgee/event_pace.hpp>
#include <burgee/event_process.hpp>
#include <burgee/event_socket.hpp>
#include <burgee/event_timing.hpp>
#include <burgee/event_window.hpp>

#include <poll.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>

namespace burgee::detail {

/// What to wait for before the next step: `events` on `fd` when it is not -1, else the wake word.
struct SenderRest {
    int fd;
    short events;
    std::int64_t timeout_ms;
};

class EventConversation {
public:
    EventConversation(EventProcess& process, EventRing ring, const EventSite& site,
                      std::atomic<int>& shared_fd, const EventTiming& timing) noexcept
        : process_(process),
          site_(site),
          timing_(timing),
          window_(ring),
          drops_(process),
          socket_(shared_fd),
          pace_(timing),
          backoff_(timing.backoff_min, timing.backoff_max) {}

    /// Hears what came, says what can be said. `hurried`: somebody waits for the result, so a long
    /// pause before the next try is cut short.
    SenderRest step(std::int64_t now_ms, bool hurried) noexcept {
        is_blocked_ = false;
        if (hurried) {
            resume_at_ms_ = std::min(resume_at_ms_, now_ms + timing_.backoff_min);
        }
        if (phase_ == Phase::kApart && now_ms >= resume_at_ms_ && has_something_to_say()) {
            greet(now_ms);
        }
        if (phase_ != Phase::kApart) {
            hear(now_ms);
        }
        if (phase_ == Phase::kTalking && now_ms >= resume_at_ms_) {
            speak(now_ms, hurried);
        }
        if (has_lost_patience(now_ms)) {
            part(now_ms);
        }
        return rest(now_ms);
    }

    /// Whether events wait for the daemon or it has not been told of all drops yet.
    bool has_something_to_say() const noexcept { return has_events() || drops_.has_news(); }

    /// Whether stopping now loses nothing that a daemon within reach could still be told.
    bool may_stop() const noexcept {
        return phase_ == Phase::kTalking ? !has_something_to_say() : !has_events();
    }

private:
    enum class Phase { kApart, kGreeting, kTalking };

    bool has_events() const noexcept { return window_.has_undecided() || window_.has_unsent(); }

    static constexpr int kFramesHeardMax = 64;  // per step, so that a flood cannot hold the sender

    template <typename Frame>
    static Frame new_frame(FrameType type, std::size_t size_bytes) noexcept {
        Frame frame{};
        frame.header.magic = kFrameMagic;
        frame.header.type = static_cast<std::uint16_t>(type);
        frame.header.version = kProtocolVersion;
        frame.header.size_bytes = static_cast<std::uint32_t>(size_bytes);
        return frame;
    }

    void greet(std::int64_t now_ms) noexcept {
        if ((!has_session_ && !begin_session()) || !connect()) {
            part(now_ms);
            return;
        }
        auto hello = new_frame<HelloFrame>(FrameType::kHello, sizeof(HelloFrame));
        hello.session_id = session_id_;
        hello.next_seq = window_.decided_seq() + 1;
        hello.version_min = kProtocolVersion;
        hello.version_max = kProtocolVersion;
        iovec part_of_frame{&hello, sizeof hello};
        if (socket_.send(&part_of_frame, 1) != EventSocket::Outcome::kDone) {
            part(now_ms);
            return;
        }
        phase_ = Phase::kGreeting;
        progress_at_ms_ = now_ms;
    }

    bool connect() noexcept {
        const EventSocket::Connection connection = socket_.connect(site_);
        if (connection == EventSocket::Connection::kUntrusted) {
            process_.untrusted.fetch_add(1, std::memory_order_relaxed);
        }
        return connection == EventSocket::Connection::kMade;
    }

    bool begin_session() noexcept {
        has_session_ =
            getrandom(session_id_.data(), session_id_.size(), 0) == ssize_t{sizeof session_id_};
        if (has_session_) {
            backoff_.seed(hash64(session_id_.data(), session_id_.size()));
            process_.sessions.fetch_add(1, std::memory_order_relaxed);
        }
        return has_session_;
    }

    void hear(std::int64_t now_ms) noexcept {
        EventSocket::Received frame;
        for (int heard = 0; heard < kFramesHeardMax && phase_ != Phase::kApart; ++heard) {
            std::size_t size_bytes = 0;
            const EventSocket::Outcome outcome = socket_.receive(frame, size_bytes);
            if (outcome == EventSocket::Outcome::kBusy) {
                return;
            }
            if (outcome == EventSocket::Outcome::kClosed || !take(frame, size_bytes, now_ms)) {
                part(now_ms);
            }
        }
    }

    /// @return false when the frame is not what the daemon may say now.
    bool take(const EventSocket::Received& frame, std::size_t size_bytes,
              std::int64_t now_ms) noexcept {
        FrameHeader header{};
        if (size_bytes < sizeof header) {
            return false;
        }
        std::memcpy(&header, frame.data(), sizeof header);
        if (header.magic != kFrameMagic || header.version != kProtocolVersion ||
            header.size_bytes != size_bytes) {
            return false;
        }
        const auto type = static_cast<FrameType>(header.type);
        if (phase_ == Phase::kGreeting) {
            WelcomeFrame welcome{};
            return type == FrameType::kWelcome && read(frame, size_bytes, welcome) &&
                   take_welcome(welcome, now_ms);
        }
        AckFrame ack{};
        NackFrame nack{};
        return (type == FrameType::kAck && read(frame, size_bytes, ack) && take_ack(ack, now_ms)) ||
               (type == FrameType::kNack && read(frame, size_bytes, nack) &&
                take_nack(nack, now_ms));
    }

    template <typename Frame>
    static bool read(const EventSocket::Received& bytes, std::size_t size_bytes,
                     Frame& frame) noexcept {
        static_assert(sizeof(Frame) <= EventSocket::kReceivedSizeMax);
        if (size_bytes != sizeof frame) {
            return false;
        }
        std::memcpy(&frame, bytes.data(), sizeof frame);
        return true;
    }

    bool take_welcome(const WelcomeFrame& welcome, std::int64_t now_ms) noexcept {
        if (welcome.frame_size_max < sizeof(BatchFrame) + kEventSizeMax) {
            return false;  // An event of ours might never fit.
        }
        const auto outcome = static_cast<SessionOutcome>(welcome.outcome);
        const std::uint64_t durable = welcome.last_durable_seq;
        const bool is_known = outcome == SessionOutcome::kResumed;
        const bool is_sane = is_known
                                 ? durable >= window_.decided_seq() && durable <= window_.sent_seq()
                                 : durable == window_.decided_seq();
        if (outcome == SessionOutcome::kExpired || (is_known && !is_sane)) {
            // A daemon that remembers less than it acknowledged, or more than was sent, remembers
            // another session: ours is over.
            expire_session();
            part(now_ms);
            return true;
        }
        if (!is_sane || (!is_known && outcome != SessionOutcome::kNew)) {
            return false;
        }
        window_.rewind();
        phase_ = Phase::kTalking;
        frame_size_max_ = std::min(welcome.frame_size_max, kFrameSizeMax);
        credits_ = welcome.credits;
        progress_at_ms_ = now_ms;
        process_.connections.fetch_add(1, std::memory_order_relaxed);
        return take_durable(durable, now_ms);
    }

    bool take_ack(const AckFrame& ack, std::int64_t now_ms) noexcept {
        credits_ = ack.credits;
        drops_.hear_kept(ack.dropped_sum);
        return take_durable(ack.durable_seq, now_ms);
    }

    bool take_durable(std::uint64_t durable_seq, std::int64_t now_ms) noexcept {
        const std::uint64_t decided_before = window_.decided_seq();
        std::uint64_t acknowledged = 0;
        if (!window_.acknowledge(durable_seq, acknowledged)) {
            return false;
        }
        // Release: pairs with the acquire in read_counters(). The order: EventProcess.
        process_.acknowledged.fetch_add(acknowledged, std::memory_order_release);
        window_.give_back();
        if (window_.decided_seq() != decided_before) {
            progress_at_ms_ = now_ms;
            backoff_.reset();
        }
        return true;
    }

    bool take_nack(const NackFrame& nack, std::int64_t now_ms) noexcept {
        const auto reason = static_cast<NackReason>(nack.reason);
        if (reason == NackReason::kFull) {
            // One refusal a pause: the frames behind the refused one come back with it.
            if (now_ms >= resume_at_ms_) {
                window_.rewind();
                pause(now_ms);
            }
            drops_.doubt();
            progress_at_ms_ = now_ms;
            return true;
        }
        if (reason != NackReason::kInvalid && reason != NackReason::kTooBig) {
            return false;
        }
        EventClass event_class{};
        if (window_.refuse(nack.seq, event_class)) {
            drops_.add_lost(
                reason == NackReason::kInvalid ? DropReason::kInvalid : DropReason::kTooBig,
                event_class, 1);
        }
        return true;
    }

    void expire_session() noexcept {
        std::array<std::uint64_t, kEventClassCount> lost{};
        window_.expire(lost);
        for (std::size_t index = 0; index < lost.size(); ++index) {
            drops_.add_lost(DropReason::kSessionExpired, static_cast<EventClass>(index),
                            lost[index]);
        }
        if (lost[static_cast<std::size_t>(EventClass::kExposure)] != 0) {
            process_.told.forget_all();  // One of them may be lost; the daemon knows the others.
        }
        window_.give_back();
        has_session_ = false;
        drops_.begin_session();
    }

    void speak(std::int64_t now_ms, bool hurried) noexcept {
        const bool is_due = hurried || pace_.is_due(now_ms) || window_.is_over_half();
        while (window_.frames_under_way() < credits_) {
            const EventWindow::Run run =
                window_.next_run(frame_size_max_ - static_cast<std::uint32_t>(sizeof(BatchFrame)));
            if (run.count == 0 || !(is_due || run.is_full)) {
                break;
            }
            if (!window_.has_undecided()) {
                progress_at_ms_ = now_ms;  // The daemon's time to answer begins now.
            }
            if (!send_batch(run, now_ms)) {
                return;
            }
            window_.note_sent(run);
        }
        if ((hurried || now_ms >= report_at_ms_) && drops_.has_news()) {
            EventWindow::Run nothing;
            nothing.first_seq = window_.next_seq();
            send_batch(nothing, now_ms);
        }
    }

    bool send_batch(const EventWindow::Run& run, std::int64_t now_ms) noexcept {
        auto batch = new_frame<BatchFrame>(FrameType::kBatch, sizeof(BatchFrame) + run.size_bytes);
        batch.first_seq = run.first_seq;
        batch.count = run.count;
        batch.checksum = hash64(run.bytes, run.size_bytes, run.first_seq);
        const DropTable totals = drops_.totals();
        batch.dropped = drops_.since_session_began(totals);
        std::array<iovec, 2> parts{
            {{&batch, sizeof batch}, {const_cast<std::byte*>(run.bytes), run.size_bytes}}};
        const EventSocket::Outcome outcome = socket_.send(parts.data(), run.count == 0 ? 1 : 2);
        if (outcome == EventSocket::Outcome::kClosed) {
            part(now_ms);
        }
        is_blocked_ = outcome == EventSocket::Outcome::kBusy;
        if (outcome != EventSocket::Outcome::kDone) {
            return false;
        }
        pace_.note_sent(now_ms, run.is_full);
        drops_.note_told(totals);
        report_at_ms_ = now_ms + timing_.drop_report_interval;
        return true;
    }

    bool has_lost_patience(std::int64_t now_ms) const noexcept {
        const bool waits_for_decision =
            phase_ == Phase::kTalking &&
            (window_.has_undecided() || (credits_ == 0 && window_.has_unsent()));
        return (phase_ == Phase::kGreeting &&
                now_ms - progress_at_ms_ >= timing_.welcome_timeout) ||
               (waits_for_decision && now_ms - progress_at_ms_ >= timing_.stall_timeout);
    }

    void part(std::int64_t now_ms) noexcept {
        socket_.close();
        phase_ = Phase::kApart;
        drops_.doubt();
        pause(now_ms);
    }

    void pause(std::int64_t now_ms) noexcept { resume_at_ms_ = now_ms + backoff_.next(); }

    SenderRest rest(std::int64_t now_ms) const noexcept {
        const std::int64_t pause_ms = std::max<std::int64_t>(1, resume_at_ms_ - now_ms);
        if (phase_ == Phase::kApart) {
            return {-1, 0, has_something_to_say() ? pause_ms : timing_.idle_sleep};
        }
        const bool has_moved =
            now_ms - std::max(pace_.sent_at_ms(), progress_at_ms_) < timing_.idle_sleep;
        const std::int64_t listen_ms =
            has_moved ? std::min(timing_.busy_sleep, pace_.rest_ms(now_ms)) : timing_.idle_sleep;
        if (phase_ == Phase::kGreeting) {
            return {socket_.fd(), POLLIN, std::min(listen_ms, timing_.welcome_timeout)};
        }
        if (is_blocked_) {
            return {socket_.fd(), POLLIN | POLLOUT, listen_ms};
        }
        if (window_.has_undecided() || credits_ == 0) {
            return {socket_.fd(), POLLIN, std::min(listen_ms, timing_.stall_timeout)};
        }
        if (now_ms < resume_at_ms_) {
            return {-1, 0, std::min(pause_ms, timing_.idle_sleep)};
        }
        return {-1, 0, pace_.rest_ms(now_ms)};
    }

    EventProcess& process_;
    const EventSite site_;
    const EventTiming& timing_;
    EventWindow window_;
    DropAccount drops_;
    EventSocket socket_;
    EventPace pace_;
    Phase phase_ = Phase::kApart;
    bool has_session_ = false;
    bool is_blocked_ = false;  ///< this step found the socket's buffer full
    std::array<std::uint8_t, 16> session_id_{};
    std::uint32_t frame_size_max_ = kFrameSizeMax;
    std::uint32_t credits_ = 0;
    std::int64_t progress_at_ms_ = 0;  ///< when the daemon last decided something
    std::int64_t resume_at_ms_ = 0;    ///< nothing is sent before
    std::int64_t report_at_ms_ = 0;    ///< no frame only for drops before
    EventBackoff backoff_;
};

}  // namespace burgee::detail
