#pragma once

// Events as PostgreSQL takes them: rows of COPY, and arrays in binary form for the merge. Relied on
// by the metric writer. Written by hand because it is most of the writer's own work. Nothing here
// talks to a server.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "shm/flag_set.hpp"
#include "sync/metric_event.hpp"
#include "sync/metric_fold.hpp"

namespace burgee::sync {

/// The columns of public.ab_test_metrics in the order of append_raw_row(). Every column is sent:
/// one left to a volatile default, as gen_random_uuid() of `id` is, makes COPY 2.8 times slower.
inline constexpr std::string_view kRawColumns[] = {
    "id",           "experiment_id", "variant_name", "user_id",  "session_id", "metric_type",
    "metric_value", "metadata",      "created_at",   "spool_id", "lsn",        "unit"};

/// Their types in our own table, as pg_catalog.format_type() names them without their limits;
/// `character varying` has the binary form of `text`.
inline constexpr std::string_view kRawColumnTypes[] = {"uuid",
                                                       "uuid",
                                                       "text",
                                                       "text",
                                                       "text",
                                                       "text",
                                                       "double precision",
                                                       "jsonb",
                                                       "timestamp with time zone",
                                                       "uuid",
                                                       "bigint",
                                                       "bigint"};

/// The id of an event's raw row: the same for the same spool and number, on every attempt. A UUID
/// of version 8 (RFC 9562), 122 bits of XXH3.
Uuid raw_row_id(const Uuid& spool_id, std::uint64_t lsn);

/// Appends one row of COPY's binary format, for columns of the types of kRawColumnTypes: the server
/// takes it in half the time of a line of text.
void append_raw_row(std::string& rows, const Uuid& spool_id, const MetricEvent& event);

/// The same row as a line of COPY's text format, newline included, for columns of whatever types
/// read these texts: tables that are not ours. Cost: about 250 ns.
void append_raw_line(std::string& lines, const Uuid& spool_id, const MetricEvent& event);

/// Appends one row of burgee.dead_letter to the elements of a JSON array, with a comma before all
/// but the first: an object with the table's columns as its keys. PostgreSQL accepts it whatever
/// bytes the event holds: what is not UTF-8 is replaced by U+FFFD, metadata that is not JSON becomes
/// text.
void append_dead_letter(std::string& elements, const Uuid& spool_id, const MetricEvent& event,
                        std::string_view reason);

/// PostgreSQL's text of a uuid: 36 characters, lower case.
void append_uuid(std::string& text, const Uuid& id);

/// The columns of a run of folded rows as binary arrays, to be bound to int8[], int4[], float8[]
/// and timestamptz[] parameters. Reused from chunk to chunk.
struct MergeArrays {
    std::string unit, cell, n, sum, sum_of_squares, min, max, first_at, last_at;

    /// Takes rows[order[0]], rows[order[1]], ...
    void fill(std::span<const FoldedRow> rows, std::span<const std::uint32_t> order);
};

}  // namespace burgee::sync
