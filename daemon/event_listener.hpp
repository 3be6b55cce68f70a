#pragma once

// Makes the event socket clients connect to, or takes over the one the service manager made.
// Relied on by the event server.

#include <cstdint>
#include <string>
#include <utility>

namespace burgee::daemon {

/// Lets this process open as many files as it ever may: the usual soft limit of 1 024 would turn
/// most of a host's clients away. @return that many.
std::uint64_t raise_descriptor_limit();

/// A listening SOCK_SEQPACKET socket, close-on-exec and non-blocking, that closes itself.
class EventListener {
public:
    /// Binds under a temporary name and renames it over `path`, so that a client finds the old
    /// socket or the new one, never none; mode 0660.
    /// Throws std::runtime_error with one line: the path is too long, not ours, or not a socket.
    static EventListener bind(const std::string& path);

    /// Takes over an inherited socket. Throws std::runtime_error if it is not a listening local
    /// SOCK_SEQPACKET socket.
    static EventListener inherit(int descriptor);

    ~EventListener();
    EventListener(EventListener&& other) noexcept;
    EventListener& operator=(EventListener&&) = delete;

    int descriptor() const { return descriptor_; }

    /// Gives the descriptor away; the caller closes it.
    int release() { return std::exchange(descriptor_, -1); }

private:
    explicit EventListener(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
};

}  // namespace burgee::daemon
