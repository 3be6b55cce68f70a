#pragma once

// The SQL between flag documents and the database's rows. Every function runs inside a transaction
// of the caller and throws as PgTransaction does. Relied on by flag_apply alone, and by `burgee
// flag export` through read_document().

#include <string>
#include <vector>

#include "sync/flag_document.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

/// Everything there is. A row that no document can hold (a number beyond 400 digits, JSON that is
/// no object) ends the transaction with kInvalid, naming the row.
FlagDocument read_document_rows(PgTransaction& open);

/// read_document_rows() in a read-only transaction of its own.
SyncResult<FlagDocument> read_document(PgSession& session);

/// `expires_at` as read_document_rows() would give it; kInvalid, naming `flag`, when PostgreSQL
/// cannot read it as a time. The transaction is void then.
std::string canonical_time(PgTransaction& open, const std::string& flag, const std::string& text);

/// Waits for whoever changes these layers and flags, and keeps others waiting until the commit.
/// nothing: all of them.
void lock_rows(PgTransaction& open, const std::optional<std::vector<std::string>>& layers,
               const std::optional<std::vector<std::string>>& flags);

/// Inserts the row, or gives the one of this name these values.
void write_row(PgTransaction& open, const FlagEntry& flag);
void write_row(PgTransaction& open, const SegmentEntry& segment);
void write_row(PgTransaction& open, const LayerEntry& layer);  ///< without its slots

/// Takes all slots of `layer` from these flags.
void take_slots(PgTransaction& open, const std::string& layer,
                const std::vector<std::string>& flags);
/// Gives the flag these slots, which are free.
void give_slots(PgTransaction& open, const std::string& layer, const LayerEntry::Owner& owner);

/// Deletes rows by name.
void delete_flags(PgTransaction& open, const std::vector<std::string>& names);
void delete_segments(PgTransaction& open, const std::vector<std::string>& names);
void delete_layers(PgTransaction& open, const std::vector<std::string>& names);

/// Experiments that would go with these flags, as ("flag", "experiment"), in order; kInvalid when
/// one of them is active.
std::vector<std::pair<std::string, std::string>> experiments_of(
    PgTransaction& open, const std::vector<std::string>& flags);

}  // namespace burgee::sync
