#pragma once

// Stands between a client and PostgreSQL's Unix socket and cuts connections at random bytes, in
// either direction, and between a COMMIT and its answer, which is the moment that tells exactly
// once from almost.

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

class ChaosProxy {
public:
    /// Listens in a directory of its own and passes everything on to `server_socket`.
    ChaosProxy(std::string server_socket, unsigned seed);
    ~ChaosProxy();
    ChaosProxy(const ChaosProxy&) = delete;
    ChaosProxy& operator=(const ChaosProxy&) = delete;

    /// For libpq's `host=`.
    const std::string& directory() const { return directory_.path(); }

    /// Whether connections made from now on will be cut.
    void set_cutting(bool is_cutting) { is_cutting_ = is_cutting; }

    std::uint64_t cuts() const { return cuts_; }
    std::uint64_t swallowed_commits() const { return swallowed_commits_; }

private:
    struct Plan;
    Plan draw_plan();
    void accept_loop();
    void relay(int client, Plan plan);
    bool pass(int from, int to, bool is_from_client, Plan& plan);

    std::string server_socket_;
    TemporaryDirectory directory_{"chaos"};
    std::mt19937 random_;  // of the accepting thread alone
    int listener_ = -1;
    int stop_pipe_[2] = {-1, -1};
    std::atomic<bool> is_cutting_ = true;
    std::atomic<std::uint64_t> cuts_ = 0;
    std::atomic<std::uint64_t> swallowed_commits_ = 0;
    std::list<std::thread> relays_;  // of the accepting thread, and of the destructor after it
    std::thread acceptor_;
};

}  // namespace burgee::test
