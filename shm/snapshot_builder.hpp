#pragma once

// Turns flags into a snapshot's bytes. Keeps every flag in compiled form, so that a change costs
// the compilation of what changed plus one copy of the whole.
//
// Invariants:
//   1. A flag that cannot be compiled leaves its last valid form in place, and no other flag feels
//   it.
//   2. Equal flags, experiments and stamp give equal bytes, in whatever order they arrived.
//   3. An expired flag stays expired until its row changes, even if the database's clock goes back;
//      one that was taken over from a snapshot, until its row is read.
//   4. Whatever was accepted fits: build() has no way to fail.
//   5. Published flags never require each other in circles, and every segment they name is there.
//      What is refused for that waits, and is tried again when those may have changed; so is what
//      found no room, when there is more.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <burgee/snapshot_view.hpp>

#include "shm/flag_compiler.hpp"
#include "shm/flag_set.hpp"
#include "shm/flag_table.hpp"
#include "shm/read_back.hpp"
#include "shm/reference_graph.hpp"
#include "shm/segment_table.hpp"
#include "shm/snapshot_assembly.hpp"

namespace burgee {

/// What a build says about itself beyond its flags.
struct SnapshotStamp {
    std::uint64_t generation = 0;       ///< 1, 2, 3, ...; the publisher may raise it
    std::int64_t database_unix_ms = 0;  ///< database time: decides expiry and active experiments
};

class SnapshotBuilder {
public:
    /// @param flags_size_max  bytes of all flags together; less than a snapshot holds only in tests
    explicit SnapshotBuilder(std::uint64_t flags_size_max = kFlagsSizeMax)
        : flags_(flags_size_max) {}
    SnapshotBuilder(const SnapshotBuilder&) = delete;  // active_ points into experiments_
    SnapshotBuilder& operator=(const SnapshotBuilder&) = delete;

    /// Begins with what was published before a restart, so that a row that has become bad or is
    /// held keeps the form it had there, flags expire and active experiments end in time.
    /// Precondition, asserted: nothing was applied yet. The snapshot's check_bodies() found
    /// nothing; one in which a flag, or all flags with targeting, would take twice its own size,
    /// which no builder writes, is taken in part. Which experiments will start is not known. Cost:
    /// about 1 microsecond a flag.
    void begin_with(const SnapshotView& published);

    /// Takes over what one poll found: compiles `changed`, drops `removed`, and on a full read
    /// drops every flag that is neither in `changed` nor in `refused`. Experiments are replaced as
    /// a whole. What could not be compiled is in problems(). A name given twice counts as given
    /// last. A full read of another database leaves nothing of the one before. Cost: about 1
    /// microsecond a changed flag; a full read, or more than 256 flags that come or go, rebuilds.
    void apply(const FlagChanges& changes);

    /// A complete snapshot file. Flags that expired by `stamp.database_unix_ms` are marked, and
    /// each flag gets its active experiment: the newest with start <= now < end. Precondition,
    /// asserted: `stamp.generation` > 0. Cost: linear; about 5 ms for 100 000 flags.
    std::vector<std::byte> build(const SnapshotStamp& stamp);

    /// The next moment after `after_unix_ms` (database time) at which a flag expires or an
    /// experiment starts or ends, so that a build is due without any change in Postgres.
    std::optional<std::int64_t> next_change_unix_ms(std::int64_t after_unix_ms) const;

    /// Every flag or experiment that is not published as its row says, by name; problems that
    /// `sync` found are not repeated here.
    std::vector<FlagProblem> problems() const;

