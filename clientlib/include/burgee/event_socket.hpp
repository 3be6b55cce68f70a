#pragma once

// The client's end of `events.sock`: a non-blocking SOCK_SEQPACKET socket, one frame a message.
// Used by the sender thread alone; only its number is also kept where a forked child finds it.

#include <burgee/event_wire.hpp>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace burgee::detail {

/// The address of the socket in `directory`. A path too long for an address is reached through
/// `directory_fd`, which the caller closes when it is not -1. @return false when neither is
/// possible.
inline bool event_socket_address(const char* directory, sockaddr_un& address,
                                 int& directory_fd) noexcept {
    address = {};
    address.sun_family = AF_UNIX;
    directory_fd = -1;
    int length = std::snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", directory,
                               kEventSocketName);
    if (length > 0 && static_cast<std::size_t>(length) < sizeof address.sun_path) {
        return true;
    }
    directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0) {
        return false;
    }
    length = std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s",
                           directory_fd, kEventSocketName);
    return length > 0;
}

class EventSocket {
public:
    enum class Outcome { kDone, kBusy, kClosed };

    /// No frame of the daemon is longer; a longer message is refused unread.
    static constexpr std::size_t kReceivedSizeMax = 64;
    using Received = std::array<std::byte, kReceivedSizeMax>;

    /// `shared_fd` holds the descriptor while there is one and -1 otherwise; a forked child closes
    /// it.
    explicit EventSocket(std::atomic<int>& shared_fd) noexcept : shared_fd_(shared_fd) {}
    EventSocket(const EventSocket&) = delete;
    EventSocket& operator=(const EventSocket&) = delete;
    ~EventSocket() { close(); }

    int fd() const noexcept { return fd_; }

    /// @return whether the daemon's socket took the connection: it may be absent, not ours to use,
    /// or have a full backlog, which is the same to us: try again later.
    bool connect(const char* directory) noexcept {
        close();
        sockaddr_un address;
        int directory_fd = -1;
        bool connected = false;
        if (event_socket_address(directory, address, directory_fd)) {
            fd_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            shared_fd_.store(fd_);
            connected = fd_ >= 0 && ::connect(fd_, reinterpret_cast<const sockaddr*>(&address),
                                              sizeof address) == 0;
        }
        if (directory_fd >= 0) {
            ::close(directory_fd);
        }
        if (!connected) {
            close();
        }
        return connected;
    }

    /// Sends one frame whole or not at all.
    Outcome send(iovec* parts, std::size_t part_count) noexcept {
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = part_count;
        for (;;) {
            if (sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
                return Outcome::kDone;
            }
            if (errno != EINTR) {
                return errno == EAGAIN || errno == ENOBUFS ? Outcome::kBusy : Outcome::kClosed;
            }
        }
    }

    /// Takes one frame that has arrived. A message over kReceivedSizeMax comes out as kClosed:
    /// nobody who speaks our protocol sends one. End of file and an empty message look alike and
    /// are both kClosed, because trying again after either would never end.
    Outcome receive(Received& frame, std::size_t& size_bytes) noexcept {
        for (;;) {
            const ssize_t size = recv(fd_, frame.data(), frame.size(), MSG_DONTWAIT | MSG_TRUNC);
            if (size > 0 && static_cast<std::size_t>(size) <= frame.size()) {
                size_bytes = static_cast<std::size_t>(size);
                return Outcome::kDone;
            }
            if (size >= 0 || errno != EINTR) {
                return size < 0 && errno == EAGAIN ? Outcome::kBusy : Outcome::kClosed;
            }
        }
    }

    void close() noexcept {
        if (fd_ >= 0) {
            // Before the close: a child forked in between leaks a descriptor, the other order would
            // let it close a stranger's.
            shared_fd_.store(-1);
            ::close(fd_);
            fd_ = -1;
        }
    }

    /// In a forked child: drops the parent's descriptor. Never shutdown(), which would end the
    /// parent's conversation too. Async-signal-safe.
    static void close_inherited(std::atomic<int>& shared_fd) noexcept {
        const int fd = shared_fd.exchange(-1);
        if (fd >= 0) {
            ::close(fd);
        }
    }

private:
    std::atomic<int>& shared_fd_;
    int fd_ = -1;
};

}  // namespace burgee::detail
