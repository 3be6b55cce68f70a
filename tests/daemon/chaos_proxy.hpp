#pragma once

// Stands between a client and PostgreSQL's Unix socket and cuts connections at random bytes, in
// either direction, and around a COMMIT: inside it, behind it, and before its answer, which are the
// moments that tell exactly once from almost. Or it answers a COMMIT that was done with an error and
// leaves the connection open, as a pooler does whose server has died.

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
    /// Cuts that came when the client had sent a COMMIT and had no answer yet.
    std::uint64_t commits_in_doubt() const { return commits_in_doubt_; }
    /// Of them: the server had committed, it says so to the proxy after the cut.
    std::uint64_t commits_done() const { return commits_done_; }

private:
    struct Link;
    struct Plan {
        std::uint64_t client_bytes = 0;  ///< left to pass on from the client; 0: not cut there
        std::uint64_t server_bytes = 0;  ///< left to pass on from the server; 0: not cut there
        std::uint64_t commits = 0;       ///< left until one is cut; 0: none is
        std::size_t commit_bytes = 0;    ///< of that one that reach the server
        bool has_answer = false;         ///< and whether the cut waits for its answer
        bool is_denied = false;          ///< or an error comes in the answer's place, and no cut
    };
    Plan draw_plan();
    void accept_loop();
    void relay(int client, Plan plan);
    bool pass_from_client(Link& link);
    bool pass_from_server(Link& link);
    bool deny(Link& link);
    bool cut(Link& link);

    std::string server_socket_;
    TemporaryDirectory directory_{"chaos"};
    std::mt19937 random_;  // of the accepting thread alone, as the counts of what was drawn
    std::uint64_t plans_drawn_ = 0;
    std::uint64_t commit_plans_drawn_ = 0;
    int listener_ = -1;
    int stop_pipe_[2] = {-1, -1};
    std::atomic<bool> is_cutting_ = true;
    std::atomic<std::uint64_t> cuts_ = 0;
    std::atomic<std::uint64_t> commits_in_doubt_ = 0;
    std::atomic<std::uint64_t> commits_done_ = 0;
    std::list<std::thread> relays_;  // of the accepting thread, and of the destructor after it
    std::thread acceptor_;
};

}  // namespace burgee::test
