#include "tests/e2e/host.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace burgee::test {

NotifySocket::NotifySocket(std::string path) : path_(std::move(path)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0 ||
        ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error("cannot bind " + path_ + ": " + std::strerror(errno));
    }
}

NotifySocket::~NotifySocket() { ::close(fd_); }

bool NotifySocket::wait_for(std::string_view line, std::chrono::milliseconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        pollfd event{fd_, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&event, 1, static_cast<int>(left.count())) <= 0) {
            return false;
        }
        std::array<char, 4096> message{};
        const ssize_t size = ::recv(fd_, message.data(), message.size(), 0);
        if (size > 0 && std::string_view(message.data(), static_cast<std::size_t>(size))
                                .find(line) != std::string_view::npos) {
            return true;
        }
    }
}

Host::Host(HostOptions options)
    : directory_("burgee-host"),
      run_directory_(directory_.file("run")),
      state_directory_(directory_.file("state")),
      config_path_(directory_.file("burgee.toml")),
      log_path_(directory_.file("burgeed.log")),
      postgres_(std::make_unique<PostgresCluster>(options.postgres)),
      notify_(std::make_unique<NotifySocket>(directory_.file("notify"))) {
    ::mkdir(run_directory_.c_str(), 0755);
    ::mkdir(state_directory_.c_str(), 0700);
    std::ofstream config(config_path_);
    config << "[database]\ndsn = \"" << postgres_->dsn() << "\"\n"
           << "poll_interval_ms = " << options.poll_interval_ms << "\n"
           << "listen = " << (options.is_listening ? "true" : "false") << "\n"
           << "[shm]\ndirectory = \"" << run_directory_ << "\"\n"
           << "[spool]\ndirectory = \"" << state_directory_ << "\"\nsegment_mib = 4\n"
           << "[log]\nlevel = \"debug\"\n"
           << options.extra_config;
    config.close();
    if (options.has_schema) {
        burgee_ok({"db", "migrate"});
    }
}

std::vector<std::string> Host::daemon_command() const {
    return {BURGEED_PATH, "--config", config_path_};
}

void Host::start_daemon(const std::vector<std::string>& environment) {
    ChildOptions options;
    options.arguments = daemon_command();
    options.environment = environment;
    options.environment.push_back(notify_->variable());
    options.error_path = log_path_;
    daemon_ = std::make_unique<ChildProcess>(options);
    if (!notify_->wait_for("READY=1", std::chrono::seconds(30))) {
        throw std::runtime_error("burgeed did not become ready:\n" + daemon_log());
    }
}

int Host::stop_daemon() {
    daemon_->kill(SIGTERM);
    const auto exit = daemon_->wait(std::chrono::seconds(30));
    if (!exit) {
        throw std::runtime_error("burgeed did not stop:\n" + daemon_log());
    }
    return exit->code;
}

void Host::kill_daemon() {
    daemon_->kill(SIGKILL);
    daemon_->wait(std::chrono::seconds(30));
}

ChildOutcome Host::burgee(const std::vector<std::string>& arguments) {
    std::vector<std::string> command{BURGEE_PATH};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run_child(command, std::chrono::seconds(60),
                     {"BURGEE_DATABASE_DSN=" + postgres_->dsn(),
                      "BURGEE_SHM_DIRECTORY=" + run_directory_});
}

std::string Host::burgee_ok(const std::vector<std::string>& arguments) {
    const ChildOutcome outcome = burgee(arguments);
    if (outcome.exit.code != 0) {
        std::string command = "burgee";
        for (const std::string& argument : arguments) {
            command += " " + argument;
        }
        throw std::runtime_error(command + " failed: " + outcome.error + outcome.output);
    }
    return outcome.output;
}

}  // namespace burgee::test
