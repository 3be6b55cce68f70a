#pragma once

// Follows the flags of one database: each poll says what changed since the last. Relied on by the
// daemon's sync loop.
//
// Invariants:
//   1. A poll reads one state of the database (REPEATABLE READ), so revision and rows agree.
//   2. What is reported after a sequence of polls equals what one full read reports: in doubt
//      (start, error, another database, a revision that went back, a gap in the history) it reads
//      all.
//   3. A row that vanished without a tombstone in the history (lost rights, row security, TRUNCATE)
//   is
//      not removed until kHoldPolls equal polls over kHoldTime have seen it missing. A flag that
//      was deleted, disabled or changed is never held. The same goes for segments.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/flag_check.hpp"
#include "sync/pg_session.hpp"

namespace burgee::sync {

inline constexpr int kHoldPolls = 3;
inline constexpr std::chrono::seconds kHoldTime{60};

/// Rows that vanished and are kept for now: flags or segments.
struct HeldFlags {
    std::vector<std::string> names;               ///< ascending
    int polls = 0;                                ///< equal polls so far
    std::chrono::steady_clock::time_point since;  ///< of the first of them
};

class FlagReader {
public:
    using Clock = std::function<std::chrono::steady_clock::time_point()>;

    struct Options {
        /// How often everything is read although nothing seems to have changed: the remedy for what
        /// triggers cannot see, such as row security or triggers switched off. Chosen by feel.
        std::chrono::seconds full_read_interval{600};
        Clock now = [] { return std::chrono::steady_clock::now(); };
    };

    explicit FlagReader(PgSession& session);
    FlagReader(PgSession& session, Options options);

    /// Flags and segments that are published already.
    struct Published {
        std::uint64_t source_id = 0;
        std::set<std::string> flags;
        std::set<std::string> segments;
    };
    /// Tells the reader what was published before a restart, so that rows missing from the first
    /// read are held too.
    void remember(Published published);

    /// Reads what changed. Cost: one row when nothing did.
    /// @error  those of PgSession; kMissingSchema and kFutureSchema. The next poll reads
    /// everything.
    SyncResult<FlagChanges> poll();

    /// Makes the next poll read everything: called when publishing failed.
    void forget() { is_in_doubt_ = true; }

    const std::optional<HeldFlags>& held() const { return held_; }
    const std::optional<HeldFlags>& held_segments() const { return held_segments_; }
    const FlagSettings& settings() const { return settings_; }

private:
    struct Reading;  // what one transaction saw; nothing of it holds before the commit

    Reading read(PgTransaction& open) const;
    void read_increment(PgTransaction& open, Reading& reading) const;
    void read_everything(PgTransaction& open, Reading& reading) const;
    void take(Reading& reading);
    void decide_about_missing(Reading& reading);

    PgSession& session_;
    Options options_;
    bool is_in_doubt_ = true;
    bool is_schema_known_ = false;
    std::uint64_t source_id_ = 0;
    std::uint64_t revision_ = 0;
    std::string changed_at_;  // of revision_, to notice a database that was set back and went on
    std::chrono::steady_clock::time_point last_full_read_;
    FlagSettings settings_;
    std::set<std::string> known_;  // names with a row, and those that are held
    std::vector<ExperimentDefinition> experiments_;
    std::set<std::string> known_segments_;  // likewise
    std::optional<HeldFlags> held_;
    std::optional<HeldFlags> held_segments_;
};

}  // namespace burgee::sync
