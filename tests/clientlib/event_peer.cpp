#include "tests/clientlib/event_peer.hpp"

#include <burgee/checksum.hpp>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace burgee::test {
namespace {

template <typename Frame>
Frame frame_of(FrameType type) {
    Frame frame{};
    frame.header = {kFrameMagic, static_cast<std::uint16_t>(type), kProtocolVersion, sizeof(Frame),
                    0};
    return frame;
}

void say(int fd, const void* bytes, std::size_t size_bytes) {
    // A client that hung up meanwhile is seen at the next read.
    static_cast<void>(send(fd, bytes, size_bytes, MSG_NOSIGNAL | MSG_DONTWAIT));
}

void say_nack(int fd, std::uint64_t seq, NackReason reason) {
    auto nack = frame_of<NackFrame>(FrameType::kNack);
    nack.seq = seq;
    nack.reason = static_cast<std::uint32_t>(reason);
    say(fd, &nack, sizeof nack);
}

}  // namespace

EventPeer::EventPeer(std::filesystem::path directory) : directory_(std::move(directory)) {
    start();
}

EventPeer::~EventPeer() {
    stop();
}

void EventPeer::start() {
    // Bound by its name in the directory, because a long path does not fit an address.
    const std::filesystem::path before = std::filesystem::current_path();
    std::filesystem::current_path(directory_);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, kEventSocketName);
    listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool is_bound =
        bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        listen(listener_, 128) == 0;
    std::filesystem::current_path(before);
    ASSERT_TRUE(is_bound) << std::strerror(errno);
    is_stopping_ = false;
    thread_ = std::thread([this] { serve(); });
}

void EventPeer::stop() {
    if (thread_.joinable()) {
        {
            const std::lock_guard lock(mutex_);
            is_stopping_ = true;
        }
        thread_.join();
        close(listener_);
        std::filesystem::remove(directory_ / kEventSocketName);
    }
}

void EventPeer::set_manners(const PeerManners& manners) {
    const std::lock_guard lock(mutex_);
    manners_ = manners;
}

void EventPeer::forget_sessions() {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, session] : sessions_) {
        forgotten_.push_back(id);
    }
}

std::map<SessionId, PeerSession> EventPeer::sessions() const {
    const std::lock_guard lock(mutex_);
    return sessions_;
}

std::size_t EventPeer::stored_count() const {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& [id, session] : sessions_) {
        count += session.events.size() - session.refused.size();
    }
    return count;
}

std::size_t EventPeer::connection_count() const {
    const std::lock_guard lock(mutex_);
    return connection_count_;
}

std::size_t EventPeer::batch_count() const {
    const std::lock_guard lock(mutex_);
    return batch_count_;
}

std::size_t EventPeer::batches_after_lies() const {
    const std::lock_guard lock(mutex_);
    return batches_after_lies_;
}

std::size_t EventPeer::drop_report_count() const {
    const std::lock_guard lock(mutex_);
    return drop_report_count_;
}

std::vector<std::string> EventPeer::complaints() const {
    const std::lock_guard lock(mutex_);
    return complaints_;
}

void EventPeer::complain(const std::string& what) {
    complaints_.push_back(what);
}

void EventPeer::serve() {
    std::vector<Connection> connections;
    for (;;) {
        std::vector<pollfd> waits{{listener_, POLLIN, 0}};
        for (const Connection& connection : connections) {
            waits.push_back({connection.fd, POLLIN, 0});
        }
        poll(waits.data(), waits.size(), 2);
        const std::lock_guard lock(mutex_);
        if (is_stopping_) {
            break;
        }
        for (std::size_t index = connections.size(); index-- > 0;) {
            if (!manners_.reads_nothing && (waits[index + 1].revents & (POLLIN | POLLHUP)) != 0 &&
                !serve_connection(connections[index])) {
                close(connections[index].fd);
                connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(index));
            }
        }
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            connections.push_back({fd});
            ++connection_count_;
        }
    }
    for (const Connection& connection : connections) {
        close(connection.fd);
    }
}

