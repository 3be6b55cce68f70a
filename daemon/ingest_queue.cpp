#include "daemon/ingest_queue.hpp"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "daemon/spool/mutations.hpp"
#include "shm/assertion.hpp"

namespace burgee::daemon {
namespace {

/// The most that the events of one frame can take: all as small as an event can be, all refused.
constexpr std::size_t kFrameRoomMax =
    kFrameSizeMax +
    kFrameSizeMax / sizeof(EventHeader) * (sizeof(NackFrame) + sizeof(RefusalRecord)) +
    sizeof(TotalsRecord);

constexpr std::chrono::milliseconds kDiskRetryInterval{1'000};  // chosen by feel

}  // namespace

IngestReport::Batch IngestQueue::describe(const Entry& entry) {
    return {entry.session,  entry.batch.first_seq, entry.batch.seq_count, entry.batch.event_count,
            entry.refusals, entry.totals,          entry.exposures};
}

IngestQueue::IngestQueue(Spool& spool, const IngestLimits& limits,
                         std::function<void(IngestReport)> report)
    : spool_(spool), limits_(limits), report_(std::move(report)), thread_([this] { run(); }) {
    ::pthread_setname_np(thread_.native_handle(), "spool");
}

IngestQueue::~IngestQueue() {
    stop();
}

bool IngestQueue::push(const StagedBatch& batch, Session* session,
                       const ExposureCounts& exposures) {
    Entry entry;
    entry.batch = batch;
    entry.session = session;
    entry.exposures = exposures;
    entry.events.assign(batch.events.begin(), batch.events.end());
    entry.refusals.assign(batch.refusals.begin(), batch.refusals.end());
    if (batch.totals != nullptr) {
        entry.totals = std::make_shared<const SessionTotals>(*batch.totals);
    }
    // Refused events are charged for their answers, so that a client that sends nothing else and
    // reads nothing takes no more memory than any other.
    const std::size_t refused_count = batch.seq_count - batch.event_count - exposures.repeated;
    entry.size_bytes = sizeof entry + entry.events.size() + refused_count * sizeof(NackFrame) +
                       entry.refusals.size() * sizeof(RefusalRecord) +
                       (entry.totals ? sizeof(TotalsRecord) : 0);
    {
        const std::lock_guard lock(mutex_);
        if (has_failed_ || is_stopping_ ||
            size_bytes_ + entry.size_bytes > limits_.queue_size_bytes_max) {
            return false;
        }
        size_bytes_ += entry.size_bytes;
        queued_.push_back(std::move(entry));
    }
    pushed_.notify_one();
    return true;
}

bool IngestQueue::has_room() const {
    const std::lock_guard lock(mutex_);
    return has_failed_ || is_stopping_ || size_bytes_ == 0 ||
           size_bytes_ + sizeof(Entry) + kFrameRoomMax <= limits_.queue_size_bytes_max;
}

bool IngestQueue::is_half_full() const {
    const std::lock_guard lock(mutex_);
    return size_bytes_ > limits_.queue_size_bytes_max / 2;
}

void IngestQueue::settle(const IngestReport& report) {
    const std::lock_guard lock(mutex_);
    BURGEE_ASSERT(report.room_bytes <= size_bytes_);
    size_bytes_ -= report.room_bytes;
}

void IngestQueue::resume() {
    const std::lock_guard lock(mutex_);
    has_failed_ = false;
}

void IngestQueue::stop() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    pushed_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

std::size_t IngestQueue::size_bytes() const {
    const std::lock_guard lock(mutex_);
    return size_bytes_;
}

void IngestQueue::run() {
    Entries pending;
    bool is_quiet = false;
    std::chrono::milliseconds patience = limits_.watermark_after;
    std::unique_lock lock(mutex_);
    while (true) {
        const auto has_work = [this] { return !queued_.empty() || is_stopping_; };
        if (is_quiet) {
            pushed_.wait(lock, has_work);
        } else if (!pushed_.wait_for(lock, patience, has_work)) {
            lock.unlock();
            // An error needs no answer here: nobody waits for a watermark, and a disk that fails
            // will fail the next group, which has somebody to tell. But what was acknowledged
            // before its sync is tried until it is stored.
            const bool has_ticked = spool_.tick().has_value();
            lock.lock();
            is_quiet = has_ticked || limits_.durability == Durability::kSynced;
            patience = has_ticked ? limits_.watermark_after : kDiskRetryInterval;
            continue;
        }
        if (queued_.empty()) {
            break;
        }
        std::swap(pending, queued_);
        lock.unlock();
        store(&pending);
        pending.clear();
        lock.lock();
        is_quiet = false;
    }
    lock.unlock();
    (void)spool_.tick();
}

std::size_t IngestQueue::stage_group(const Entries& pending, std::size_t begin,
                                     IngestReport* report) {
    std::size_t index = begin;
    std::size_t group_bytes = 0;
    for (; index < pending.size(); ++index) {
        const Entry& entry = pending[index];
        if (group_bytes + entry.size_bytes > limits_.group_size_bytes_max && index > begin) {
            break;
        }
        StagedBatch batch = entry.batch;
        batch.events = entry.events;
        batch.refusals = entry.refusals;
        batch.totals = entry.totals.get();
        if (!spool_.stage(batch)) {
            std::abort();  // ours to get right: the conversation checked what it pushed
        }
        group_bytes += entry.size_bytes;
        report->size_bytes += entry.events.size();
        report->room_bytes += entry.size_bytes;
        report->batches.push_back(describe(entry));
    }
    return index;
}

void IngestQueue::store(Entries* pending) {
    std::size_t begin = 0;
    while (begin < pending->size()) {
        IngestReport report;
        const std::size_t end = stage_group(*pending, begin, &report);
        const auto report_stored = [&] {
            // Before the report gives their room away.
            std::for_each(pending->begin() + static_cast<std::ptrdiff_t>(begin),
                          pending->begin() + static_cast<std::ptrdiff_t>(end),
                          [](Entry& entry) { entry.events = {}; });
            report.commits = 1;
            report_(std::exchange(report, IngestReport{}));
        };
        const bool is_written = limits_.durability == Durability::kRelaxed && spool_.write();
        if (is_written) {
            report_stored();
        }
        if (const auto committed = spool_.commit(); !committed && !kMutateEarlyAck) {
            report.error = committed.error();
            fail(*pending, end, std::move(report));
            return;
        }
        if (!is_written) {
            report_stored();
        }
        spool_.prepare_ahead();
        begin = end;
    }
}

void IngestQueue::fail(const Entries& pending, std::size_t begin, IngestReport report) {
    const auto add = [&report](const Entry& entry) {
        report.room_bytes += entry.size_bytes;
        report.batches.push_back(describe(entry));
    };
    std::for_each(pending.begin() + static_cast<std::ptrdiff_t>(begin), pending.end(), add);
    {
        const std::lock_guard lock(mutex_);
        has_failed_ = true;
        std::for_each(queued_.begin(), queued_.end(), add);
        queued_.clear();
    }
    report_(std::move(report));
}

}  // namespace burgee::daemon
