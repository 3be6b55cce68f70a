#include "daemon/daemon.hpp"

#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <burgee/event_wire.hpp>
#include <spdlog/spdlog.h>

#include "daemon/event_server.hpp"
#include "daemon/flag_loop.hpp"
#include "daemon/notify.hpp"
#include "daemon/status_files.hpp"
#include "daemon/uploader.hpp"
#include "shm/publisher.hpp"

namespace burgee::daemon {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kHeartbeatInterval{250};  // clients call 2 s of silence a death
constexpr std::chrono::milliseconds kStatusInterval{1'000};
// How long the flag loop may be away before the watchdog is no longer fed: twice the longest
// statement PostgreSQL may take, so that only a loop that is stuck in our own code counts.
constexpr std::chrono::seconds kFlagLoopPatience{60};
constexpr int kFirstInheritedDescriptor = 3;  // SD_LISTEN_FDS_START

std::int64_t unix_ms_now() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::string host_name() {
    char name[256] = "unknown";
    ::gethostname(name, sizeof name - 1);
    return name;
}

/// The socket the service manager made for us; -1 when there is none.
int inherited_descriptor() {
    const auto number = [](const char* variable) {
        const char* text = std::getenv(variable);
        long value = 0;
        if (text != nullptr) {
            std::from_chars(text, text + std::strlen(text), value);
        }
        return value;
    };
    return number("LISTEN_PID") == ::getpid() && number("LISTEN_FDS") >= 1
               ? kFirstInheritedDescriptor
               : -1;
}

/// A directory of ours, made if its parent allows. Throws StartError.
void require_directory(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0) {
        ::chmod(path.c_str(), mode);  // whatever the umask says
        return;
    }
    struct stat facts {};
    if (errno != EEXIST) {
        throw StartError(EX_CONFIG, path + ": cannot be made: " + std::strerror(errno));
    }
    if (::stat(path.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode)) {
        throw StartError(EX_CONFIG, path + ": is no directory; name another in the configuration");
    }
    if (facts.st_uid != ::geteuid()) {
        throw StartError(EX_CONFIG, path + ": belongs to somebody else (uid " +
                                        std::to_string(facts.st_uid) + "); chown it or name another");
    }
}

Publisher open_publisher(const Config& config) {
    require_directory(config.shm_directory.string(), 0755);
    auto publisher = Publisher::open(config.shm_directory.string());
    if (!publisher) {
        const PublishError& error = publisher.error();
        const bool is_second = error.fault == PublishFault::kSecondDaemon;
        const bool is_setup = error.fault == PublishFault::kDirectory ||
                              error.fault == PublishFault::kControl;
        throw StartError(is_second ? EX_TEMPFAIL : (is_setup ? EX_CONFIG : EX_IOERR),
                         error.message);
    }
    return std::move(*publisher);
}

std::unique_ptr<Spool> open_spool(const Config& config) {
    require_directory(config.state_directory.string(), 0700);
    const std::string directory = (config.state_directory / "spool").string();
    require_directory(directory, 0700);
    SpoolOptions options;
    options.segment_size_bytes = config.spool_segment_mib << 20U;
    options.cap_bytes = config.spool_cap_mib << 20U;
    auto spool = Spool::open(directory, options);
    if (!spool) {
        const SpoolErrorCode code = spool.error().code;
        const bool is_setup =
            code == SpoolErrorCode::kBadDirectory || code == SpoolErrorCode::kNewerFormat;
        throw StartError(code == SpoolErrorCode::kLocked ? EX_TEMPFAIL
                                                         : (is_setup ? EX_CONFIG : EX_IOERR),
                         spool.error().message);
    }
    return std::move(*spool);
}

}  // namespace

/// Members die in reverse order: the server before the uploader, both before the spool.
struct Daemon::Parts {
    explicit Parts(const Config& settings)
        : config(settings),
          publisher(open_publisher(settings)),
          spool(open_spool(settings)),
          flag_loop(settings, publisher),
          signals(io_context, SIGTERM, SIGINT, SIGHUP),
          heartbeat(io_context),
          status_timer(io_context) {}

    void start();
    void beat();
    void report();
    void wait_for_signal();
    void stop();
    DaemonStatus status() const;
    bool is_well() const;

    Config config;
    Publisher publisher;
    std::unique_ptr<Spool> spool;
    Counters counters;
    FlagLoop flag_loop;
    asio::io_context io_context{1};
    std::optional<Uploader> uploader;
    std::optional<EventServer> server;
    asio::signal_set signals;
    asio::steady_timer heartbeat;
    asio::steady_timer status_timer;
    std::int64_t started_unix_ms = unix_ms_now();
    Clock::time_point next_watchdog = Clock::now();
    FlagLoopStatus counted;       // what of the flag loop's counts is in `counters`
    std::string status_complaint;  // why the status files could not be written, once
    bool is_stopping = false;
};

Daemon::Daemon(const Config& config) : parts_(std::make_unique<Parts>(config)) {}
Daemon::~Daemon() = default;

