#pragma once

// A client of the event socket that says exactly what a test wants said, right or wrong.

#include <burgee/checksum.hpp>
#include <burgee/event_wire.hpp>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace burgee::test {

class EventClient {
public:
    /// Connects; is_connected() tells whether that worked.
    explicit EventClient(const std::string& path);
    ~EventClient();
    EventClient(EventClient&& other) noexcept;
    EventClient(const EventClient&) = delete;
    EventClient& operator=(EventClient&&) = delete;

    bool is_connected() const { return descriptor_ >= 0; }
    int descriptor() const { return descriptor_; }

    bool send(const void* bytes, std::size_t size_bytes);
    bool send_hello(std::uint64_t session, std::uint64_t next_seq);
    /// Events of spool_events.hpp, made now.
    bool send_batch(std::uint64_t session, std::uint64_t first_seq, std::uint32_t count);
    bool send_batch(BatchFrame batch, const std::vector<std::byte>& events);

    /// The next frame, or nothing when the server closed the connection. Waits ten seconds at most.
    std::optional<std::vector<std::byte>> receive();
    template <class Frame>
    std::optional<Frame> receive_as(FrameType type) {
        const auto bytes = receive();
        Frame frame{};
        if (!bytes || bytes->size() != sizeof frame) {
            return std::nullopt;
        }
        std::memcpy(&frame, bytes->data(), sizeof frame);
        return frame.header.type == static_cast<std::uint16_t>(type) ? std::optional(frame)
                                                                     : std::nullopt;
    }
    /// HELLO and its WELCOME.
    std::optional<WelcomeFrame> greet(std::uint64_t session, std::uint64_t next_seq);
    /// Reads until `seq` is acknowledged. @return false when the connection ends first.
    bool wait_durable(std::uint64_t seq);
    bool is_closed_by_server() { return !receive(); }

    std::vector<NackFrame> nacks;  ///< seen by wait_durable()
    std::uint64_t durable_seq = 0;

private:
    int descriptor_ = -1;
};

}  // namespace burgee::test