    /// Names to look up in the next snapshot before it is announced: all that changed since the
    /// last call, and `sample_count_max` of the others, spread evenly over the table.
    ReadBack take_read_back(std::size_t sample_count_max = 1'000);

    std::size_t flag_count() const { return flags_.size(); }
    /// Whether a form of this flag, the present one or its last valid one, will be in the snapshot.
    bool contains(std::string_view name) const;
    std::uint64_t revision() const { return revision_; }

private:
    /// Flags that a change is about, by what refers to others.
    using Faults = std::unordered_map<std::uint64_t, ReferenceFault>;
    struct Candidate {
        std::uint64_t name_hash;
        const FlagDefinition* definition;  ///< null: keep the present form
    };
    void take_experiments(const SnapshotView& published);
    struct Waiting {
        FlagDefinition flag;
        bool is_for_room = false;  ///< or for its hash; not for what flags say of each other
    };
    void forget();
    bool has_more_room_than(const FlagTable::Fill& before) const;
    void retry_for_room();
    FlagChanges with_waiting(const FlagChanges& changes) const;
    void find_faults(const FlagChanges& changes, const ReferenceGraph& present,
                     const FlagTable& old_flags);
    std::optional<FlagProblem> own_problem(const FlagDefinition& flag, std::uint64_t name_hash,
                                           const FlagTable& old_flags) const;
    std::optional<FlagProblem> reference_problem(const FlagDefinition& flag,
                                                 std::uint64_t name_hash) const;
    std::optional<FlagProblem> missing_segment(const FlagDefinition& flag, std::uint64_t name_hash,
                                               const FlagTable& old_flags) const;
    static std::vector<std::uint64_t> requirers_gone(const FlagChanges& changes,
                                                     const ReferenceGraph& present);
    bool may_end_waiting(const FlagChanges& changes) const;
    void remember_requirements(const FlagTable::Slot& slot);
    std::vector<FlagProblem> unmet_requirements() const;
    void apply_flags(const FlagChanges& changes);
    void apply_increment(const FlagChanges& changes);
    void apply_rebuild(const FlagChanges& changes);
    enum class Order : std::uint8_t { kByHash, kPresentFirst };
    std::vector<Candidate> candidates_of(const FlagChanges& changes, const FlagTable& old_flags,
                                         Order order) const;
    void put(const FlagDefinition& flag, std::uint64_t name_hash, const FlagTable& old_flags);
    void keep(std::uint64_t name_hash, const FlagTable& old_flags);
    void drop(const std::string& name);
    void refuse(const FlagDefinition& flag, std::uint64_t name_hash, FlagProblem problem,
                const FlagTable& old_flags);
    void take_expiries(const SnapshotView& published);
    std::vector<ExpiryRecord> expiry_records() const;
    void remember_expiry(const FlagTable::Slot& slot);
    void forget_expiry(std::uint64_t name_hash);
    void expire_until(std::int64_t database_unix_ms);
    void choose_experiments(std::int64_t database_unix_ms);
    bool can_take_part(const ExperimentDefinition& experiment);
    void report_experiment(const ExperimentDefinition& experiment, std::string message);

    FlagTable flags_;
    SegmentTable segments_;
    FlagCompiler compiler_;
    ReferenceGraph requirements_;  ///< of the flags in flags_ that have any
    Faults faults_;                ///< of the change that is being applied
    /// Of that change: flags in force with requirements whose new form found no room.
    std::unordered_set<std::uint64_t> without_room_;
    bool is_out_of_room_ = false;  ///< whether that change had any flag without room
    /// Refused for what other flags or segments are: tried again when those may have changed.
    std::map<std::string, Waiting> waiting_;
    std::vector<ExperimentDefinition> experiments_;
    std::vector<ActiveExperiment> active_;  ///< ascending by flag; points into experiments_
    /// (expiry, name hash) of every flag that is yet to expire.
    std::set<std::pair<std::int64_t, std::uint64_t>> expiries_;
    std::map<std::string, FlagProblem> flag_problems_;
    std::vector<FlagProblem> experiment_problems_;
    std::vector<std::uint64_t> touched_;  ///< name hashes, since take_read_back()
    std::uint64_t revision_ = 0;
    std::uint64_t source_id_ = 0;
    /// Flags expired so far, if any did, without PostgreSQL: what it says first is believed
    /// instead.
    bool is_seeded_ = false;
};

}  // namespace burgee
