#pragma once

// A daemon's end of events.sock for tests that step the conversation by hand: it has no thread and
// does nothing by itself. `event_peer.hpp` is the one that serves.

#include <burgee/event_wire.hpp>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace burgee::test {

/// A daemon that does what it is told, when it is told.
class PuppetDaemon {
public:
    explicit PuppetDaemon(const std::string& directory) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, (directory + "/" + kEventSocketName).c_str());
        listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(listen(listener_, 8), 0);
    }
    PuppetDaemon(const PuppetDaemon&) = delete;
    PuppetDaemon& operator=(const PuppetDaemon&) = delete;
    ~PuppetDaemon() {
        hang_up();
        close(listener_);
    }

    /// Takes a new connection in place of the one before. @return whether there was one.
    bool accept() {
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            hang_up();
            client_ = fd;
        }
        return fd >= 0;
    }
    void welcome() const {
        auto welcome = frame_of<WelcomeFrame>(FrameType::kWelcome);
        welcome.outcome = static_cast<std::uint32_t>(SessionOutcome::kNew);
        welcome.frame_size_max = kFrameSizeMax;
        welcome.credits = 4;
        EXPECT_EQ(send(client_, &welcome, sizeof welcome, MSG_NOSIGNAL), sizeof welcome);
    }
    /// Takes the frames that have come. @return how many events each BATCH among them brings.
    std::vector<std::uint32_t> take_batches() {
        std::vector<std::uint32_t> counts;
        std::vector<std::byte> bytes(kFrameSizeMax);
        for (;;) {
            const ssize_t size = recv(client_, bytes.data(), bytes.size(), 0);
            if (size < static_cast<ssize_t>(sizeof(FrameHeader))) {
                return counts;
            }
            BatchFrame batch{};
            std::memcpy(&batch, bytes.data(),
                        std::min(sizeof batch, static_cast<std::size_t>(size)));
            if (batch.header.type == static_cast<std::uint16_t>(FrameType::kBatch)) {
                counts.push_back(batch.count);
                last_seq_ = batch.first_seq + batch.count - 1;
            }
        }
    }
    /// Says that all events it took are durable.
    void acknowledge() const {
        auto ack = frame_of<AckFrame>(FrameType::kAck);
        ack.durable_seq = last_seq_;
        ack.credits = 4;
        EXPECT_EQ(send(client_, &ack, sizeof ack, MSG_NOSIGNAL), sizeof ack);
    }
    void hang_up() {
        if (client_ >= 0) {
            close(client_);
            client_ = -1;
        }
    }

private:
    template <typename Frame>
    static Frame frame_of(FrameType type) {
        Frame frame{};
        frame.header = {kFrameMagic, static_cast<std::uint16_t>(type), kProtocolVersion,
                        sizeof(Frame), 0};
        return frame;
    }

    int listener_ = -1;
    int client_ = -1;
    std::uint64_t last_seq_ = 0;
};

}  // namespace burgee::test
