#include "event_client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "spool_events.hpp"

namespace burgee::test {
namespace {

constexpr int kPatienceMs = 10'000;  // a failure, not a measure

template <class Frame>
Frame new_frame(FrameType type, std::size_t size_bytes = sizeof(Frame)) {
    Frame frame{};
    frame.header.magic = kFrameMagic;
    frame.header.type = static_cast<std::uint16_t>(type);
    frame.header.version = kProtocolVersion;
    frame.header.size_bytes = static_cast<std::uint32_t>(size_bytes);
    return frame;
}

std::int64_t unix_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

}  // namespace

EventClient::EventClient(const std::string& path)
    : descriptor_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
    if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(std::exchange(descriptor_, -1));
    }
}

EventClient::~EventClient() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

EventClient::EventClient(EventClient&& other) noexcept
    : nacks(std::move(other.nacks)),
      durable_seq(other.durable_seq),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

bool EventClient::send(const void* bytes, std::size_t size_bytes) {
    return ::send(descriptor_, bytes, size_bytes, MSG_NOSIGNAL) == static_cast<ssize_t>(size_bytes);
}

bool EventClient::send_hello(std::uint64_t session, std::uint64_t next_seq) {
    auto hello = new_frame<HelloFrame>(FrameType::kHello);
    const auto id = session_id(session);
    std::memcpy(hello.session_id.data(), id.data(), id.size());
    hello.next_seq = next_seq;
    hello.version_min = kProtocolVersion;
    hello.version_max = kProtocolVersion;
    return send(&hello, sizeof hello);
}

bool EventClient::send_batch(std::uint64_t session, std::uint64_t first_seq, std::uint32_t count) {
    BatchFrame batch{};
    batch.first_seq = first_seq;
    batch.count = count;
    return send_batch(batch, make_events(session, first_seq, count, unix_ms()));
}

bool EventClient::send_batch(BatchFrame batch, const std::vector<std::byte>& events) {
    batch.header = new_frame<BatchFrame>(FrameType::kBatch, sizeof batch + events.size()).header;
    batch.checksum = hash64(events.data(), events.size(), batch.first_seq);
    std::vector<std::byte> frame(sizeof batch + events.size());
    std::memcpy(frame.data(), &batch, sizeof batch);
    std::copy(events.begin(), events.end(), frame.begin() + sizeof batch);
    return send(frame.data(), frame.size());
}

std::optional<std::vector<std::byte>> EventClient::receive() {
    pollfd waiting{descriptor_, POLLIN, 0};
    if (::poll(&waiting, 1, kPatienceMs) != 1) {
        return std::nullopt;
    }
    std::vector<std::byte> bytes(256);
    const ssize_t size = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
    if (size <= 0) {
        return std::nullopt;
    }
    bytes.resize(static_cast<std::size_t>(size));
    return bytes;
}

std::optional<WelcomeFrame> EventClient::greet(std::uint64_t session, std::uint64_t next_seq) {
    return send_hello(session, next_seq) ? receive_as<WelcomeFrame>(FrameType::kWelcome)
                                         : std::nullopt;
}

bool EventClient::wait_durable(std::uint64_t seq) {
    while (durable_seq < seq) {
        const auto bytes = receive();
        if (!bytes) {
            return false;
        }
        FrameHeader header{};
        std::memcpy(&header, bytes->data(), sizeof header);
        if (header.type == static_cast<std::uint16_t>(FrameType::kAck)) {
            AckFrame ack{};
            std::memcpy(&ack, bytes->data(), sizeof ack);
            durable_seq = ack.durable_seq;
        } else {
            NackFrame nack{};
            std::memcpy(&nack, bytes->data(), sizeof nack);
            nacks.push_back(nack);
        }
    }
    return true;
}

}  // namespace burgee::test
