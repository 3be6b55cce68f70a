#include "daemon/spool/spool.hpp"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "daemon/spool/id_change.hpp"
#include "daemon/spool/segment_header.hpp"
#include "daemon/spool/segment_store.hpp"
#include "daemon/spool/spool_reader.hpp"
#include "daemon/spool/spool_recovery.hpp"
#include "daemon/spool/spool_writer.hpp"

namespace burgee::daemon {
namespace {

constexpr std::uint64_t kSegmentSizeMin = 1ULL << 20;  // a frame and its bookkeeping fit many times
constexpr std::uint64_t kSegmentCountMin = 3;          // one written, one delivered, one in reserve

SpoolId new_spool_id() {
    const std::uint64_t halves[2] = {random_number(), random_number()};
    SpoolId id{};
    static_assert(sizeof halves == sizeof id);
    std::memcpy(id.data(), halves, id.size());
    return id;
}

SpoolError lock_error(const SpoolDisk& disk, int error) {
    if (error == EAGAIN) {
        return {SpoolErrorCode::kLocked, "spool " + disk.name() +
                                             ": in use by another burgeed; stop that one, or "
                                             "give this one a directory of its own"};
    }
    return {SpoolErrorCode::kBadDirectory,
            "spool " + disk.name() + ": " + std::strerror(error) +
                "; it must be a directory that this user may write to"};
}

SpoolOptions with_bounds(SpoolOptions options) {
    options.segment_size_bytes = std::max(options.segment_size_bytes, kSegmentSizeMin);
    options.cap_bytes = std::max(options.cap_bytes, kSegmentCountMin * options.segment_size_bytes);
    // Delivered segments that are only kept for a replay must leave room for new ones.
    const std::uint64_t working_bytes = (kSegmentCountMin + 1) * options.segment_size_bytes;
    options.replay_window_bytes =
        std::min(options.replay_window_bytes,
                 options.cap_bytes - std::min(options.cap_bytes, working_bytes));
    return options;
}

}  // namespace

/// Lock order: writer_mutex_, then the store's own, then wait_mutex_. The store's figures have a
/// mutex of their own that is taken last, so that statistics() waits for no disk.
class Spool::State {
public:
    State(std::unique_ptr<SpoolDisk> disk, const SpoolOptions& options, RecoveredSpool recovered,
          std::optional<SpoolIdChange> noted_id_change)
        : quarantined_bytes_(recovered.quarantined_bytes),
          recovered_end_lsn_(recovered.next_lsn),
          recovered_oldest_lsn_(recovered.segments.empty()
                                    ? recovered.next_lsn
                                    : recovered.segments.front().header.first_lsn),
          disk_(*disk),
          store_(std::move(disk), options, std::move(recovered.segments),
                 std::move(recovered.spares)),
          writer_(store_, options, std::move(recovered.sessions), recovered.spool_id,
                  recovered.next_lsn),
          reader_(store_),
          noted_id_change_(noted_id_change),
          durable_end_lsn_(recovered.next_lsn) {
        store_.note_known_gaps(recovered.known_gaps);
        for (const GapRecord& gap : recovered.fresh_gaps) {
            store_.note_lost(gap);
        }
        // Only what is written down may be moved away: else a crash here would forget the loss.
        if (writer_.open_first()) {
            for (const std::string& name : recovered.unreadable) {
                store_.quarantine(name);
            }
        }
    }

    SpoolResult<std::uint64_t> stage(const StagedBatch& batch) {
        const std::lock_guard lock(writer_mutex_);
        return writer_.stage(batch);
    }

    bool write() {
        const std::lock_guard lock(writer_mutex_);
        return writer_.write();
    }

