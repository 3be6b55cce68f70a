// How the event server answers for what the spool did: acknowledgements after a sync, refusals
// after a failure, and word to those that were told to wait.

#include <boost/asio/post.hpp>
#include <utility>

#include "daemon/client_drops.hpp"
#include "daemon/event_server_core.hpp"
#include "shm/assertion.hpp"

namespace burgee::daemon {

void EventServer::Core::receive_report(IngestReport report) {
    bool is_first = false;
    {
        const std::lock_guard lock(reports_mutex_);
        is_first = reports_.empty();
        reports_.push_back(std::move(report));
    }
    if (is_first) {
        boost::asio::post(io_context_, [weak = weak_from_this()] {
            if (const auto core = weak.lock()) {
                core->apply_reports();
            }
        });
    }
}

void EventServer::Core::apply_reports() {
    std::vector<IngestReport> reports;
    {
        const std::lock_guard lock(reports_mutex_);
        reports.swap(reports_);
    }
    for (const IngestReport& report : reports) {
        queue_.settle(report);
        if (report.error) {
            apply_failure(report);
        } else {
            apply(report);
        }
        if (is_refusing_ != report.error.has_value()) {
            is_refusing_ = report.error.has_value();
            if (options_.on_spool_state) {
                options_.on_spool_state(report.error ? &*report.error : nullptr);
            }
        }
        flush_touched();
    }
    feed_starved();
    feed_line();
}

void EventServer::Core::apply(const IngestReport& report) {
    counters_.add(Counter::commits, report.commits);
    counters_.add(Counter::batch_bytes, report.size_bytes);
    for (const IngestReport::Batch& batch : report.batches) {
        take_over(batch);
        EventConnection* const connection = find(batch.session->connection_id);
        if (connection != nullptr) {
            connection->talk.refuse(batch.refusals);
            connection->talk.acknowledge();
            touched_.push_back(connection->id);
        }
    }
}

// Everything is counted here, when it is durable: what is not will come again.
void EventServer::Core::take_over(const IngestReport::Batch& batch) {
    Session& session = *batch.session;
    BURGEE_ASSERT(session.batches_under_way > 0);
    --session.batches_under_way;
    counters_.add(Counter::events_accepted, batch.event_count);
    counters_.add(Counter::exposures_repeated, batch.exposures.repeated);
    exposures_->settle(batch.exposures.first);
    if (batch.seq_count != 0) {
        session.durable_seq = batch.first_seq + batch.seq_count - 1;
    }
    for (const RefusalRecord& refusal : batch.refusals) {
        const bool is_too_big = refusal.reason == static_cast<std::uint32_t>(NackReason::kTooBig);
        counters_.add(
            is_too_big ? Counter::events_rejected_too_big : Counter::events_rejected_invalid,
            refusal.count);
    }
    sessions_.note_refusals(batch.refusals);
    if (batch.totals) {
        count_drops(counters_, session.drops->durable, *batch.totals);
        session.drops->durable = *batch.totals;
    }
}

void EventServer::Core::apply_failure(const IngestReport& report) {
    counters_.add(Counter::commit_failures);
    for (const IngestReport::Batch& batch : report.batches) {
        Session& session = *batch.session;
        BURGEE_ASSERT(session.batches_under_way > 0);
        --session.batches_under_way;
        if (session.drops) {
            session.drops->queued = session.drops->durable;
        }
        EventConnection* const connection = find(session.connection_id);
        if (batch.seq_count != 0) {
            session.accepted_seq = session.durable_seq;
            session.must_repeat = true;
        }
        if (connection != nullptr) {
            if (batch.seq_count != 0) {
                connection->talk.refuse_for_now(batch.first_seq);
            } else {
                connection->talk.refuse_drops_for_now(batch.first_seq);
            }
            touched_.push_back(connection->id);
        }
    }
    // With a group that failed everything behind it failed: none of the pending ones is stored.
    exposures_->withdraw_all();
    queue_.resume();
}

void EventServer::Core::flush_touched() {
    for (const std::uint64_t id : std::exchange(touched_, {})) {
        EventConnection* const connection = find(id);
        if (connection == nullptr) {
            continue;
        }
        note_starved(*connection);
        if (flush(*connection) && connection->is_held) {
            connection->is_held = false;
            await_frame(*connection);
        }
    }
}

void EventServer::Core::note_starved(EventConnection& connection) {
    if (connection.talk.is_starved() && !std::exchange(connection.is_listed_starved, true)) {
        starved_.push_back(connection.id);
    }
}

void EventServer::Core::feed_starved() {
    if (queue_.is_half_full()) {
        return;
    }
    for (const std::uint64_t id : std::exchange(starved_, {})) {
        EventConnection* const connection = find(id);
        if (connection == nullptr) {
            continue;  // closed by one before it
        }
        connection->is_listed_starved = false;
        if (!connection->talk.is_starved() || connection->talk.session() == nullptr) {
            continue;
        }
        connection->talk.acknowledge();
        note_starved(*connection);
        if (!connection->talk.is_starved()) {
            flush(*connection);
        }
    }
}

}  // namespace burgee::daemon
