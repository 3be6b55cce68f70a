// Promise: whatever frames clients send, in whatever order, on whatever connections, no number is
// acknowledged or refused before it is durable, numbers told never fall, and of every session the
// spool holds each durable event once and in order, but for those that were refused.
// Method: the daemon's conversations with the real session table, queue and spool, on a disk in
// memory whose next sync the input may fail; the harness is the event server without its sockets.
// Frames get their magic, sizes and checksums right, unless the input wants them loose.
//
// An input is a list of steps, each of a kind, a connection, and what the kind asks for.

#include <burgee/checksum.hpp>

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/ingest_conversation.hpp"
#include "tests/fuzz/failing_store.hpp"
#include "tests/fuzz/input_reader.hpp"

namespace burgee::fuzz {
namespace {

using daemon::IngestConversation;
using daemon::IngestReport;
using daemon::Session;
using daemon::SessionId;

enum class Step : std::uint8_t { kConnect, kHello, kBatch, kLooseFrame, kSettle, kFailSync };
constexpr std::uint8_t kStepCount = 6;
constexpr int kStepsMax = 32;  // of an input
constexpr std::size_t kConnections = 3;
constexpr std::uint8_t kSessions = 4;
constexpr std::int64_t kNow = 1'700'000'000'000;
/// A fresh spool after so many inputs, whose sessions it remembers.
constexpr int kInputsOfASpool = 500;

/// What must come true of a session. An id that begins anew, after it expired, is another session.
struct Expected {
    std::uint64_t number = 0;  ///< of the session among those of the input; its events carry it
    std::uint64_t durable_seq = 0;
    std::set<std::uint64_t> refused;
    std::uint64_t repeated = 0;   ///< exposures that were known
    std::uint64_t known_seq = 0;  ///< what its client, by the highest HELLO, has decided
};

class Ingest {
public:
    Ingest(Store& store, InputReader input)
        : store_(store),
          input_(input),
          parts_{sessions_, exposures_, *store.queue, counters_, log_},
          first_lsn_(store.spool->durable_end_lsn()) {}

    void run() {
        for (int step = 0; step < kStepsMax && !input_.is_empty(); ++step) {
            const auto kind = static_cast<Step>(input_.take<std::uint8_t>() % kStepCount);
            take_step(kind, input_.take<std::uint8_t>() % kConnections);
        }
        settle();
        check_spool();
        store_.spool->release(store_.spool->durable_end_lsn());
    }

private:
    struct Connection {
        std::unique_ptr<IngestConversation> talk;
        std::uint64_t id = 0;
        std::uint64_t heard_seq = 0;  ///< the highest number it was told to be durable
        std::uint64_t hello_next_seq = 0;
    };

    void take_step(Step step, std::size_t place) {
        Connection& connection = connections_[place];
        switch (step) {
            case Step::kConnect:
                connection = {};
                connection.id = ++last_id_;
                connection.talk = std::make_unique<IngestConversation>(parts_, connection.id);
                return;
            case Step::kHello:
                hello(connection);
                return;
            case Step::kBatch:
                batch(connection);
                return;
            case Step::kLooseFrame:
                loose_frame(connection);
                return;
            case Step::kSettle:
                settle();
                return;
            case Step::kFailSync:
                settle();
                store_.fails = true;
                return;
        }
    }

    static SessionId id_of(std::uint8_t number) {
        SessionId id{};
        id[0] = static_cast<std::uint8_t>(1 + number % kSessions);
        const std::uint64_t input = input_count;  // no input knows another's
        std::memcpy(id.data() + 8, &input, sizeof input);
        return id;
    }

    void hello(Connection& connection) {
        HelloFrame hello{};
        hello.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kHello),
                        kProtocolVersion, sizeof hello, 0};
        hello.session_id = id_of(input_.take<std::uint8_t>());
        const auto next = input_.take<std::uint8_t>();
        hello.next_seq = next < 250 ? next : input_.take<std::uint64_t>();
        hello.version_min = hello.version_max = kProtocolVersion;
        connection.hello_next_seq = hello.next_seq;
        std::vector<std::byte> frame(sizeof hello);
        std::memcpy(frame.data(), &hello, sizeof hello);
        say(connection, frame);
    }

