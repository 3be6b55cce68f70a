// Promise: whatever a daemon answers, a client ends in a state of its own: it counts no event as
// acknowledged that no answer covered, loses count of none, never gives a number to two events, and
// sends no more frames than it was granted.
// Method: the client's conversation with its ring and a real socket; the input is what the daemon
// does, answers with the sizes and numbers that get past the first checks among it.
//
// An input is a list of steps, each of a kind and what the kind asks for.

#include <burgee/event_conversation.hpp>
#include <burgee/event_encoder.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/fuzz/input_reader.hpp"

namespace burgee::fuzz {
namespace {

using detail::EventProcess;

enum class Step : std::uint8_t { kOffer, kTurn, kWelcome, kAck, kNack, kLooseFrame, kHangUp };
constexpr std::uint8_t kStepCount = 7;
constexpr int kStepsMax = 32;  // of an input
constexpr std::uint64_t kRingSize = detail::kEventRingSizeMin;

/// A directory with a listening `events.sock`, for all inputs.
class Door {
public:
    Door() {
        std::string pattern = "/tmp/burgee-fuzz-XXXXXX";
        require(::mkdtemp(pattern.data()) != nullptr, "a directory can be made");
        directory = pattern;
        sockaddr_un address{};
        require(detail::event_socket_address(directory.c_str(), address), "the path is short");
        listener = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        require(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                    ::listen(listener, 64) == 0,
                "the socket can be made");
    }
    ~Door() {
        ::unlink((directory + "/" + kEventSocketName).c_str());
        ::rmdir(directory.c_str());
    }
    Door(const Door&) = delete;
    Door& operator=(const Door&) = delete;

    std::string directory;
    int listener = -1;
};

/// What the daemon's side knows of a session.
struct KnownSession {
    std::map<std::uint64_t, double> events;  ///< by number: the value names the event
    std::uint64_t sent_seq = 0;
    std::uint64_t told_durable_seq = 0;  ///< the highest number any answer covered
};

/// The same memory for every input, blank again but for the tables of exposures, which nothing here
/// reads: mapping it anew would cost more than all the rest.
EventProcess* blank_process() {
    static EventProcess* const process = detail::map_event_process(kRingSize);
    require(process != nullptr, "there is memory for a ring");
    auto* const bytes = reinterpret_cast<std::byte*>(process);
    const std::byte* const end_of_counts = reinterpret_cast<std::byte*>(&process->met);
    std::memset(bytes, 0, static_cast<std::size_t>(end_of_counts - bytes));
    std::memset(bytes + detail::kEventProcessSize, 0,
                detail::EventRing::memory_size_bytes(kRingSize));
    return process;
}

class AnsweredClient {
public:
    AnsweredClient(Door& door, InputReader input)
        : door_(door),
          input_(input),
          process_(blank_process()),
          ring_(detail::ring_of(process_, kRingSize)) {
        ring_.describe();
        conversation_ = std::make_unique<detail::EventConversation>(
            *process_, ring_, detail::EventSite{door_.directory.c_str()}, shared_fd_, timing_);
    }
    ~AnsweredClient() {
        conversation_.reset();
        hang_up();
        for (int late = 0; (late = ::accept(door_.listener, nullptr, nullptr)) >= 0;) {
            ::close(late);
        }
    }
    AnsweredClient(const AnsweredClient&) = delete;
    AnsweredClient& operator=(const AnsweredClient&) = delete;

