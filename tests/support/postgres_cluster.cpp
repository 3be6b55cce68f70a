#include "tests/support/postgres_cluster.hpp"

#include <poll.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <pqxx/pqxx>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace burgee::test {
namespace {

constexpr auto kStartDeadline = std::chrono::seconds(60);  // generous: a loaded machine, sanitizers
constexpr auto kStopDeadline = std::chrono::seconds(60);
constexpr int kPollIntervalMs = 5;  // chosen by feel: a start takes some 100 ms

/// Newest installed server, as Debian places them; else what pg_config names.
std::string find_programs() {
    std::string newest;
    int newest_version = 0;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
        const std::string programs = entry.path().string() + "/bin";
        const int version = std::atoi(entry.path().filename().c_str());
        if (version > newest_version && std::filesystem::exists(programs + "/postgres")) {
            newest = programs;
            newest_version = version;
        }
    }
    if (newest.empty()) {
        const ChildOutcome asked = run_child({"pg_config", "--bindir"});
        newest = asked.output.substr(0, asked.output.find('\n'));
    }
    if (newest.empty() || !std::filesystem::exists(newest + "/initdb")) {
        throw std::runtime_error(
            "this test needs a PostgreSQL server and found none in /usr/lib/postgresql; "
            "install it with: apt-get install postgresql");
    }
    return newest;
}

/// The server refuses to run as root, so root lends it another user's identity.
std::string find_server_user() {
    if (::geteuid() != 0) {
        return {};
    }
    return ::getpwnam("postgres") != nullptr ? "postgres" : "nobody";
}

std::string own_user_name() {
    const passwd* entry = ::getpwuid(::geteuid());
    return entry == nullptr ? std::to_string(::geteuid()) : entry->pw_name;
}

void pause_shortly() {
    ::poll(nullptr, 0, kPollIntervalMs);
}

std::vector<pid_t> children_of(pid_t parent) {
    std::istringstream list(read_file("/proc/" + std::to_string(parent) + "/task/" +
                                      std::to_string(parent) + "/children"));
    std::vector<pid_t> children;
    for (pid_t child = 0; list >> child;) {
        children.push_back(child);
    }
    return children;
}

/// Where what these arguments of initdb make is kept, for the user who made it.
std::string template_path(const std::vector<std::string>& arguments) {
    std::string key = std::to_string(::geteuid());
    for (const std::string& argument : arguments) {
        key += ' ' + argument;
    }
    return BURGEE_CLUSTER_TEMPLATES "/" + std::to_string(std::hash<std::string>{}(key));
}

void copy_tree(const std::string& from, const std::string& to) {
    const ChildOutcome copied = run_child({"cp", "--archive", "--reflink=auto", from, to});
    if (copied.exit.code != 0) {
        throw std::runtime_error("cannot copy " + from + " to " + to + ": " + copied.error);
    }
}

/// Complete or not at all: others may be looking for it, or keeping theirs.
void keep_template(const std::string& data, const std::string& kept) {
    const std::string unfinished = kept + "." + std::to_string(::getpid());
    std::filesystem::create_directories(BURGEE_CLUSTER_TEMPLATES);
    copy_tree(data, unfinished);
    std::error_code was_faster;
    std::filesystem::rename(unfinished, kept, was_faster);
    if (was_faster) {
        std::filesystem::remove_all(unfinished);
    }
}

}  // namespace

PostgresCluster::PostgresCluster(PostgresOptions options)
    : options_(std::move(options)),
      programs_(find_programs()),
      run_as_(find_server_user()),
      directory_("burgee-pg") {
    if (!run_as_.empty()) {
        const passwd* entry = ::getpwnam(run_as_.c_str());
        if (::chown(directory_.path().c_str(), entry->pw_uid, entry->pw_gid) != 0) {
            throw std::runtime_error("cannot give " + directory_.path() + " to " + run_as_);
        }
    }
    std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
    initialise();
    start();
}

PostgresCluster::~PostgresCluster() {
    if (is_running()) {
        server_->kill(SIGQUIT);  // nothing of this cluster is needed any more
        server_->wait(kStopDeadline);
    }
}

std::string PostgresCluster::dsn(const std::string& user, const std::string& database) const {
    return "host=" + directory_.path() + " port=5432 user=" + user + " dbname=" + database;
}