    /// An event of this number; `fault` says what is wrong with it, mostly nothing.
    void append_event(std::vector<std::byte>& bytes, std::uint64_t session, std::uint64_t seq,
                      std::uint8_t fault) {
        const bool is_automatic = fault == 250;
        const std::string_view texts = is_automatic ? "bimpressionuser" : "bscoreuser";
        EventHeader event{};
        event.size_bytes = static_cast<std::uint32_t>((sizeof event + texts.size() + 7) / 8 * 8);
        event.unit_kind = static_cast<std::uint8_t>(UnitKind::kUserId);
        event.in_experiment = 1;
        event.variant_size = 1;
        event.metric_size = is_automatic ? 10 : 5;
        event.user_id_size = 4;
        std::memcpy(event.experiment_id.data(), &session, sizeof session);
        event.created_unix_ms = kNow - static_cast<std::int64_t>(seq % 1'000'000);
        event.value = static_cast<double>(seq);
        if (is_automatic) {
            event.event_class = static_cast<std::uint8_t>(EventClass::kExposure);
            event.is_automatic = 1;
            event.phase = 1;
            event.value = 1;
        } else if (fault == 251) {
            event.unit_kind = 9;
        } else if (fault == 252) {
            event.variant_size = kEventTextSizeMax + 1;
        } else if (fault == 253) {
            event.size_bytes += 8;
        }
        const std::size_t offset = bytes.size();
        bytes.resize(offset + (sizeof event + texts.size() + 7) / 8 * 8);
        std::memcpy(bytes.data() + offset, &event, sizeof event);
        std::memcpy(bytes.data() + offset + sizeof event, texts.data(), texts.size());
    }

    void batch(Connection& connection) {
        const Session* const session = connection.talk ? connection.talk->session() : nullptr;
        const std::uint64_t expected = session != nullptr ? session->accepted_seq + 1 : 1;
        BatchFrame batch{};
        batch.first_seq =
            expected + static_cast<std::uint64_t>(std::int64_t{input_.take<std::int8_t>()} / 16);
        batch.count = input_.take<std::uint8_t>() % 8;
        batch.dropped[input_.take<std::uint8_t>() % kDropReasonCount][0] =
            input_.take<std::uint8_t>() / 64;
        std::vector<std::byte> events;
        const std::uint64_t number = session != nullptr ? expected_[session->id].number : 0;
        for (std::uint32_t index = 0; index < batch.count; ++index) {
            append_event(events, number, batch.first_seq + index, input_.take<std::uint8_t>());
        }
        batch.header = {kFrameMagic, static_cast<std::uint16_t>(FrameType::kBatch),
                        kProtocolVersion, static_cast<std::uint32_t>(sizeof batch + events.size()),
                        0};
        batch.checksum = hash64(events.data(), events.size(), batch.first_seq);
        std::vector<std::byte> frame(sizeof batch + events.size());
        std::memcpy(frame.data(), &batch, sizeof batch);
        std::copy(events.begin(), events.end(), frame.begin() + sizeof batch);
        say(connection, frame);
    }

    void loose_frame(Connection& connection) {
        const auto given = input_.take_bytes(input_.take<std::uint8_t>());
        std::vector<std::byte> frame(given.size());
        std::transform(given.begin(), given.end(), frame.begin(),
                       [](std::uint8_t byte) { return static_cast<std::byte>(byte); });
        if (frame.size() >= sizeof(FrameHeader) && frame[0] != std::byte{0xFF}) {
            const FrameHeader header{kFrameMagic, static_cast<std::uint16_t>(frame[4]),
                                     kProtocolVersion, static_cast<std::uint32_t>(frame.size()), 0};
            std::memcpy(frame.data(), &header, sizeof header);
        }
        say(connection, frame);
    }

