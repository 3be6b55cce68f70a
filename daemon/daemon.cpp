#include "daemon/daemon.hpp"

#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <optional>

#include <spdlog/spdlog.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <burgee/event_wire.hpp>

#include "daemon/event_listener.hpp"
#include "daemon/event_server.hpp"
#include "daemon/flag_loop.hpp"
#include "daemon/notify.hpp"
#include "daemon/owned_directory.hpp"
#include "daemon/spool_opening.hpp"
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
// A disk that has not let the spool open by now may never: whoever waits for READY=1 wants flags. A
// spool at its default cap of 4 GiB takes about 4 s.
constexpr std::chrono::seconds kSpoolPatience{20};
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

Publisher open_publisher(const Config& config) {
    if (const std::string complaint = directory_complaint(config.shm_directory.string(), 0755);
        !complaint.empty()) {
        throw StartError(EX_CONFIG, complaint);
    }
    auto publisher = Publisher::open(config.shm_directory.string());
    if (!publisher) {
        const PublishError& error = publisher.error();
        const bool is_second = error.fault == PublishFault::kSecondDaemon;
        const bool is_setup =
            error.fault == PublishFault::kDirectory || error.fault == PublishFault::kControl;
        throw StartError(is_second ? EX_TEMPFAIL : (is_setup ? EX_CONFIG : EX_IOERR),
                         error.message);
    }
    return std::move(*publisher);
}

/// Whether no other attempt can open the spool while its owner, or what it holds, stays as it is.
bool is_final(SpoolErrorCode code) {
    return code == SpoolErrorCode::kLocked || code == SpoolErrorCode::kNewerFormat;
}

}  // namespace

/// Flags do not wait for the spool: it is opened beside them, and events are taken once it is open.
/// Members die in reverse order: the server before the uploader, both before the spool.
struct Daemon::Parts {
    explicit Parts(const Config& settings)
        : config(settings),
          publisher(open_publisher(settings)),
          flag_loop(settings, publisher),
          signals(io_context, SIGTERM, SIGINT, SIGHUP),
          heartbeat(io_context),
          status_timer(io_context),
          spool_opening(
              io_context,
              [this] {
                  exposures = std::make_shared<ExposureMemory>();
                  return open_spool(config, exposures.get());
              },
              [this](SpoolOpening::Outcome outcome) { take_spool(std::move(outcome)); }) {}

    void start();
    void take_spool(SpoolOpening::Outcome outcome);
    void serve_events();
    void go_on_without_events(const std::string& reason);
    void tell_ready();
    void beat();
    void report();
    void wait_for_signal();
    void stop();
    DaemonStatus status() const;
    bool is_well() const;

    Config config;
    Publisher publisher;
    std::unique_ptr<Spool> spool;
    std::shared_ptr<ExposureMemory>
        exposures;  // an attempt's until it was taken, then the server's
    Counters counters;
    FlagLoop flag_loop;
    asio::io_context io_context{1};
    std::optional<Uploader> uploader;
    std::optional<EventServer> server;
    asio::signal_set signals;
    asio::steady_timer heartbeat;
    asio::steady_timer status_timer;
    std::int64_t started_unix_ms = unix_ms_now();
    const Clock::time_point started_at = Clock::now();
    Clock::time_point next_watchdog = Clock::now();
    FlagLoopStatus counted;        // what of the flag loop's counts is in `counters`
    std::string status_complaint;  // why the status files could not be written, once
    std::string spool_error;       // why events are not taken at all
    std::optional<StartError> start_error;
    bool is_ready = false;
    bool is_stopping = false;
    SpoolOpening spool_opening;  // the last member: its thread ends first
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
    if (parts_->start_error) {
        throw *parts_->start_error;
    }
}

void Daemon::Parts::start() {
    spdlog::info("burgeed {} starts: directory={} spool={}", version(),
                 config.shm_directory.string(), config.state_directory.string());
    publisher.set_state(kStateRunning, true);
    spdlog::info("{}", flag_loop.publish_last_known_good());
    flag_loop.start();
    wait_for_signal();
    spool_opening.begin();
    beat();
    report();
}

void Daemon::Parts::take_spool(SpoolOpening::Outcome outcome) {
    if (!outcome) {
        const SpoolError& error = outcome.error();
        if (!is_ready && is_final(error.code)) {
            const bool is_locked = error.code == SpoolErrorCode::kLocked;
            start_error.emplace(is_locked ? EX_TEMPFAIL : EX_CONFIG, error.message);
            io_context.stop();
            return;
        }
        go_on_without_events(error.message);
        return;
    }
    spool = std::move(*outcome);
    try {
        serve_events();
    } catch (const std::runtime_error& error) {
        uploader.reset();
        spool.reset();
        if (!is_ready) {
            start_error.emplace(EX_CONFIG, error.what());
            io_context.stop();
            return;
        }
        go_on_without_events(error.what());
        return;
    }
    if (!spool_error.empty()) {
        spdlog::info("the spool is open: events are taken");
        spool_error.clear();
    }
    publisher.set_state(kStateShedding, false);
    tell_ready();
}

void Daemon::Parts::go_on_without_events(const std::string& reason) {
    if (reason != spool_error) {
        spdlog::error("events are refused until this is mended, flags are served: {}", reason);
    }
    spool_error = reason;
    publisher.set_state(kStateShedding, true);
    spool_opening.begin_later();
    tell_ready();
}

/// Throws std::runtime_error when the socket cannot be had.
void Daemon::Parts::serve_events() {
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
    options.exposures = exposures;
    if (config.spool_durability == "relaxed") {
        options.limits.ingest.durability = Durability::kRelaxed;
        spdlog::warn(
            "spool.durability is relaxed: a power cut may take events that were acknowledged");
    }
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
    if (const auto files = raise_descriptor_limit(); files < options.limits.connections_max + 100) {
        spdlog::warn("at most {} files may be open: clients beyond that wait; raise LimitNOFILE",
                     files);
    }
    server.emplace(io_context, options, *spool, counters);
}

/// Once, when the first attempt to open the spool has come to an end, or takes too long.
void Daemon::Parts::tell_ready() {
    if (!is_ready) {
        is_ready = true;
        report();
        notify_service_manager("READY=1\nSTATUS=" + status_line(status()));
    }
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
    if (Clock::now() - started_at >= kSpoolPatience) {
        tell_ready();
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
    if (spool) {
        status.spool = spool->statistics();
    }
    status.is_spool_open = spool != nullptr;
    status.spool_error = spool_error;
    status.spool_durability = config.spool_durability;
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
    if (uploader) {
        uploader->break_stuck_turn();
    }
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
    spool_opening.stop();
    if (server) {
        server->stop();
        server.reset();
    }
    uploader.reset();
    flag_loop.stop();
    report();
    spdlog::info("stopped: {}", status_line(status()));
}

}  // namespace burgee::daemon
