#include "daemon/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace burgee::daemon {
namespace {

std::optional<long long> number_in(const char* variable) {
    const char* text = std::getenv(variable);
    if (text == nullptr) {
        return std::nullopt;
    }
    long long number = 0;
    const char* end = text + std::strlen(text);
    const auto parsed = std::from_chars(text, end, number);
    return parsed.ec == std::errc{} && parsed.ptr == end ? std::optional(number) : std::nullopt;
}

}  // namespace

bool notify_service_manager(std::string_view state) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    if (path == nullptr || std::strlen(path) < 2 || std::strlen(path) >= sizeof address.sun_path) {
        return false;
    }
    const std::size_t path_size = std::strlen(path);
    address.sun_family = AF_UNIX;
    std::memcpy(static_cast<void*>(address.sun_path), path, path_size);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';  // the manager chose an abstract name; we only answer to it
    }
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_size);
    // sendto() takes the generic address type by design.
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    const ssize_t sent =
        ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT, generic, size);
    ::close(fd);
    return sent == static_cast<ssize_t>(state.size());
}

std::chrono::microseconds watchdog_interval() {
    const auto interval = number_in("WATCHDOG_USEC");
    const auto pid = number_in("WATCHDOG_PID");
    if (!interval || *interval <= 0 || (pid && *pid != ::getpid())) {
        return std::chrono::microseconds::zero();
    }
    return std::chrono::microseconds(*interval / 2);
}

}  // namespace burgee::daemon