    void run() {
        for (int step = 0; step < kStepsMax && !input_.is_empty(); ++step) {
            take_step(static_cast<Step>(input_.take<std::uint8_t>() % kStepCount));
        }
        turn(10'000, false);
    }

private:
    void take_step(Step step) {
        switch (step) {
            case Step::kOffer:
                offer(1 + input_.take<std::uint8_t>() % 8);
                return;
            case Step::kTurn: {
                const auto how = input_.take<std::uint8_t>();
                turn(std::int64_t{how} * (how % 4 == 0 ? 200 : 1), how % 2 == 1);
                return;
            }
            case Step::kWelcome:
                welcome();
                return;
            case Step::kAck:
                acknowledge();
                return;
            case Step::kNack: {
                auto nack = new_frame<NackFrame>(FrameType::kNack);
                nack.seq = number_near(session().told_durable_seq + 1);
                nack.reason = input_.take<std::uint8_t>() % 5;
                send(&nack, sizeof nack);
                return;
            }
            case Step::kLooseFrame: {
                const auto bytes = input_.take_bytes(input_.take<std::uint8_t>() % 80);
                send(bytes.data(), bytes.size());
                return;
            }
            case Step::kHangUp:
                hang_up();
                return;
        }
    }

    template <class Frame>
    Frame new_frame(FrameType type) {
        Frame frame{};
        frame.header = {kFrameMagic, static_cast<std::uint16_t>(type), kProtocolVersion,
                        sizeof frame, 0};
        return frame;
    }

    /// Mostly a number a little off, sometimes any.
    std::uint64_t number_near(std::uint64_t number) {
        const auto offset = input_.take<std::int8_t>();
        return offset == -128 ? input_.take<std::uint64_t>()
                              : number + static_cast<std::uint64_t>(std::int64_t{offset});
    }

    void welcome() {
        auto frame = new_frame<WelcomeFrame>(FrameType::kWelcome);
        frame.outcome = input_.take<std::uint8_t>() % 5;
        frame.last_durable_seq = number_near(greeted_next_seq_ - 1);
        const auto size = input_.take<std::uint8_t>();
        frame.frame_size_max = size < 200 ? kFrameSizeMax : std::uint32_t{size} * 25;
        frame.credits = input_.take<std::uint8_t>() % 70;
        cover(frame.last_durable_seq);
        granted_ = std::max(granted_, frame.credits);
        send(&frame, sizeof frame);
    }
    void acknowledge() {
        auto ack = new_frame<AckFrame>(FrameType::kAck);
        ack.durable_seq = number_near(session().sent_seq);
        ack.credits = input_.take<std::uint8_t>() % 70;
        ack.dropped_sum = input_.take<std::uint8_t>();
        cover(ack.durable_seq);
        granted_ = std::max(granted_, ack.credits);
        send(&ack, sizeof ack);
    }
    /// What no number was given to is covered by no answer.
    void cover(std::uint64_t seq) {
        KnownSession& known = session();
        if (seq <= known.sent_seq) {
            known.told_durable_seq = std::max(known.told_durable_seq, seq);
        }
    }

    void send(const void* bytes, std::size_t size_bytes) {
        if (peer_ >= 0 && ::send(peer_, bytes, size_bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            hang_up();
        }
    }
    void hang_up() {
        if (peer_ >= 0) {
            ::close(std::exchange(peer_, -1));
        }
    }

    void offer(int count) {
        EventDraft draft;
        draft.experiment_id[0] = 1;
        draft.variant = "control";
        draft.metric = "score";
        draft.created_unix_ms = 1;
        for (; count > 0; --count) {
            draft.value = ++offered_;
            // No exposures: when one is lost all are forgotten, which takes longer than all else.
            const auto event_class =
                count % 2 == 0 ? EventClass::kOrdinary : EventClass::kConversion;
            const auto room = ring_.reserve(detail::encoded_size_bytes(draft), event_class);
            if (room.record != nullptr) {
                detail::encode(draft, event_class, room.record);
            }
        }
    }

    void turn(std::int64_t passed_ms, bool is_hurried) {
        now_ms_ += passed_ms;
        conversation_->step(now_ms_, is_hurried);
        listen();
        check_counts();
    }

    /// Hears what the client says, on the newest connection.
    void listen() {
        for (int peer = 0;
             (peer = ::accept4(door_.listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
            hang_up();
            peer_ = peer;
            granted_ = 0;
        }
        static std::vector<std::byte> frame(kFrameSizeMax);
        while (peer_ >= 0) {
            const ssize_t size =
                ::recv(peer_, frame.data(), frame.size(), MSG_DONTWAIT | MSG_TRUNC);
            if (size == 0) {
                hang_up();
            }
            if (size <= 0) {
                return;
            }
            require(static_cast<std::size_t>(size) <= frame.size(), "no frame is too long");
            hear(std::span(frame).first(static_cast<std::size_t>(size)));
        }
    }

    void hear(std::span<const std::byte> frame) {
        FrameHeader header{};
        require(frame.size() >= sizeof header, "a frame has a header");
        std::memcpy(&header, frame.data(), sizeof header);
        require(header.magic == kFrameMagic && header.size_bytes == frame.size(), "and a true one");
        if (header.type == static_cast<std::uint16_t>(FrameType::kHello)) {
            HelloFrame hello{};
            require(frame.size() == sizeof hello, "HELLO has its size");
            std::memcpy(&hello, frame.data(), sizeof hello);
            session_id_ = hello.session_id;
            greeted_next_seq_ = hello.next_seq;
            require(hello.next_seq <= session().told_durable_seq + 1,
                    "nothing is decided that no answer covered");
            return;
        }
        require(header.type == static_cast<std::uint16_t>(FrameType::kBatch), "else it is a BATCH");
        BatchFrame batch{};
        require(frame.size() >= sizeof batch, "BATCH has its size");
        std::memcpy(&batch, frame.data(), sizeof batch);
        hear_events(batch, frame.subspan(sizeof batch));
    }

    void hear_events(const BatchFrame& batch, std::span<const std::byte> events) {
        KnownSession& known = session();
        require(batch.checksum == hash64(events.data(), events.size(), batch.first_seq),
                "the checksum is right");
        require(granted_ > 0 || batch.count == 0, "frames need credits");
        require(batch.first_seq >= 1 && batch.first_seq <= known.sent_seq + 1,
                "numbers have no holes");
        std::size_t offset = 0;
        for (std::uint32_t index = 0; index < batch.count; ++index) {
            EventHeader event{};
            require(events.size() - offset >= sizeof event, "the events are there");
            std::memcpy(&event, events.data() + offset, sizeof event);
            require(event.size_bytes >= sizeof event && event.size_bytes <= events.size() - offset,
                    "they are whole");
            const auto [place, is_new] = known.events.emplace(batch.first_seq + index, event.value);
            require(is_new || place->second == event.value, "a number means one event");
            offset += event.size_bytes;
        }
        require(offset == events.size(), "nothing follows them");
        known.sent_seq = std::max(known.sent_seq, batch.first_seq + batch.count - 1);
    }

    void check_counts() {
        std::uint64_t covered = 0;
        for (const auto& [id, known] : sessions_) {
            covered += known.told_durable_seq;
        }
        std::uint64_t lost = 0;
        for (const auto& classes : process_->lost) {
            for (const auto& count : classes) {
                lost += count.load();
            }
        }
        const std::uint64_t acknowledged = process_->acknowledged.load();
        require(acknowledged <= covered, "nothing is acknowledged that no answer covered");
        require(acknowledged + lost <= ring_.accepted_count(), "no event is decided twice");
        require(ring_.head() <= ring_.tail(), "the ring gives back what it took");
    }

    KnownSession& session() { return sessions_[session_id_]; }

    Door& door_;
    InputReader input_;
    EventProcess* process_;
    detail::EventRing ring_;
    detail::EventTiming timing_;
    std::atomic<int> shared_fd_{-1};
    std::unique_ptr<detail::EventConversation> conversation_;
    std::map<std::array<std::uint8_t, 16>, KnownSession> sessions_;
    std::array<std::uint8_t, 16> session_id_{};
    std::uint64_t greeted_next_seq_ = 1;
    std::uint32_t granted_ = 0;  ///< the most credits on this connection
    int peer_ = -1;
    std::int64_t now_ms_ = 1'000;
    double offered_ = 0;
};

}  // namespace
}  // namespace burgee::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static burgee::fuzz::Door door;
    burgee::fuzz::AnsweredClient(door, burgee::fuzz::InputReader(data, size)).run();
    return 0;
}
