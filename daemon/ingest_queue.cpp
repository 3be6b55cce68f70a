#include "daemon/ingest_queue.hpp"

#include <pthread.h>

#include <cstdlib>
#include <utility>

namespace burgee::daemon {

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
    entry.event_bytes = batch.events.size();
    entry.refusals.assign(batch.refusals.begin(), batch.refusals.end());
    if (batch.totals != nullptr) {
        entry.totals = std::make_shared<const SessionTotals>(*batch.totals);
    }
    // Refused events are charged for their answers, so that a client that sends nothing else and
    // reads nothing takes no more memory than any other.
    const std::size_t refused_count = batch.seq_count - batch.event_count - exposures.repeated;
    entry.size_bytes = sizeof entry + entry.event_bytes + refused_count * sizeof(NackFrame) +
                       entry.refusals.size() * sizeof(RefusalRecord) +
                       (entry.totals ? sizeof(TotalsRecord) : 0);
    {
        const std::lock_guard lock(mutex_);
        const std::size_t waiting = queued_.size_bytes + being_stored_bytes_;
        if (has_failed_ || is_stopping_ ||
            waiting + entry.size_bytes > limits_.queue_size_bytes_max) {
            return false;
        }
        entry.offset = queued_.bytes.size();
        queued_.bytes.insert(queued_.bytes.end(), batch.events.begin(), batch.events.end());
        queued_.size_bytes += entry.size_bytes;
        queued_.entries.push_back(std::move(entry));
    }
    pushed_.notify_one();
    return true;
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
    return queued_.size_bytes + being_stored_bytes_;
}

void IngestQueue::run() {
    Pending pending;
    bool is_quiet = false;
    std::unique_lock lock(mutex_);
    while (true) {
        const auto has_work = [this] { return !queued_.entries.empty() || is_stopping_; };
        if (is_quiet) {
            pushed_.wait(lock, has_work);
        } else if (!pushed_.wait_for(lock, limits_.watermark_after, has_work)) {
            lock.unlock();
            // An error needs no answer here: nobody waits for a watermark, and a disk that fails
            // will fail the next group, which has somebody to tell.
            (void)spool_.tick();
            lock.lock();
            is_quiet = true;
            continue;
        }
        if (queued_.entries.empty()) {
            break;
        }
        std::swap(pending, queued_);
        being_stored_bytes_ = pending.size_bytes;
        lock.unlock();
        store(&pending);
        lock.lock();
        being_stored_bytes_ = 0;
        pending.clear();
        is_quiet = false;
    }
    lock.unlock();
    (void)spool_.tick();
}

std::size_t IngestQueue::stage_group(const Pending& pending, std::size_t begin,
                                     IngestReport* report) {
    std::size_t index = begin;
    std::size_t group_bytes = 0;
    for (; index < pending.entries.size(); ++index) {
        const Entry& entry = pending.entries[index];
        if (group_bytes + entry.size_bytes > limits_.group_size_bytes_max && index > begin) {
            break;
        }
        StagedBatch batch = entry.batch;
        batch.events = std::span(pending.bytes).subspan(entry.offset, entry.event_bytes);
        batch.refusals = entry.refusals;
        batch.totals = entry.totals.get();
        if (!spool_.stage(batch)) {
            std::abort();  // ours to get right: the conversation checked what it pushed
        }
        group_bytes += entry.size_bytes;
        report->size_bytes += entry.event_bytes;
        report->batches.push_back(describe(entry));
    }
    group_size_bytes_ = group_bytes;
    return index;
}

void IngestQueue::store(Pending* pending) {
    std::size_t begin = 0;
    while (begin < pending->entries.size()) {
        IngestReport report;
        const std::size_t end = stage_group(*pending, begin, &report);
        if (const auto committed = spool_.commit(); !committed) {
            report.error = committed.error();
            fail(*pending, end, std::move(report));
            return;
        }
        {
            // Before the report: who reads the size because of it must see the room there is now.
            const std::lock_guard lock(mutex_);
            being_stored_bytes_ -= group_size_bytes_;
        }
        report.commits = 1;
        report_(std::move(report));
        begin = end;
    }
}

void IngestQueue::fail(const Pending& pending, std::size_t begin, IngestReport report) {
    for (std::size_t index = begin; index < pending.entries.size(); ++index) {
        report.batches.push_back(describe(pending.entries[index]));
    }
    {
        const std::lock_guard lock(mutex_);
        has_failed_ = true;
        being_stored_bytes_ = 0;
        for (const Entry& entry : queued_.entries) {
            report.batches.push_back(describe(entry));
        }
        queued_.clear();
    }
    report_(std::move(report));
}

}  // namespace burgee::daemon