std::string version() {
    return std::string(BURGEE_VERSION) + " (git " + BURGEE_COMMIT + ", snapshot layout " +
           std::to_string(kLayoutMajor) + ", event protocol " + std::to_string(kProtocolVersion) +
           ")";
}

void Daemon::run() {
    parts_->start();
    parts_->io_context.run();
}

void Daemon::Parts::start() {
    spdlog::info("burgeed {} starts: directory={} spool={}", version(),
                 config.shm_directory.string(), config.state_directory.string());
    publisher.set_state(kStateRunning, true);
    spdlog::info("{}", flag_loop.publish_last_known_good());
    flag_loop.start();
    if (config.upload) {
        UploaderOptions options;
        options.connection.dsn = config.database_dsn;
        options.connection.application_name = "burgeed-writer";
        options.writer.host_name = host_name();
        options.writer.stores_raw_rows = config.store_raw_events;
        options.program_version = version();
        options.snapshot_position = [this] {
            const FlagLoopStatus flags = flag_loop.status();
            return SnapshotPosition{flags.generation, flags.revision};
        };
        uploader.emplace(*spool, counters, options);
    }
    EventServerOptions options;
    options.socket_path = (config.shm_directory / kEventSocketName).string();
    options.inherited_descriptor = inherited_descriptor();
    options.on_spool_state = [this](const SpoolError* error) {
        publisher.set_state(kStateShedding, error != nullptr);
        publisher.set_state(kStateDiskFull,
                            error != nullptr && error->code == SpoolErrorCode::kDiskFailed);
        if (error != nullptr) {
            spdlog::error("events are refused: {}", error->message);
        } else {
            spdlog::info("events are taken again");
        }
    };
    try {
        server.emplace(io_context, options, *spool, counters);
    } catch (const std::runtime_error& error) {
        throw StartError(EX_CONFIG, error.what());
    }
    wait_for_signal();
    beat();
    report();
    notify_service_manager("READY=1\nSTATUS=" + status_line(status()));
}

void Daemon::Parts::wait_for_signal() {
    signals.async_wait([this](const boost::system::error_code& error, int signal) {
        if (error) {
            return;
        }
        if (signal == SIGHUP) {
            notify_service_manager("RELOADING=1");
            flag_loop.refresh();
            spdlog::info("reading all flags again");
            notify_service_manager("READY=1");
            wait_for_signal();
            return;
        }
        spdlog::info("signal {}: stopping", signal);
        // A second signal ends us at once: the default action is in force again.
        signals.clear();
        stop();
    });
}

bool Daemon::Parts::is_well() const {
    return Clock::now() - flag_loop.last_turn() < config.poll_interval * 2 + kFlagLoopPatience;
}

void Daemon::Parts::beat() {
    if (is_stopping) {
        return;
    }
    publisher.beat();
    const auto interval = watchdog_interval();
    if (interval.count() > 0 && Clock::now() >= next_watchdog && is_well()) {
        notify_service_manager("WATCHDOG=1");
        next_watchdog = Clock::now() + interval / 2;
    }
    heartbeat.expires_after(kHeartbeatInterval);
    heartbeat.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            beat();
        }
    });
}

DaemonStatus Daemon::Parts::status() const {
    DaemonStatus status;
    status.flags = flag_loop.status();
    status.spool = spool->statistics();
    status.connections_open = server ? server->connection_count() : 0;
    if (uploader) {
        const UploaderStatus upload = uploader->status();
        status.upload_error = upload.error;
        status.upload_lag_events = upload.lag_events;
    }
    status.started_unix_ms = started_unix_ms;
    status.now_unix_ms = unix_ms_now();
    status.version = version();
    return status;
}

void Daemon::Parts::report() {
    const DaemonStatus now = status();
    counters.add(Counter::polls, now.flags.polls - counted.polls);
    counters.add(Counter::poll_failures, now.flags.poll_failures - counted.poll_failures);
    counters.add(Counter::publishes, now.flags.publishes - counted.publishes);
    counters.add(Counter::publish_failures, now.flags.publish_failures - counted.publish_failures);
    counted = now.flags;
    const std::int64_t age_ms = now.now_unix_ms - now.flags.answered_unix_ms;
    publisher.set_state(kStateStale, age_ms > config.stale_after.count());

    const std::string directory = config.shm_directory.string();
    std::string complaint = replace_file(directory, "status.json", status_json(now, counters));
    complaint += replace_file(directory, "status.txt", status_text(now, counters));
    complaint += replace_file(directory, "problems.txt", problems_text(now.flags));
    if (!complaint.empty() && complaint != status_complaint) {
        spdlog::error("cannot write the status files: {}", complaint);
    }
    status_complaint = complaint;
    notify_service_manager("STATUS=" + status_line(now));
    if (is_stopping) {
        return;
    }
    status_timer.expires_after(kStatusInterval);
    status_timer.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            report();
        }
    });
}

void Daemon::Parts::stop() {
    is_stopping = true;
    notify_service_manager("STOPPING=1");
    heartbeat.cancel();
    status_timer.cancel();
    server->stop();
    server.reset();
    uploader.reset();
    flag_loop.stop();
    report();
    spdlog::info("stopped: {}", status_line(status()));
}

}  // namespace burgee::daemon