    /// As the event server hears a frame.
    void say(Connection& connection, std::span<std::byte> frame) {
        if (!connection.talk) {
            return;
        }
        if (connection.talk->has_all_under_way()) {
            settle();
        }
        const bool had_greeted = connection.talk->has_greeted();
        Session* const session = connection.talk->session();
        const std::uint32_t before = session != nullptr ? session->batches_under_way : 0;
        if (connection.talk->receive(frame, kNow) == IngestConversation::Next::kClose) {
            connection = {};
            return;
        }
        if (session != nullptr) {
            under_way_ += session->batches_under_way - before;
        }
        if (!had_greeted) {
            for (Connection& other : connections_) {
                if (other.talk && other.id == connection.talk->replaced_connection_id()) {
                    other.talk->leave_session();
                    other = {};
                }
            }
        }
        hear(connection);
    }

    /// Applies what the spool did, as the event server does.
    void settle() {
        for (const IngestReport& report : store_.take_reports(std::exchange(under_way_, 0))) {
            store_.queue->settle(report);
            for (const IngestReport::Batch& batch : report.batches) {
                --batch.session->batches_under_way;
                report.error ? fail(batch) : apply(batch);
            }
            if (report.error) {
                exposures_.withdraw_all();
                store_.fails = false;
                store_.queue->resume();
            }
        }
        store_.fails = false;
        for (Connection& connection : connections_) {
            if (connection.talk) {
                hear(connection);
            }
        }
    }

    Connection* connection_of(const Session& session) {
        for (Connection& connection : connections_) {
            if (connection.talk && connection.id == session.connection_id) {
                return &connection;
            }
        }
        return nullptr;
    }

    void apply(const IngestReport::Batch& batch) {
        Session& session = *batch.session;
        exposures_.settle(batch.exposures.first);
        if (batch.seq_count != 0) {
            require(batch.first_seq == session.durable_seq + 1, "numbers are stored without holes");
            session.durable_seq = batch.first_seq + batch.seq_count - 1;
        }
        Expected& expected = expected_[session.id];
        expected.durable_seq = session.durable_seq;
        expected.repeated += batch.exposures.repeated;
        for (const auto& refusal : batch.refusals) {
            for (std::uint32_t index = 0; index < refusal.count; ++index) {
                expected.refused.insert(refusal.first_seq + index);
            }
        }
        sessions_.note_refusals(batch.refusals);
        if (batch.totals) {
            session.drops->durable = *batch.totals;
        }
        if (Connection* const connection = connection_of(session)) {
            connection->talk->refuse(batch.refusals);
            connection->talk->acknowledge();
        }
    }
    void fail(const IngestReport::Batch& batch) {
        Session& session = *batch.session;
        if (session.drops) {
            session.drops->queued = session.drops->durable;
        }
        session.accepted_seq = session.durable_seq;
        session.must_repeat = true;
        if (Connection* const connection = connection_of(session)) {
            connection->talk->refuse_for_now(batch.first_seq);
        }
    }

    /// Takes what would be sent to a client, and checks each word.
    void hear(Connection& connection) {
        daemon::Outbox& outbox = connection.talk->outbox();
        const Session* const session = connection.talk->session();
        if (outbox.welcome && session != nullptr &&
            outbox.welcome->outcome == static_cast<std::uint32_t>(SessionOutcome::kNew)) {
            stored_before_ += stored_of(expected_[session->id]);
            expected_[session->id] = {++last_session_number_, 0, {}, 0, 0};
        }
        static Expected nothing;
        Expected& expected = session != nullptr ? expected_[session->id] : nothing;
        if (outbox.welcome) {
            const auto outcome = static_cast<SessionOutcome>(outbox.welcome->outcome);
            require(outbox.welcome->last_durable_seq <= expected.durable_seq,
                    "WELCOME covers nothing that is not durable");
            require(outcome != SessionOutcome::kResumed ||
                        outbox.welcome->last_durable_seq + 1 >= connection.hello_next_seq,
                    "a session that is resumed knows what its client knows");
            expected.known_seq = std::max(expected.known_seq, connection.hello_next_seq - 1);
            for (const std::uint64_t refused : expected.refused) {
                require(refused <= expected.known_seq || refused > outbox.welcome->last_durable_seq,
                        "WELCOME covers no refusal that its client may not know");
            }
            connection.heard_seq = outbox.welcome->last_durable_seq;
        }
        for (const auto& range : outbox.nacks) {
            require(range.count > 0, "a NACK is of a number");
            for (std::uint32_t index = 0; index < range.count; ++index) {
                require(range.reason == NackReason::kFull ||
                            expected.refused.count(range.first_seq + index) == 1,
                        "NACK names what was refused, once that is durable");
            }
        }
        if (outbox.ack) {
            require(outbox.ack->durable_seq <= expected.durable_seq,
                    "ACK covers nothing that is not durable");
            require(outbox.ack->durable_seq >= connection.heard_seq, "ACKs never fall");
            connection.heard_seq = outbox.ack->durable_seq;
        }
        outbox = {};
    }