bool EventPeer::serve_connection(Connection& connection) {
    Bytes frame(kFrameSizeMax + 1);
    const ssize_t size = recv(connection.fd, frame.data(), frame.size(), MSG_DONTWAIT);
    if (size <= 0) {
        return size < 0 && errno == EAGAIN;
    }
    frame.resize(static_cast<std::size_t>(size));
    FrameHeader header{};
    std::memcpy(&header, frame.data(), std::min(sizeof header, frame.size()));
    if (header.magic != kFrameMagic || header.version != kProtocolVersion ||
        header.size_bytes != frame.size() || header.reserved != 0 || frame.size() > kFrameSizeMax) {
        complain("a frame whose header is wrong");
        return false;
    }
    if (connection.was_lied_to) {
        ++batches_after_lies_;
        return true;
    }
    return connection.is_greeted ? take_batch(connection, frame) : take_hello(connection, frame);
}

bool EventPeer::take_hello(Connection& connection, const Bytes& frame) {
    HelloFrame hello{};
    if (frame.size() != sizeof hello) {
        complain("a first frame that is no HELLO");
        return false;
    }
    std::memcpy(&hello, frame.data(), sizeof hello);
    if (!manners_.answers_hello) {
        return true;
    }
    if (manners_.raw_welcome) {
        say(connection.fd, manners_.raw_welcome->data(), manners_.raw_welcome->size());
        has_lied_ = connection.was_lied_to = true;
        return true;
    }
    const auto known = sessions_.find(hello.session_id);
    const bool is_forgotten =
        known != sessions_.end() &&
        (manners_.expires_sessions ||
         std::find(forgotten_.begin(), forgotten_.end(), hello.session_id) != forgotten_.end());
    auto welcome = frame_of<WelcomeFrame>(FrameType::kWelcome);
    welcome.frame_size_max = manners_.frame_size_max;
    welcome.credits = manners_.credits;
    SessionOutcome outcome = SessionOutcome::kNew;
    welcome.last_durable_seq = hello.next_seq - 1;
    if (is_forgotten) {
        outcome = SessionOutcome::kExpired;
    } else if (known != sessions_.end()) {
        outcome = SessionOutcome::kResumed;
        welcome.last_durable_seq = known->second.durable_seq;
        if (hello.next_seq > known->second.durable_seq + 1 && !has_lied_) {
            complain("a HELLO that skips events which are not durable");
        }
    } else if (hello.next_seq != 1) {
        outcome = SessionOutcome::kExpired;
        if (!has_lied_) {
            complain("a new session that does not begin at 1");
        }
    }
    welcome.outcome = static_cast<std::uint32_t>(outcome);
    if (outcome != SessionOutcome::kExpired) {
        sessions_[hello.session_id];
    }
    connection.session = hello.session_id;
    connection.is_greeted = outcome != SessionOutcome::kExpired;
    if (outcome == SessionOutcome::kResumed) {
        say_welcome_back(connection, welcome, hello.next_seq);
    } else {
        say(connection.fd, &welcome, sizeof welcome);
    }
    return true;
}

// What was refused and may not have been heard is said again before its number is acknowledged.
void EventPeer::say_welcome_back(const Connection& connection, WelcomeFrame welcome,
                                 std::uint64_t next_seq) {
    const auto& refused = sessions_[connection.session].refused;
    const auto first = std::find_if(refused.begin(), refused.end(),
                                    [&](const auto& each) { return each.first >= next_seq; });
    if (first != refused.end()) {
        welcome.last_durable_seq = first->first - 1;
    }
    say(connection.fd, &welcome, sizeof welcome);
    for (auto each = first; each != refused.end(); ++each) {
        say_nack(connection.fd, each->first, each->second);
    }
    if (first != refused.end()) {
        say_ack(connection);
    }
}

