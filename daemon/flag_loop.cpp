#include "daemon/flag_loop.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include <spdlog/spdlog.h>
#include <burgee/snapshot_view.hpp>

#include "daemon/row_problems.hpp"
#include "daemon/snapshot_saver.hpp"
#include "shm/last_known_good.hpp"
#include "shm/snapshot_builder.hpp"
#include "sync/flag_reader.hpp"
#include "sync/listener.hpp"
#include "sync/pg_session.hpp"

namespace burgee::daemon {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Between two polls that hints asked for: bounds what a storm of notifications can cost.
constexpr milliseconds kHintSpacing{5};
// An answer that takes longer is not coming: PostgreSQL itself gives a statement up after 30 s, and
// the watchdog a loop after 60 s. Behind a pooler whose server is away nobody else would notice.
constexpr milliseconds kAnswerTimeout{40'000};
// Cap of the doubling pause after failed polls; short, because a kill switch waits behind it.
constexpr milliseconds kRetryPauseMax{10'000};
// Between two writes of the last known good snapshot: each costs two syncs.
constexpr milliseconds kSaveSpacing{5'000};
// After a snapshot that could not be published: it may hold a kill.
constexpr milliseconds kPublishRetryPause{500};
// A timer publication waits this much longer, so that no clock granularity can make it early.
constexpr milliseconds kTimerSlack{1};

std::int64_t unix_ms_now() {
    return std::chrono::duration_cast<milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

double ms_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

sync::PgOptions options_of(const Config& config, const char* application) {
    sync::PgOptions options;
    options.dsn = config.database_dsn;
    options.application_name = application;
    options.answer_timeout = kAnswerTimeout;
    return options;
}

}  // namespace

/// Everything that belongs to the loop's thread.
struct FlagLoop::Database {
    explicit Database(const Config& config)
        : session(options_of(config, "burgeed-reader")),
          reader(session),
          listener(options_of(config, "burgeed-listener"), config.listen),
          next_poll(Clock::now()),
          saver(
              [directory = config.state_directory.string()](std::span<const std::byte> image) {
                  const auto saved = save_last_known_good(directory, image);
                  return saved ? std::string() : saved.error().message;
              },
              kSaveSpacing) {}

    /// Database time now, as far as the last poll and our own clock know it; never goes back.
    std::int64_t database_unix_ms() {
        if (!polled_at) {
            return latest_unix_ms;
        }
        const auto passed = std::chrono::duration_cast<milliseconds>(Clock::now() - *polled_at);
        latest_unix_ms = std::max(latest_unix_ms, polled_unix_ms + passed.count());
        return latest_unix_ms;
    }

    sync::PgSession session;
    sync::FlagReader reader;
    sync::FlagListener listener;
    SnapshotBuilder builder;
    Clock::time_point next_poll;
    Clock::time_point last_poll;
    std::optional<Clock::time_point> polled_at;
    std::int64_t polled_unix_ms = 0;
    std::int64_t latest_unix_ms = 0;
    bool is_time_guessed = false;  // by our wall clock, before the first answer
    std::optional<std::int64_t> next_change_unix_ms;
    std::vector<ExperimentDefinition> experiments;
    std::vector<FlagProblem> row_problems;
    std::vector<FlagProblem> kept_problems;  // as status() shows them
    bool are_problems_due = false;
    milliseconds pause{0};
    bool is_publication_due = false;
    std::optional<Clock::time_point> retry_publication_at;
    std::pair<std::uint64_t, std::uint64_t> published{};  // revision and content hash
    SnapshotSaver saver;                                  // of what was published last
};

FlagLoop::FlagLoop(const Config& config, Publisher& publisher)
    : config_(config),
      publisher_(publisher),
      random_(std::random_device{}()),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

FlagLoop::~FlagLoop() {
    stop();
    ::close(wake_fd_);
}

std::string FlagLoop::publish_last_known_good() {
    auto image = load_newest_snapshot(config_.state_directory.string(), publisher_.directory(),
                                      publisher_.current_generation());
    if (!image) {
        return image.error().message;
    }
    SnapshotView view;
    if (SnapshotView::open(image->data(), image->size(), view) != ViewError::kNone) {
        return "last known good snapshot: refused";  // whoever loaded it has just checked it
    }
    publisher_.raise_generation(view.header().generation);
    const auto generation = publisher_.publish(*image, ReadBack{});
    first_image_ = std::move(*image);
    if (!generation) {
        return "last known good snapshot: " + generation.error().message;
    }
    const std::scoped_lock lock(mutex_);
    status_.generation = *generation;
    status_.answered_unix_ms = view.header().database_unix_ms;
    status_.revision = view.header().revision;
    status_.flag_count = view.flag_count();
    status_.published_unix_ms = unix_ms_now();
    status_.snapshot_size_bytes = first_image_.size();
    return "published the last known good snapshot: generation=" + std::to_string(*generation) +
           " revision=" + std::to_string(view.header().revision) +
           " flags=" + std::to_string(view.flag_count());
}

void FlagLoop::start() {
    last_turn_ms_ = Clock::now().time_since_epoch() / milliseconds(1);
    thread_ = std::thread([this] { run(); });
}

void FlagLoop::stop() {
    is_stopping_ = true;
    wake();
    {
        const std::scoped_lock lock(mutex_);
        if (interrupt_) {
            interrupt_();
        }
    }
    if (thread_.joinable()) {
        thread_.join();
    }
}

void FlagLoop::refresh() {
    is_refresh_wanted_ = true;
    wake();
}

void FlagLoop::wake() const {
    ::eventfd_write(wake_fd_, 1);
}

FlagLoopStatus FlagLoop::status() const {
    const std::scoped_lock lock(mutex_);
    return status_;
}

Clock::time_point FlagLoop::last_turn() const {
    return Clock::time_point(milliseconds(last_turn_ms_));
}

milliseconds FlagLoop::jittered(milliseconds interval) {
    std::uniform_real_distribution<double> spread(0.9, 1.1);
    return milliseconds(
        static_cast<std::int64_t>(static_cast<double>(interval.count()) * spread(random_)));
}

/// Tells reader and builder what was published before we started.
void FlagLoop::begin(Database& database) {
    SnapshotView view;
    if (SnapshotView::open(first_image_.data(), first_image_.size(), view) == ViewError::kNone) {
        sync::FlagReader::Published published{view.header().source_id, {}, {}};
        for (std::uint64_t number = 0; number < view.flag_count(); ++number) {
            published.flags.emplace(view.name(*view.flag(number)));
        }
        for (std::uint64_t number = 0; number < view.segment_count(); ++number) {
            const SegmentRecord& segment = *view.segment(number);
            published.segments.emplace(view.text(segment.name_offset, segment.name_size));
        }
        database.reader.remember(std::move(published));
        database.builder.begin_with(view);
        // What was published ends in time, also when PostgreSQL does not answer for a while.
        database.polled_at = Clock::now();
        database.polled_unix_ms = std::max(view.header().database_unix_ms, unix_ms_now());
        database.is_time_guessed = true;
        database.next_change_unix_ms =
            database.builder.next_change_unix_ms(view.header().database_unix_ms);
    }
    first_image_ = {};
}

void FlagLoop::run() {
    Database database(config_);
    begin(database);
    {
        const std::scoped_lock lock(mutex_);
        interrupt_ = [&database] { database.session.interrupt(); };
    }
    while (!is_stopping_) {
        last_turn_ms_ = Clock::now().time_since_epoch() / milliseconds(1);
        if (is_refresh_wanted_.exchange(false)) {
            database.reader.forget();
            database.next_poll = Clock::now();
        }
        if (Clock::now() >= database.next_poll) {
            poll(database);
        }
        if (database.next_change_unix_ms &&
            database.database_unix_ms() >= *database.next_change_unix_ms) {
            database.is_publication_due = true;
        }
        if (database.retry_publication_at && Clock::now() >= *database.retry_publication_at) {
            database.retry_publication_at.reset();
            database.is_publication_due = true;
        }
        if (database.is_publication_due) {
            publish(database);
        }
        if (std::exchange(database.are_problems_due, false)) {
            note_problems(database);  // after publishing, for a kill does not wait for a report
        }
        wait(database);
    }
    const std::scoped_lock lock(mutex_);
    interrupt_ = nullptr;
}

void FlagLoop::wait(Database& database) {
    if (is_stopping_) {
        return;
    }
    auto until = database.next_poll;
    if (database.retry_publication_at) {
        until = std::min(until, *database.retry_publication_at);
    }
    auto pause = std::chrono::ceil<milliseconds>(until - Clock::now());
    if (database.next_change_unix_ms) {
        const milliseconds left(*database.next_change_unix_ms - database.database_unix_ms());
        pause = std::min(pause, left + kTimerSlack);
    }
    const auto outcome = database.listener.wait(std::max(pause, milliseconds(0)), wake_fd_);
    if (outcome == sync::WaitOutcome::kHint || outcome == sync::WaitOutcome::kBroken) {
        database.next_poll = std::min(database.next_poll, database.last_poll + kHintSpacing);
    }
    if (outcome == sync::WaitOutcome::kWoken) {
        eventfd_t count = 0;
        ::eventfd_read(wake_fd_, &count);
    }
    const std::scoped_lock lock(mutex_);
    status_.is_listening = database.listener.is_listening();
    status_.hints += outcome == sync::WaitOutcome::kHint ? 1 : 0;
}

void FlagLoop::poll(Database& database) {
    const auto start = Clock::now();
    database.last_poll = start;
    const auto changes = database.reader.poll();
    const double poll_ms = ms_since(start);
    if (!changes) {
        database.pause = std::clamp(database.pause * 2, config_.poll_interval,
                                    std::max(kRetryPauseMax, config_.poll_interval));
        database.next_poll = Clock::now() + jittered(database.pause);
        publisher_.set_state(kStateDatabaseDown, true);
        const std::scoped_lock lock(mutex_);
        ++status_.polls;
        ++status_.poll_failures;
        if (status_.is_database_up || status_.database_error != changes.error().message) {
            spdlog::warn("database down: {}", changes.error().message);
        }
        status_.is_database_up = false;
        status_.database_error = changes.error().message;
        return;
    }
    database.pause = milliseconds(0);
    database.next_poll = start + jittered(config_.poll_interval);
    publisher_.set_state(kStateDatabaseDown, false);
    {
        const std::scoped_lock lock(mutex_);
        if (!status_.is_database_up) {
            spdlog::info("database up: revision={} poll_ms={:.1f}", changes->revision, poll_ms);
        }
        status_.is_database_up = true;
        status_.answered_unix_ms = unix_ms_now();
        status_.database_error.clear();
        status_.poll_ms = poll_ms;
        ++status_.polls;
        status_.rows_read += changes->changed.size();
    }
    take(database, *changes);
}

void FlagLoop::take(Database& database, const FlagChanges& changes) {
    if (std::exchange(database.is_time_guessed, false)) {
        database.latest_unix_ms = 0;  // our clock may have been ahead
    }
    database.polled_at = Clock::now();
    database.polled_unix_ms = changes.database_unix_ms;
    const bool is_first = status().publishes == 0;
    const bool names_segments = !changes.segments.empty() || !changes.removed_segments.empty() ||
                                !changes.refused_segments.empty();
    const bool has_news =
        changes.is_full || !changes.changed.empty() || !changes.removed.empty() ||
        !changes.refused.empty() || changes.revision != database.builder.revision() ||
        changes.experiments != database.experiments || names_segments || !changes.problems.empty();
    if (!has_news && !is_first) {
        return;
    }
    database.builder.apply(changes);
    database.experiments = changes.experiments;
    database.is_publication_due = true;
    database.are_problems_due = true;
    replace_row_problems(database.row_problems, changes);
}

void FlagLoop::note_held(const Database& database) {
    const auto& held = database.reader.held();
    publisher_.set_state(kStateGuardHeld, held || database.reader.held_segments());
    const std::scoped_lock lock(mutex_);
    status_.held = held ? held->names : std::vector<std::string>{};
}

void FlagLoop::note_problems(Database& database) {
    std::vector<FlagProblem> problems = database.row_problems;
    std::ranges::move(database.builder.problems(), std::back_inserter(problems));
    const std::size_t more = problems.size() - std::min(problems.size(), kKeptProblemsMax);
    problems.resize(problems.size() - more);
    log_new_problems(problems, database.kept_problems, database.builder);
    database.kept_problems = problems;
    const std::scoped_lock lock(mutex_);
    status_.problems = std::move(problems);
    status_.more_problems = more;
}

void FlagLoop::publish(Database& database) {
    const auto start = Clock::now();
    database.is_publication_due = false;
    note_held(database);
    const std::int64_t database_unix_ms = database.database_unix_ms();
    std::vector<std::byte> image =
        database.builder.build({publisher_.next_generation(), database_unix_ms});
    database.next_change_unix_ms = database.builder.next_change_unix_ms(database_unix_ms);
    SnapshotView view;
    const bool is_readable =
        SnapshotView::open(image.data(), image.size(), view) == ViewError::kNone;
    const std::pair identity{view.header().revision, view.header().content_hash};
    if (is_readable && database.published == identity) {
        database.builder.take_read_back(0);  // or it would grow with every such read
        return;                              // the periodic full read found nothing new
    }
    const auto generation = publisher_.publish(image, database.builder.take_read_back());
    const double publish_ms = ms_since(start);
    publisher_.set_state(kStatePublishFailed, !generation.has_value());

    const std::scoped_lock lock(mutex_);
    if (!generation) {
        ++status_.publish_failures;
        status_.publish_error = generation.error().message;
        spdlog::error("cannot publish: {}", generation.error().message);
        database.reader.forget();
        // Also while PostgreSQL is away: what is built and not published may be a kill.
        database.retry_publication_at = Clock::now() + kPublishRetryPause;
        return;
    }
    ++status_.publishes;
    status_.publish_error.clear();
    status_.generation = *generation;
    status_.revision = database.builder.revision();
    status_.flag_count = database.builder.flag_count();
    status_.published_unix_ms = unix_ms_now();
    status_.snapshot_size_bytes = image.size();
    status_.publish_ms = publish_ms;
    spdlog::debug("published generation={} revision={} flags={} size_bytes={} ms={:.2f}",
                  *generation, status_.revision, status_.flag_count, image.size(), publish_ms);
    database.published = identity;
    database.saver.save(std::move(image));
}

}  // namespace burgee::daemon