    static std::uint64_t stored_of(const Expected& expected) {
        return expected.durable_seq - expected.refused.size() - expected.repeated;
    }

    /// The spool holds of each session what is durable and was not refused, once and in order.
    void check_spool() {
        std::uint64_t wanted = stored_before_;
        for (const auto& [id, expected] : expected_) {
            wanted += stored_of(expected);
        }
        const std::uint64_t end_lsn = store_.spool->durable_end_lsn();
        require(end_lsn - first_lsn_ == wanted, "each durable event is stored once");
        static daemon::SpoolBatch batch;
        std::map<std::uint64_t, std::int64_t> last_of;
        for (std::uint64_t lsn = first_lsn_; lsn < end_lsn; lsn = batch.end_lsn) {
            require(store_.spool->read(lsn, {}, batch).has_value() && batch.gaps.empty(),
                    "what is durable can be read");
            batch.for_each_event([&](std::uint64_t, std::span<const std::byte> bytes) {
                EventHeader event{};
                std::memcpy(&event, bytes.data(), sizeof event);
                require(event.size_bytes == bytes.size() && event.metric_size != 0, "and is whole");
                std::uint64_t session = 0;
                std::memcpy(&session, event.experiment_id.data(), sizeof session);
                const std::int64_t seq = kNow - event.created_unix_ms;
                std::int64_t& last = last_of[session];
                require(session != 0 && seq > last, "events of a session are in their order");
                last = seq;
            });
        }
    }

public:
    static inline std::uint64_t input_count = 0;

private:
    Store& store_;
    InputReader input_;
    daemon::SessionTable sessions_{{}};
    daemon::ExposureMemory exposures_;
    daemon::Counters counters_;
    daemon::RefusalLog log_{[](const std::string&) {}};
    daemon::IngestParts parts_;
    std::map<SessionId, Expected> expected_;
    std::array<Connection, kConnections> connections_;
    std::uint64_t last_id_ = 0;
    std::uint64_t last_session_number_ = 0;
    std::uint64_t stored_before_ = 0;  ///< of sessions whose ids began anew
    std::size_t under_way_ = 0;        ///< batches that are queued and not reported
    std::uint64_t first_lsn_;
};

}  // namespace
}  // namespace burgee::fuzz

/// What an input leaves behind for the next one looks like a leak to libFuzzer, which then scans
/// all memory: ten times the time of an input. Leaks are still looked for at the end.
extern "C" int LLVMFuzzerInitialize(int* count, char*** values) {
    static std::string option = "-detect_leaks=0";
    static std::vector<char*> arguments(*values, *values + *count);
    arguments.push_back(option.data());
    *count = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);
    *values = arguments.data();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace burgee::fuzz;
    static std::unique_ptr<Store> store;
    if (Ingest::input_count++ % kInputsOfASpool == 0) {
        store = nullptr;
        store = std::make_unique<Store>();
    }
    Ingest(*store, InputReader(data, size)).run();
    return 0;
}