    SpoolResult<std::uint64_t> commit(SpoolResult<void> (SpoolWriter::*store)()) {
        const std::lock_guard lock(writer_mutex_);
        if (auto stored = (writer_.*store)(); !stored) {
            return stored.error();
        }
        {
            const std::lock_guard wait_lock(wait_mutex_);
            // Release: pairs with the acquire in durable_end_lsn(); the segments' ends, which the
            // reader looks up next, were set before.
            durable_end_lsn_.store(writer_.durable_end_lsn(), std::memory_order_release);
        }
        committed_.notify_all();
        return writer_.durable_end_lsn();
    }

    std::uint64_t durable_end_lsn() const {
        // Acquire: pairs with the release in commit().
        return durable_end_lsn_.load(std::memory_order_acquire);
    }

    bool wait(std::uint64_t lsn, std::chrono::milliseconds timeout) {
        std::unique_lock lock(wait_mutex_);
        const std::uint64_t wakes = wakes_;
        committed_.wait_for(lock, timeout,
                            [&] { return durable_end_lsn() > lsn || wakes_ != wakes; });
        return durable_end_lsn() > lsn;
    }

    void wake() {
        {
            const std::lock_guard lock(wait_mutex_);
            ++wakes_;
        }
        committed_.notify_all();
    }

    SpoolResult<SpoolIdChange> propose_id(std::uint64_t first_lsn) {
        const std::lock_guard lock(writer_mutex_);
        const SpoolIdChange change{new_spool_id(), first_lsn};
        if (const int error = write_id_change(disk_, change)) {
            const auto code =
                is_no_space(error) ? SpoolErrorCode::kFull : SpoolErrorCode::kDiskFailed;
            return SpoolError{code, "spool " + disk_.name() +
                                        ": cannot note its new id: " + std::strerror(error)};
        }
        noted_id_change_ = change;
        return change;
    }

    std::optional<SpoolIdChange> pending_id_change() const {
        const std::lock_guard lock(writer_mutex_);
        const bool is_pending = noted_id_change_ && noted_id_change_->id != writer_.spool_id();
        return is_pending ? noted_id_change_ : std::nullopt;
    }

    SpoolResult<void> adopt_id() {
        const auto change = pending_id_change();
        if (!change) {
            std::abort();  // ours to get right: propose_id() comes first
        }
        const std::lock_guard lock(writer_mutex_);
        auto changed = writer_.change_id(change->id);
        if (changed) {
            remove_id_change(disk_);
        }
        return changed;
    }

    SpoolStatistics statistics() const {
        // Without writer_mutex_, which a commit holds for as long as the disk takes.
        SpoolStatistics statistics;
        statistics.durable_end_lsn = durable_end_lsn();
        statistics.quarantined_bytes = quarantined_bytes_;
        statistics.recovered_end_lsn = recovered_end_lsn_;
        statistics.first_cursor_lsn = recovered_oldest_lsn_;
        writer_.describe(&statistics);
        store_.describe(&statistics);
        return statistics;
    }

