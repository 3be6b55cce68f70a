#include "tests/daemon/replica_pair.hpp"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <pqxx/pqxx>
#include <stdexcept>
#include <thread>

#include "tests/support/server_user.hpp"

namespace burgee::test {
namespace {

constexpr std::chrono::seconds kDeadline{60};  // generous: a loaded machine

constexpr const char* kStandbyFollows =
    "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'"
    " AND application_name = 'walreceiver'";

}  // namespace

ReplicaPair::ReplicaPair(bool is_synchronous)
    : run_as_(server_user(programs_.socket_directory())), is_synchronous_(is_synchronous) {
    programs_.stop();
    for (const Node& node : nodes_) {
        give_to_user(node.directory.path(), run_as_);
    }
    run("initdb", {"--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8",
                   "--locale=C.UTF-8", "--pgdata", primary().directory.file("data")});
    start(primary());
    add_standby();
}

ReplicaPair::~ReplicaPair() {
    for (Node& node : nodes_) {
        stop(node, SIGQUIT);
    }
}

std::string ReplicaPair::dsn_of(const Node& node) {
    return "host=" + node.directory.path() + " port=5432 user=postgres dbname=postgres";
}

std::string ReplicaPair::dsn() const {
    return "host=" + nodes_[0].directory.path() + "," + nodes_[1].directory.path() +
           " port=5432 user=postgres dbname=postgres target_session_attrs=read-write";
}

void ReplicaPair::run(const std::string& program, const std::vector<std::string>& arguments) {
    ChildOptions options;
    options.arguments = {programs_.program(program)};
    options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
    options.working_directory = "/";
    options.run_as = run_as_;
    options.output_path = primary().directory.file("output");
    options.error_path = primary().directory.file("error");
    ChildProcess child(options);
    const auto ended = child.wait(kDeadline);
    if (!ended || ended->code != 0) {
        throw std::runtime_error(program + " failed: " + child.output() + child.error());
    }
}

void ReplicaPair::start(Node& node) {
    ChildOptions options;
    options.arguments = {programs_.program("postgres"), "-D", node.directory.file("data")};
    for (const std::string& setting :
         {std::string("listen_addresses="), "unix_socket_directories=" + node.directory.path(),
          std::string("port=5432"), std::string("fsync=off"), std::string("logging_collector=off"),
          std::string("wal_retrieve_retry_interval=100ms")}) {
        options.arguments.insert(options.arguments.end(), {"-c", setting});
    }
    options.working_directory = "/";
    options.run_as = run_as_;
    options.error_path = node.directory.file("log");
    options.death_signal = SIGQUIT;
    node.server = std::make_unique<ChildProcess>(options);
    wait_until(node, "SELECT true");
}

void ReplicaPair::stop(Node& node, int signal) {
    if (node.server) {
        node.server->kill(signal);
        node.server->wait(kDeadline);
        node.server.reset();
    }
}

std::string ReplicaPair::value_of(const Node& node, const std::string& sql) {
    pqxx::connection connection(dsn_of(node));
    return pqxx::nontransaction(connection).exec(sql).at(0)[0].c_str();
}

void ReplicaPair::wait_until(const Node& node, const std::string& sql) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    std::string reason = "it is not so";
    while (std::chrono::steady_clock::now() < deadline) {
        try {
            if (value_of(node, sql) == "t") {
                return;
            }
        } catch (const std::exception& error) {
            reason = error.what();
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));  // between two looks
    }
    throw std::runtime_error("waited in vain for: " + sql + ": " + reason + "\n" +
                             read_file(node.directory.file("log")));
}

void ReplicaPair::add_standby() {
    stop(standby(), SIGQUIT);
    std::filesystem::remove_all(standby().directory.file("data"));
    run("pg_basebackup",
        {"--dbname", dsn_of(primary()), "--pgdata", standby().directory.file("data"),
         "--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"});
    start(standby());
    wait_until(primary(), kStandbyFollows);
    if (is_synchronous_) {  // only now: nobody may wait for a standby that is not there yet
        execute("ALTER SYSTEM SET synchronous_standby_names = 'walreceiver'");
        execute("SELECT pg_reload_conf()");
        wait_until(primary(), "SELECT sync_state = 'sync' FROM pg_stat_replication");
    }
}

void ReplicaPair::let_standby_catch_up() {
    const std::string end = value_of(primary(), "SELECT pg_current_wal_lsn()");
    wait_until(standby(), "SELECT pg_last_wal_replay_lsn() >= '" + end + "'");
}

void ReplicaPair::stop_standby() {
    let_standby_catch_up();
    stop(standby(), SIGINT);
}

void ReplicaPair::crash_primary() {
    stop(primary(), SIGQUIT);
}

void ReplicaPair::promote() {
    if (!standby().server) {
        start(standby());
    }
    if (value_of(standby(), "SELECT pg_promote()") != "t") {
        throw std::runtime_error("the standby was not promoted");
    }
    primary_ = 1 - primary_;
}

void ReplicaPair::fail_over() {
    crash_primary();
    promote();
    add_standby();
}

void ReplicaPair::execute(const std::string& sql) {
    pqxx::connection connection(dsn_of(primary()));
    pqxx::nontransaction(connection).exec(sql);
}

std::string ReplicaPair::value(const std::string& sql) {
    return value_of(primary(), sql);
}

}  // namespace burgee::test
