#pragma once

// What happens between BEGIN and COMMIT when a batch of events is stored. Relied on by the metric
// writer alone, which decides what a failure means.
//
// Invariants:
//   1. The cursor's row is locked first: it is the fence that makes two attempts queue.
//   2. No statement runs while a COPY is open; what needs one is put aside until the COPY ends.
//   3. Rows of burgee.unit_metrics are merged last and in key order.

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sync/cell_dictionary.hpp"
#include "sync/metric_event.hpp"
#include "sync/metric_writer.hpp"
#include "sync/pg_copy.hpp"
#include "sync/pg_session.hpp"
#include "sync/unit_merge.hpp"

namespace burgee::sync {

// A writer on the same units may hold its rows for this long, and a broken connection's transaction
// until the server notices, 30 s at worst.
inline constexpr std::chrono::milliseconds kWriterLockTimeout{35'000};
inline constexpr std::chrono::milliseconds kWriterStatementTimeout{60'000};

class BatchTransaction {
public:
    BatchTransaction(PgTransaction& transaction, const MetricWriterOptions& options,
                     WriterMemory& memory);

    /// Stores the batch, all but the COMMIT. False: the cursor is not at batch.first_lsn, nothing
    /// was done. `report` holds all counts and next_lsn before anything is committed, so that they
    /// are known even when the answer to COMMIT is not.
    bool store(const MetricBatch& batch, EventSource& source, WriteReport& report);

    /// Moves the cursor past one event that the database refused and keeps the event with the
    /// reason.
    bool store_poison(const MetricBatch& batch, EventSource& source, std::string_view reason,
                      WriteReport& report);

private:
    /// An event put aside, with a copy of its texts.
    struct KeptEvent {
        MetricEvent event;
        std::string texts;
    };

    void choose_raw_table();
    bool advance_cursor(const MetricBatch& batch);
    void copy_batch(const MetricBatch& batch, EventSource& source, WriteReport& report);
    void append_raw(std::string& rows, const Uuid& spool_id, const MetricEvent& event) const;
    void copy_kept(const MetricBatch& batch, WriteReport& report);
    void keep(const MetricEvent& event);
    void fold(const MetricEvent& event, const CellDictionary::Place& place, WriteReport& report);
    void send_dead_letters(const std::string& elements);
    void move_temporary_rows();
    void merge(WriteReport& report);
    void wait_for_turn();
    void note_missing_rows();

    PgTransaction& transaction_;
    const MetricWriterOptions& options_;
    WriterMemory& memory_;
    std::string raw_table_ = "public.ab_test_metrics";
    CopyForm raw_form_ = CopyForm::kText;
    std::deque<KeptEvent> kept_;  // a deque: texts must not move
    std::size_t kept_size_bytes_ = 0;
};

}  // namespace burgee::sync