    const std::uint64_t quarantined_bytes_;
    const std::uint64_t recovered_end_lsn_;
    const std::uint64_t recovered_oldest_lsn_;
    SpoolDisk& disk_;  // the store's
    SegmentStore store_;
    SpoolWriter writer_;
    SpoolReader reader_;
    mutable std::mutex writer_mutex_;

private:
    std::optional<SpoolIdChange> noted_id_change_;  // what the disk says; guarded by writer_mutex_
    std::mutex wait_mutex_;
    std::condition_variable committed_;
    std::uint64_t wakes_ = 0;
    std::atomic<std::uint64_t> durable_end_lsn_;
};

SpoolResult<std::unique_ptr<Spool>> Spool::open(const std::string& directory,
                                                const SpoolOptions& options) {
    return open(make_directory_disk(directory), options);
}

SpoolResult<std::unique_ptr<Spool>> Spool::open(std::unique_ptr<SpoolDisk> disk,
                                                const SpoolOptions& options) {
    const SpoolOptions bounded = with_bounds(options);
    if (const int error = disk->lock()) {
        return lock_error(*disk, error);
    }
    auto result = recover_spool(*disk, bounded);
    if (!result) {
        return result.error();
    }
    RecoveredSpool recovered = std::move(*result);
    if (recovered.spool_id == SpoolId{}) {
        recovered.spool_id = new_spool_id();
    }
    // Once, and no guess: who takes a note that cannot be read for none sends another host's
    // events.
    std::optional<SpoolIdChange> noted_id_change;
    if (const int error = read_id_change(*disk, &noted_id_change)) {
        return SpoolError{SpoolErrorCode::kIo,
                          "spool " + disk->name() +
                              ": cannot read the note of its new id: " + std::strerror(error)};
    }
    auto state =
        std::make_unique<State>(std::move(disk), bounded, std::move(recovered), noted_id_change);
    return std::unique_ptr<Spool>(new Spool(std::move(state)));
}

Spool::Spool(std::unique_ptr<State> state) : state_(std::move(state)) {}
Spool::~Spool() = default;

SpoolResult<std::uint64_t> Spool::stage(const StagedBatch& batch) {
    return state_->stage(batch);
}

bool Spool::write() {
    return state_->write();
}

SpoolResult<std::uint64_t> Spool::commit() {
    return state_->commit(&SpoolWriter::commit);
}

SpoolResult<std::uint64_t> Spool::tick() {
    return state_->commit(&SpoolWriter::write_watermark);
}

void Spool::prepare_ahead() {
    const std::lock_guard lock(state_->writer_mutex_);
    state_->writer_.prepare_ahead();
}

std::size_t Spool::staged_size_bytes() const {
    const std::lock_guard lock(state_->writer_mutex_);
    return state_->writer_.staged_size_bytes();
}

SpoolResult<void> Spool::read(std::uint64_t from_lsn, const SpoolReadLimits& limits,
                              SpoolBatch& batch) {
    const std::uint64_t end_lsn = durable_end_lsn();
    if (from_lsn > end_lsn || from_lsn == 0) {
        return SpoolError{SpoolErrorCode::kBeyondEnd,
                          "the spool ends at event " + std::to_string(end_lsn) + ", event " +
                              std::to_string(from_lsn) + " was asked for"};
    }
    state_->reader_.read(from_lsn, end_lsn, limits, &batch);
    return {};
}

bool Spool::wait(std::uint64_t lsn, std::chrono::milliseconds timeout) {
    return state_->wait(lsn, timeout);
}

void Spool::wake() {
    state_->wake();
}

void Spool::release(std::uint64_t next_lsn, std::chrono::steady_clock::time_point now) {
    state_->store_.release(next_lsn, now);
}

std::optional<std::uint64_t> Spool::lsn_that_makes_room() const {
    return state_->store_.lsn_that_makes_room();
}

SpoolId Spool::spool_id() const {
    const std::lock_guard lock(state_->writer_mutex_);
    return state_->writer_.spool_id();
}

SpoolResult<SpoolIdChange> Spool::propose_id(std::uint64_t first_lsn) {
    return state_->propose_id(first_lsn);
}

std::optional<SpoolIdChange> Spool::pending_id_change() const {
    return state_->pending_id_change();
}

SpoolResult<void> Spool::adopt_id() {
    return state_->adopt_id();
}

std::uint64_t Spool::durable_end_lsn() const {
    return state_->durable_end_lsn();
}

std::uint64_t Spool::oldest_lsn() const {
    return state_->store_.oldest_lsn(durable_end_lsn());
}

SpoolStatistics Spool::statistics() const {
    return state_->statistics();
}

std::vector<SessionPosition> Spool::sessions() const {
    const std::lock_guard lock(state_->writer_mutex_);
    return state_->writer_.sessions().all();
}

std::vector<RefusalRecord> Spool::refusals() const {
    const std::lock_guard lock(state_->writer_mutex_);
    return state_->writer_.sessions().refusals();
}

std::vector<TotalsRecord> Spool::session_totals() const {
    const std::lock_guard lock(state_->writer_mutex_);
    return state_->writer_.sessions().totals();
}

}  // namespace burgee::daemon
