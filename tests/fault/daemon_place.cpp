#include "tests/fault/daemon_place.hpp"

#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <stdexcept>

namespace burgee::test {
namespace {

/// The number behind `"name": ` after the word `section`; throws when it is not there.
std::uint64_t number_in(const std::string& json, const std::string& section,
                        const std::string& name) {
    const std::size_t begin = json.find("\"" + section + "\"");
    const std::string key = "\"" + name + "\": ";
    const std::size_t found = begin == std::string::npos ? begin : json.find(key, begin);
    if (found == std::string::npos) {
        throw std::runtime_error("status.json does not hold " + section + "." + name);
    }
    return std::stoull(json.substr(found + key.size()));
}

}  // namespace

DaemonPlace::DaemonPlace(const std::string& dsn, PlaceOptions options)
    : directory_("burgee-place"),
      run_directory_(directory_.file("run")),
      state_directory_(options.state_directory.empty() ? directory_.file("state")
                                                       : options.state_directory),
      config_path_(directory_.file("burgee.toml")),
      log_path_(directory_.file("burgeed.log")),
      notify_(std::make_unique<NotifySocket>(directory_.file("notify"))) {
    ::mkdir(run_directory_.c_str(), 0755);
    ::mkdir(state_directory_.c_str(), 0700);
    std::ofstream config(config_path_);
    config << "[database]\ndsn = \"" << dsn << "\"\npoll_interval_ms = 200\nlisten = true\n"
           << "[shm]\ndirectory = \"" << run_directory_ << "\"\n"
           << "[spool]\ndirectory = \"" << state_directory_ << "\"\n"
           << "segment_mib = " << options.segment_mib << "\ncap_mib = " << options.cap_mib
           << "\ndurability = \"" << options.durability << "\"\n"
           << "[log]\nlevel = \"info\"\n"
           << options.extra_config;
}

void DaemonPlace::start() {
    ChildOptions options;
    options.arguments = {BURGEED_PATH, "--config", config_path_};
    options.environment = {notify_->variable()};
    options.error_path = log_path_;
    daemon_ = std::make_unique<ChildProcess>(options);
    if (!notify_->wait_for("READY=1", std::chrono::seconds(30))) {
        throw std::runtime_error("burgeed did not become ready:\n" + log());
    }
}

int DaemonPlace::stop() {
    daemon_->kill(SIGTERM);
    const auto exit = daemon_->wait(std::chrono::seconds(30));
    if (!exit) {
        throw std::runtime_error("burgeed did not stop:\n" + log());
    }
    return exit->code;
}

std::unique_ptr<TracedProcess> DaemonPlace::start_traced(TracePlan plan) {
    TracedOptions options;
    options.arguments = {BURGEED_PATH, "--config", config_path_};
    options.environment = {notify_->variable()};
    options.error_path = log_path_;
    if (plan.begin_at_path.empty()) {
        plan.begin_at_path = config_path_;
    }
    options.plan = std::move(plan);
    return std::make_unique<TracedProcess>(std::move(options));
}

Accounts DaemonPlace::accounts_in(const std::string& status_json) {
    const auto figure = [&](const char* name) {
        return number_in(status_json, "accounting", name);
    };
    return {figure("recovered"),   figure("accepted"), figure("delivered"),
            figure("dead_letter"), figure("in_spool"), figure("counted_lost")};
}

std::uint64_t DaemonPlace::counter(const std::string& name) const {
    return number_in(read_file(run_directory_ + "/status.json"), "counters", name);
}

bool wait_until_delivered_in(const std::string& run_directory, std::uint64_t events) {
    constexpr std::chrono::minutes kPatience{5};
    auto moved_at = std::chrono::steady_clock::now();
    std::uint64_t settled = 0;
    while (std::chrono::steady_clock::now() - moved_at < kPatience) {
        const Accounts now = DaemonPlace::accounts_in(read_file(run_directory + "/status.json"));
        if (now.in_spool == 0 && now.recovered + now.accepted >= events) {
            return true;
        }
        const std::uint64_t moved = now.delivered + now.dead_letter + now.accepted;
        moved_at = moved != settled ? std::chrono::steady_clock::now() : moved_at;
        settled = moved;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it is written once a second
    }
    return false;
}

StoredAccounts stored_accounts(PostgresCluster& postgres) {
    const auto row = postgres.rows(
        "SELECT (SELECT count(*) FROM public.ab_test_metrics),"
        " (SELECT count(*) FROM burgee.dead_letter),"
        " (SELECT coalesce(sum(next_lsn - 1), 0)::bigint FROM burgee.spool_cursor)");
    const auto number = [&](std::size_t column) { return std::stoull(*row.at(0).at(column)); };
    return {number(0), number(1), number(2)};
}

void migrate(PostgresCluster& postgres) {
    const ChildOutcome outcome = run_child({BURGEE_PATH, "db", "migrate"}, std::chrono::seconds(60),
                                           {"BURGEE_DATABASE_DSN=" + postgres.dsn()});
    if (outcome.exit.code != 0) {
        throw std::runtime_error("burgee db migrate failed: " + outcome.error);
    }
}

}  // namespace burgee::test
