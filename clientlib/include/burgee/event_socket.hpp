#pragma once

// The client's end of `events.sock`: a non-blocking SOCK_SEQPACKET socket, one frame a message.
// It connects only to what trusted_file.hpp believes. Used by the sender thread alone; only its
// number is also kept where a forked child finds it.

#include <burgee/event_wire.hpp>
#include <burgee/trusted_file.hpp>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <optional>

namespace burgee::detail {

/// Where the daemon is, and who it may be besides root and ourselves: see is_trusted_directory().
struct EventSite {
    const char* directory;
    std::optional<uid_t> expected_owner = std::nullopt;
};

/// The address of the socket in `directory`. @return false when it is too long for one.
inline bool event_socket_address(const char* directory, sockaddr_un& address) noexcept {
    address = {};
    address.sun_family = AF_UNIX;
    const int length = std::snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", directory,
                                     kEventSocketName);
    return length > 0 && static_cast<std::size_t>(length) < sizeof address.sun_path;
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

    /// What became of a try to connect. kAbsent: nobody is there, it is not ours to use, or its
    /// backlog is full, which is the same to us: try again later. kUntrusted: the directory or the
    /// socket belongs to someone who must not hear our events.
    enum class Connection { kMade, kAbsent, kUntrusted };

    Connection connect(const EventSite& site) noexcept {
        close();
        const FileDescriptor directory = open_directory(site.directory);
        struct stat directory_facts {};
        struct stat socket_facts {};
        if (!directory.is_open() || ::fstat(directory.get(), &directory_facts) != 0) {
            return Connection::kAbsent;
        }
        if (!is_trusted_directory(directory.get(), directory_facts, site.expected_owner)) {
            return Connection::kUntrusted;
        }
        if (::fstatat(directory.get(), kEventSocketName, &socket_facts, AT_SYMLINK_NOFOLLOW) != 0) {
            return Connection::kAbsent;
        }
        if (!is_trusted_socket(socket_facts, directory_facts)) {
            return Connection::kUntrusted;
        }
        // Through the descriptor, because the directory's name may lead elsewhere by now, and it
        // may be too long for an address. By name only where /proc is missing or closed to us.
        std::array<char, 32> held{};
        std::snprintf(held.data(), held.size(), "/proc/self/fd/%d", directory.get());
        const bool has_proc = ::access(held.data(), F_OK) == 0;
        return connect_at(has_proc ? held.data() : site.directory) ? Connection::kMade
                                                                   : Connection::kAbsent;
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
    bool connect_at(const char* directory) noexcept {
        sockaddr_un address;
        if (event_socket_address(directory, address)) {
            fd_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            shared_fd_.store(fd_);
            if (fd_ >= 0 &&
                ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
                return true;
            }
            close();
        }
        return false;
    }

    std::atomic<int>& shared_fd_;
    int fd_ = -1;
};

}  // namespace burgee::detail
