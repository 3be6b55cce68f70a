#pragma once

// Stands where PostgreSQL's socket should be and says too little: nothing at all, or that the login
// worked and nothing more, as a pooler does that has no server connection left.

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

class SilentServer {
public:
    /// @param says_hello  answers the start-up packet as a server that trusts everybody
    explicit SilentServer(bool says_hello) : says_hello_(says_hello) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        directory_.file(".s.PGSQL.5432")
            .copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_, 8) != 0 || ::pipe(stop_pipe_.data()) != 0) {
            throw std::runtime_error("the silent server cannot listen");
        }
        thread_ = std::thread([this] { serve(); });
    }
    ~SilentServer() {
        ::close(stop_pipe_[1]);  // readable for the thread: the end
        thread_.join();
        for (const int fd : connections_) {
            ::close(fd);
        }
        ::close(listener_);
        ::close(stop_pipe_[0]);
    }
    SilentServer(const SilentServer&) = delete;
    SilentServer& operator=(const SilentServer&) = delete;

    /// A connection string that leads here.
    std::string dsn() const {
        return "host=" + directory_.path() + " port=5432 user=u dbname=d gssencmode=disable";
    }
    int connections() const { return accepted_; }

private:
    void serve() {
        while (true) {
            std::array<pollfd, 2> waits = {{{listener_, POLLIN, 0}, {stop_pipe_[0], POLLIN, 0}}};
            ::poll(waits.data(), waits.size(), -1);
            if (waits[1].revents != 0) {
                return;
            }
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) {
                continue;
            }
            connections_.push_back(fd);
            ++accepted_;
            if (says_hello_) {
                std::array<char, 1024> start_up{};
                ::recv(fd, start_up.data(), start_up.size(), 0);
                // AuthenticationOk and ReadyForQuery (idle); nothing that is asked then is
                // answered.
                constexpr std::string_view kHello("R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I", 15);
                ::send(fd, kHello.data(), kHello.size(), MSG_NOSIGNAL);
            }
        }
    }

    const bool says_hello_;
    TemporaryDirectory directory_{"silent"};
    int listener_ = -1;
    std::array<int, 2> stop_pipe_ = {-1, -1};
    std::vector<int> connections_;  // of the thread, and of the destructor after it
    std::atomic<int> accepted_ = 0;
    std::thread thread_;
};

}  // namespace burgee::test