bool EventPeer::take_batch(Connection& connection, const Bytes& frame) {
    BatchFrame batch{};
    if (frame.size() < sizeof batch || frame.size() > manners_.frame_size_max) {
        complain("a BATCH of a wrong size");
        return false;
    }
    std::memcpy(&batch, frame.data(), sizeof batch);
    if (batch.count == 0) {
        return take_drops(connection, batch);
    }
    sessions_[connection.session].dropped = batch.dropped;
    ++batch_count_;
    ++connection.batches;
    const bool hangs_up = connection.batches == manners_.close_at_batch;
    if (hangs_up && !manners_.stores_before_close) {
        return false;
    }
    if (manners_.refusals_full > 0) {
        --manners_.refusals_full;
        say_nack(connection.fd, batch.first_seq, NackReason::kFull);
        return true;
    }
    if (!manners_.answers_batches) {
        return true;
    }
    if (!store(connection, batch, frame, !hangs_up)) {
        return false;
    }
    if (hangs_up) {
        return false;
    }
    if (manners_.raw_ack) {
        say(connection.fd, manners_.raw_ack->data(), manners_.raw_ack->size());
        has_lied_ = true;
        return true;
    }
    say_ack(connection);
    return true;
}

bool EventPeer::take_drops(Connection& connection, const BatchFrame& batch) {
    if (manners_.drop_reports_unheard > 0) {
        --manners_.drop_reports_unheard;
        return false;
    }
    if (manners_.drop_reports_full > 0) {
        --manners_.drop_reports_full;
        say_nack(connection.fd, batch.first_seq, NackReason::kFull);
        return true;
    }
    sessions_[connection.session].dropped = batch.dropped;
    ++drop_report_count_;
    if (manners_.answers_batches && !manners_.raw_ack) {
        say_ack(connection);
    }
    return true;
}

void EventPeer::say_ack(const Connection& connection) {
    const PeerSession& session = sessions_[connection.session];
    auto ack = frame_of<AckFrame>(FrameType::kAck);
    ack.durable_seq = session.durable_seq;
    ack.credits = manners_.credits;
    ack.dropped_sum = static_cast<std::uint32_t>(total(session.dropped));
    say(connection.fd, &ack, sizeof ack);
}

bool EventPeer::store(Connection& connection, const BatchFrame& batch, const Bytes& frame,
                      bool says_so) {
    PeerSession& session = sessions_[connection.session];
    const std::byte* events = frame.data() + sizeof batch;
    const std::size_t size_bytes = frame.size() - sizeof batch;
    if (hash64(events, size_bytes, batch.first_seq) != batch.checksum) {
        complain("a BATCH whose checksum is wrong");
        return false;
    }
    if (batch.first_seq > session.durable_seq + 1) {
        return false;  // A gap, which follows a NACK FULL: the client resumes.
    }
    std::size_t offset = 0;
    for (std::uint64_t seq = batch.first_seq; seq < batch.first_seq + batch.count; ++seq) {
        EventHeader header{};
        if (size_bytes - offset < sizeof header) {
            complain("a BATCH with fewer events than it says");
            return false;
        }
        std::memcpy(&header, events + offset, sizeof header);
        if (header.size_bytes > size_bytes - offset || header.size_bytes % 8 != 0) {
            complain("an event that does not fit its BATCH");
            return false;
        }
        const std::byte* event = events + offset;
        offset += header.size_bytes;
        if (seq <= session.durable_seq) {
            if (Bytes(event, event + header.size_bytes) != session.events[seq - 1]) {
                complain("another event under a number that was used");
            }
            continue;
        }
        session.events.emplace_back(event, event + header.size_bytes);
        session.durable_seq = seq;
        const NackReason judgement = manners_.judge ? manners_.judge(seq) : NackReason::kFull;
        if (judgement != NackReason::kFull) {
            session.refused.emplace_back(seq, judgement);
            if (says_so) {
                say_nack(connection.fd, seq, judgement);
            }
        }
    }
    if (offset != size_bytes) {
        complain("a BATCH with bytes behind its events");
    }
    return true;
}

bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

void expect_identities(const EventCounters& counters) {
    EXPECT_EQ(counters.offered, counters.accepted + total(counters.refused));
    EXPECT_EQ(counters.accepted, counters.acknowledged + counters.in_flight + total(counters.lost));
}

EventDraft draft_with_value(double value) {
    EventDraft draft;
    draft.experiment_id[15] = 1;
    draft.variant = "control";
    draft.metric = "quality_score";
    draft.value = value;
    draft.user_id = "user-7";
    draft.unit_kind = UnitKind::kUserId;
    return draft;
}

EventHeader header_of(const Bytes& event) {
    EventHeader header{};
    std::memcpy(&header, event.data(), sizeof header);
    return header;
}

}  // namespace burgee::test
