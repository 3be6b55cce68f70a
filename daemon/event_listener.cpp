#include "daemon/event_listener.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace burgee::daemon {
namespace {

/// Connections the kernel holds while we are busy; beyond it clients back off and keep their ring.
constexpr int kBacklog = 1024;

[[noreturn]] void fail(const std::string& what, const std::string& path, int error) {
    throw std::runtime_error("event socket " + path + ": " + what + ": " + std::strerror(error));
}

int option_of(int descriptor, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

}  // namespace

std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);  // downwards or equal to the hard limit: cannot fail
    return limit.rlim_cur;
}

EventListener EventListener::bind(const std::string& path) {
    const std::string temporary = path + ".new";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (temporary.size() >= sizeof address.sun_path) {
        throw std::runtime_error("event socket " + path + ": the path is longer than " +
                                 std::to_string(sizeof address.sun_path - 5) +
                                 " bytes; choose a shorter directory");
    }
    std::memcpy(address.sun_path, temporary.data(), temporary.size());
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
        throw std::runtime_error("event socket " + path +
                                 ": there is something else of that name; move it away");
    }
    EventListener listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (listener.descriptor() < 0) {
        fail("cannot create", path, errno);
    }
    ::unlink(temporary.c_str());
    // The mode is set before the name is final: nobody connects under a wider one.
    if (::bind(listener.descriptor(), reinterpret_cast<const sockaddr*>(&address),
               sizeof address) != 0 ||
        ::chmod(temporary.c_str(), 0660) != 0 || ::listen(listener.descriptor(), kBacklog) != 0 ||
        ::rename(temporary.c_str(), path.c_str()) != 0) {
        const int error = errno;
        ::unlink(temporary.c_str());
        fail("cannot bind", path, error);
    }
    return listener;
}

EventListener EventListener::inherit(int descriptor) {
    sockaddr_un address{};
    socklen_t size = sizeof address;
    const bool is_local =
        ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
        address.sun_family == AF_UNIX;
    if (!is_local || option_of(descriptor, SO_TYPE) != SOCK_SEQPACKET ||
        option_of(descriptor, SO_ACCEPTCONN) != 1) {
        throw std::runtime_error("event socket: the inherited descriptor " +
                                 std::to_string(descriptor) +
                                 " is no listening local SOCK_SEQPACKET socket; see "
                                 "ListenSequentialPacket= in the unit");
    }
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    return EventListener(descriptor);
}

EventListener::~EventListener() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

EventListener::EventListener(EventListener&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

}  // namespace burgee::daemon