// Half of a cluster's second would be initdb, so that what it made the first time is kept in the
// build directory and copied from then on.
void PostgresCluster::initialise() {
    ChildOptions initdb;
    initdb.arguments = {program("initdb"),     "--no-sync",       "--auth=trust",
                        "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8",
                        "--no-instructions"};
    const std::string kept = template_path(initdb.arguments);
    const std::string data = directory_.file("data");
    if (std::filesystem::exists(kept)) {
        copy_tree(kept, data);
        return;
    }
    initdb.arguments.insert(initdb.arguments.end(), {"--pgdata", data});
    initdb.working_directory = "/";
    initdb.run_as = run_as_;
    initdb.output_path = directory_.file("initdb.log");
    initdb.error_path = directory_.file("initdb.error");
    ChildProcess child(initdb);
    const std::optional<ChildExit> ended = child.wait(kStartDeadline);
    if (!ended || ended->code != 0) {
        throw std::runtime_error("initdb failed as user " +
                                 (run_as_.empty() ? own_user_name() : run_as_) + ": " +
                                 child.output() + child.error());
    }
    keep_template(data, kept);
}

void PostgresCluster::start() {
    if (is_running()) {
        return;
    }
    ChildOptions server;
    server.arguments = {program("postgres"), "-D", directory_.file("data")};
    std::vector<std::string> settings = {
        "listen_addresses=", "unix_socket_directories=" + directory_.path(), "port=5432",
        "logging_collector=off", "max_connections=60"};
    if (!options_.is_durable) {
        settings.insert(settings.end(), {"fsync=off", "full_page_writes=off"});
    }
    settings.insert(settings.end(), options_.settings.begin(), options_.settings.end());
    for (const std::string& setting : settings) {
        server.arguments.insert(server.arguments.end(), {"-c", setting});
    }
    server.working_directory = "/";
    server.run_as = run_as_;
    server.error_path = directory_.file("log");
    server.death_signal = SIGQUIT;
    server_ = std::make_unique<ChildProcess>(server);
    wait_until_ready();
}

void PostgresCluster::wait_until_ready() {
    const auto deadline = std::chrono::steady_clock::now() + kStartDeadline;
    while (std::chrono::steady_clock::now() < deadline) {
        if (!server_->is_running()) {
            throw std::runtime_error("the PostgreSQL server did not start: " + log());
        }
        // The eighth line of this file is the server's own word for it; a stale file has another
        // pid.
        const std::string state = read_file(directory_.file("data/postmaster.pid"));
        if (std::atoi(state.c_str()) == server_->pid() &&
            state.find("\nready") != std::string::npos) {
            return;
        }
        pause_shortly();
    }
    throw std::runtime_error("the PostgreSQL server was not ready in time: " + log());
}

void PostgresCluster::stop(PostgresStop how) {
    if (!is_running()) {
        return;
    }
    server_->kill(how == PostgresStop::kFast ? SIGINT : SIGQUIT);
    if (!server_->wait(kStopDeadline)) {
        throw std::runtime_error("the PostgreSQL server did not stop: " + log());
    }
}

void PostgresCluster::kill9() {
    if (!is_running()) {
        return;
    }
    // Stopped first, so that it starts no further process between the list and the kill.
    server_->kill(SIGSTOP);
    const std::vector<pid_t> backends = children_of(server_->pid());
    server_->kill(SIGKILL);
    for (const pid_t backend : backends) {
        ::kill(backend, SIGKILL);
    }
    server_->wait(kStopDeadline);
    const auto deadline = std::chrono::steady_clock::now() + kStopDeadline;
    for (const pid_t backend : backends) {
        const auto is_alive = [backend] {
            const std::string status = read_file("/proc/" + std::to_string(backend) + "/stat");
            return !status.empty() && status.find(") Z ") == std::string::npos;
        };
        while (is_alive() && std::chrono::steady_clock::now() < deadline) {
            pause_shortly();
        }
    }
}

bool PostgresCluster::is_running() {
    return server_ && server_->is_running();
}

void PostgresCluster::execute(const std::string& sql, const std::string& database) {
    try {
        pqxx::connection connection(dsn("postgres", database));
        pqxx::nontransaction(connection).exec(sql);
    } catch (const std::exception& error) {
        throw std::runtime_error(std::string(error.what()) + " in: " + sql.substr(0, 200));
    }
}

std::vector<PostgresRow> PostgresCluster::rows(const std::string& sql,
                                               const std::string& database) {
    std::vector<PostgresRow> rows;
    try {
        pqxx::connection connection(dsn("postgres", database));
        for (const auto& row : pqxx::nontransaction(connection).exec(sql)) {
            PostgresRow& copy = rows.emplace_back();
            for (const auto& field : row) {
                copy.push_back(field.is_null() ? std::nullopt
                                               : std::optional<std::string>(field.c_str()));
            }
        }
    } catch (const std::exception& error) {
        throw std::runtime_error(std::string(error.what()) + " in: " + sql.substr(0, 200));
    }
    return rows;
}

std::string PostgresCluster::value(const std::string& sql, const std::string& database) {
    const std::vector<PostgresRow> found = rows(sql, database);
    if (found.size() != 1 || found[0].size() != 1) {
        throw std::runtime_error("not one value: " + sql);
    }
    return found[0][0].value_or("");
}

}  // namespace burgee::test
