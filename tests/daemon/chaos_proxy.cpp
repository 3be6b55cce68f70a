#include "tests/daemon/chaos_proxy.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
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

// A COMMIT as libpq sends it, a simple query, and what the server says when it is done.
constexpr std::string_view kCommitMessage(
    "Q\0\0\0\x0B"
    "COMMIT\0",
    12);
constexpr std::string_view kCommitDone(
    "C\0\0\0\x0B"
    "COMMIT\0",
    12);
// What a pooler may say instead: an ErrorResponse, and ReadyForQuery outside a transaction.
constexpr std::string_view kCommitDenied(
    "E\0\0\0\x3B"
    "SERROR\0VERROR\0C08P01\0Mthe server's connection is gone\0\0"
    "Z\0\0\0\5I",
    66);
constexpr int kAnswerPatienceMs = 10'000;  // a bound against hanging; it takes milliseconds

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

/// One connection, and where it will be cut.
struct ChaosProxy::Link {
    int client = -1;
    int server = -1;
    Plan plan;
    bool is_commit_sent = false;   ///< by the client; the server may not have all of it
    bool is_commit_whole = false;  ///< the server has all of it, and has not answered yet
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
    // Kinds in turn and places at random: a run of ten cuts has every kind already.
    switch (plans_drawn_++ % 3) {
        case 0:
            plan.client_bytes = 1 + random_() % kClientBytesMax;
            break;
        case 1:
            plan.server_bytes = 1 + random_() % kServerBytesMax;
            break;
        default:  // a quarter each: within the message, before its answer, just behind it, denied
            plan.commits = 1 + random_() % kCommitsMax;
            const std::uint64_t kind = commit_plans_drawn_++ % 4;
            plan.commit_bytes =
                kind == 0 ? 1 + random_() % (kCommitMessage.size() - 1) : kCommitMessage.size();
            plan.has_answer = kind == 1 || kind == 3;
            plan.is_denied = kind == 3;
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
    Link link{client, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), plan};
    const sockaddr_un address = address_of(server_socket_);
    bool is_open =
        ::connect(link.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    while (is_open) {
        std::array<pollfd, 3> waits = {
            {{client, POLLIN, 0}, {link.server, POLLIN, 0}, {stop_pipe_[0], POLLIN, 0}}};
        ::poll(waits.data(), waits.size(), -1);
        is_open = waits[2].revents == 0 && (waits[0].revents == 0 || pass_from_client(link)) &&
                  (waits[1].revents == 0 || pass_from_server(link));
    }
    ::close(link.server);
    ::close(client);
}

bool ChaosProxy::pass_from_client(Link& link) {
    std::array<char, 8'192> buffer;
    const ssize_t received = ::recv(link.client, buffer.data(), buffer.size(), 0);
    if (received <= 0) {
        return false;
    }
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(received));
    const std::size_t commit = bytes.find(kCommitMessage);
    std::size_t passed = bytes.size();
    if (link.plan.client_bytes > 0) {
        passed = std::min<std::size_t>(passed, link.plan.client_bytes - 1);
        link.plan.client_bytes -= std::min<std::uint64_t>(link.plan.client_bytes - 1, passed);
    }
    if (commit != std::string_view::npos) {
        link.is_commit_sent = true;
        link.plan.commits -= link.plan.commits > 0 ? 1 : 0;
        if (link.plan.commit_bytes > 0 && link.plan.commits == 0) {
            passed = std::min(passed, commit + link.plan.commit_bytes);
        }
        link.is_commit_whole = passed >= commit + kCommitMessage.size();
    }
    if (!send_all(link.server, bytes.substr(0, passed))) {
        return false;
    }
    const bool is_behind_commit = link.is_commit_whole && link.plan.commit_bytes > 0 &&
                                  link.plan.commits == 0 && !link.plan.has_answer;
    return passed < bytes.size() || is_behind_commit ? cut(link) : true;
}

bool ChaosProxy::pass_from_server(Link& link) {
    std::array<char, 8'192> buffer;
    const ssize_t received = ::recv(link.server, buffer.data(), buffer.size(), 0);
    if (received <= 0) {
        return false;
    }
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(received));
    const bool is_done = bytes.find(kCommitDone) != std::string_view::npos;
    Plan& plan = link.plan;
    if (link.is_commit_whole && plan.commit_bytes > 0 && plan.commits == 0) {
        commits_done_ += is_done ? 1 : 0;
        link.is_commit_whole = !is_done;
        return plan.is_denied && is_done ? deny(link) : cut(link);
    }
    const std::size_t passed = plan.server_bytes == 0
                                   ? bytes.size()
                                   : std::min<std::size_t>(bytes.size(), plan.server_bytes - 1);
    if (!send_all(link.client, bytes.substr(0, passed))) {
        return false;
    }
    if (passed < bytes.size()) {
        commits_done_ += is_done ? 1 : 0;
        link.is_commit_whole = link.is_commit_whole && !is_done;
        return cut(link);
    }
    plan.server_bytes -= std::min<std::uint64_t>(plan.server_bytes, passed);
    if (is_done) {
        link.is_commit_sent = false;
        link.is_commit_whole = false;
    }
    return true;
}

bool ChaosProxy::deny(Link& link) {
    ++commits_in_doubt_;
    ++cuts_;
    link.plan = Plan{};
    link.is_commit_sent = false;
    return send_all(link.client, kCommitDenied);
}

/// Ends the client's side, and asks the server what became of a COMMIT that it has whole.
bool ChaosProxy::cut(Link& link) {
    ::shutdown(link.client, SHUT_RDWR);
    commits_in_doubt_ += link.is_commit_sent ? 1 : 0;
    std::array<char, 8'192> buffer;
    pollfd wait{link.server, POLLIN, 0};
    while (link.is_commit_whole && ::poll(&wait, 1, kAnswerPatienceMs) > 0) {
        const ssize_t received = ::recv(link.server, buffer.data(), buffer.size(), 0);
        const std::string_view bytes(buffer.data(),
                                     static_cast<std::size_t>(std::max<ssize_t>(received, 0)));
        const bool is_done = bytes.find(kCommitDone) != std::string_view::npos;
        commits_done_ += is_done ? 1 : 0;
        link.is_commit_whole = received > 0 && !is_done;
    }
    ++cuts_;
    return false;
}

}  // namespace burgee::test
