#include "tests/daemon/chaos_proxy.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace burgee::test {
namespace {

// Ranges of the random cut points: a connection of the uploader begins with about 1 KiB in each
// direction, then each batch sends some 100 KiB and receives some 500 bytes.
constexpr std::uint64_t kClientBytesMax = 300'000;
constexpr std::uint64_t kServerBytesMax = 3'000;
constexpr std::uint64_t kCommitsMax = 4;

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw std::runtime_error("the socket's path is too long: " + path);
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

bool send_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

}  // namespace

/// Where one connection will be cut; 0: not there.
struct ChaosProxy::Plan {
    std::uint64_t client_bytes = 0;  ///< left to pass on from the client
    std::uint64_t server_bytes = 0;  ///< left to pass on from the server
    std::uint64_t commits = 0;       ///< left until the answer to one is swallowed
    bool is_answer_swallowed = false;
};

ChaosProxy::ChaosProxy(std::string server_socket, unsigned seed)
    : server_socket_(std::move(server_socket)), random_(seed) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = address_of(directory_.file(".s.PGSQL.5432"));
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 8) != 0 || ::pipe(stop_pipe_) != 0) {
        throw std::runtime_error("the chaos proxy cannot listen");
    }
    acceptor_ = std::thread([this] { accept_loop(); });
}

ChaosProxy::~ChaosProxy() {
    ::close(stop_pipe_[1]);  // readable for every thread: the end
    acceptor_.join();
    for (std::thread& relay : relays_) {
        relay.join();
    }
    ::close(stop_pipe_[0]);
    ::close(listener_);
}

ChaosProxy::Plan ChaosProxy::draw_plan() {
    Plan plan;
    if (!is_cutting_) {
        return plan;
    }
    switch (random_() % 3) {
        case 0:
            plan.client_bytes = 1 + random_() % kClientBytesMax;
            break;
        case 1:
            plan.server_bytes = 1 + random_() % kServerBytesMax;
            break;
        default:
            plan.commits = 1 + random_() % kCommitsMax;
            break;
    }
    return plan;
}

void ChaosProxy::accept_loop() {
    for (;;) {
        std::array<pollfd, 2> waits = {{{listener_, POLLIN, 0}, {stop_pipe_[0], POLLIN, 0}}};
        ::poll(waits.data(), waits.size(), -1);
        if (waits[1].revents != 0) {
            return;
        }
        const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client >= 0) {
            relays_.emplace_back([this, client, plan = draw_plan()] { relay(client, plan); });
        }
    }
}

void ChaosProxy::relay(int client, Plan plan) {
    const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = address_of(server_socket_);
    bool is_open =
        ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    while (is_open) {
        std::array<pollfd, 3> waits = {
            {{client, POLLIN, 0}, {server, POLLIN, 0}, {stop_pipe_[0], POLLIN, 0}}};
        ::poll(waits.data(), waits.size(), -1);
        is_open = waits[2].revents == 0 &&
                  (waits[0].revents == 0 || pass(client, server, true, plan)) &&
                  (waits[1].revents == 0 || pass(server, client, false, plan));
    }
    ::close(server);
    ::close(client);
}

bool ChaosProxy::pass(int from, int to, bool is_from_client, Plan& plan) {
    std::array<char, 8'192> buffer;
    const ssize_t received = ::recv(from, buffer.data(), buffer.size(), 0);
    if (received <= 0) {
        return false;
    }
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(received));
    if (!is_from_client && plan.is_answer_swallowed) {
        ++swallowed_commits_;
        ++cuts_;
        return false;
    }
    if (is_from_client && plan.commits > 0 && bytes.find("COMMIT") != std::string_view::npos) {
        plan.commits -= 1;
        plan.is_answer_swallowed = plan.commits == 0;
    }
    std::uint64_t& left = is_from_client ? plan.client_bytes : plan.server_bytes;
    if (left == 0) {
        return send_all(to, bytes);
    }
    if (bytes.size() >= left) {
        send_all(to, bytes.substr(0, left - 1));
        ++cuts_;
        return false;
    }
    left -= bytes.size();
    return send_all(to, bytes);
}

}  // namespace burgee::test
