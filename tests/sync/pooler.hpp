#pragma once

// PgBouncer in transaction mode in front of a private server, as Supabase's port 6543 is: a Unix
// socket, no TCP port, gone at the end. Needs the package pgbouncer; where it is missing the
// constructor throws, so the test fails and says why.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <pqxx/pqxx>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/server_user.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

struct PoolerOptions {
    /// Shared by all clients of one user: with fewer of them than clients, a session that relies on
    /// its state is found out.
    int server_connections = 2;
    int query_wait_timeout_s = 2;  ///< of a query while the server is away; 120 by default
    std::vector<std::string> users = {"postgres", "uploader"};  ///< may log in without a password
};

class Pooler {
public:
    explicit Pooler(PostgresCluster& cluster, const PoolerOptions& options = {})
        : run_as_(server_user(cluster.socket_directory())) {
        give_to_user(directory_.path(), run_as_);
        write_configuration(cluster.socket_directory(), options);
        start();
    }

    /// Connection string of a user; the pooler takes no startup parameter but libpq's own.
    std::string dsn(const std::string& user = "postgres") const {
        return "host=" + directory_.path() + " port=6543 dbname=postgres user=" + user;
    }
    std::string socket_path() const { return directory_.file(".s.PGSQL.6543"); }
    std::string log() const { return read_file(directory_.file("log")); }

    void start() {
        ChildOptions options;
        options.arguments = {"/usr/sbin/pgbouncer", directory_.file("pgbouncer.ini")};
        options.working_directory = "/";
        options.run_as = run_as_;
        options.error_path = directory_.file("log");
        options.death_signal = SIGKILL;
        process_ = std::make_unique<ChildProcess>(options);
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!is_accepting()) {
            if (!process_->is_running() || std::chrono::steady_clock::now() > deadline) {
                throw std::runtime_error("pgbouncer did not start (apt-get install pgbouncer?): " +
                                         log());
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));  // between two looks
        }
    }
    void stop() {
        process_->kill(SIGKILL);
        process_->wait(std::chrono::seconds(60));
        ::unlink(socket_path().c_str());
    }

private:
    /// The socket's file is there a moment before anybody listens.
    bool is_accepting() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socket_path().copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
        const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const bool is_open =
            ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        ::close(probe);
        return is_open;
    }

    void write_configuration(const std::string& server, const PoolerOptions& options) {
        std::ofstream list(directory_.file("users.txt"));
        for (const std::string& user : options.users) {
            list << '"' << user << "\" \"\"\n";
        }
        std::ofstream(directory_.file("pgbouncer.ini"))
            << "[databases]\n* = host=" << server << " port=5432\n"
            << "[pgbouncer]\npool_mode = transaction\nlisten_addr =\nlisten_port = 6543\n"
            << "unix_socket_dir = " << directory_.path() << "\nunix_socket_mode = 0777\n"
            << "auth_type = trust\nauth_file = " << directory_.file("users.txt") << "\n"
            << "max_client_conn = 200\ndefault_pool_size = " << options.server_connections << "\n"
            << "query_wait_timeout = " << options.query_wait_timeout_s << "\n"
            << "server_login_retry = 1\n";
    }

    TemporaryDirectory directory_{"burgee-pooler"};
    std::string run_as_;
    std::unique_ptr<ChildProcess> process_;
};

}  // namespace burgee::test
