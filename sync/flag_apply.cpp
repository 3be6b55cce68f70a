#include "sync/flag_apply.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

#include "sync/flag_check.hpp"
#include "sync/flag_document_rows.hpp"
#include "sync/flag_document_search.hpp"
#include "sync/flag_problems.hpp"
#include "sync/flag_queries.hpp"
#include "sync/flag_set_reading.hpp"
#include "sync/flag_text.hpp"
#include "sync/migrations.hpp"
#include "sync/segment_rows.hpp"
#include "sync/store_transaction.hpp"

namespace burgee::sync {
namespace {

constexpr std::size_t kLayerNameSizeMax = 256;  // bytes, as the check of flags has it
constexpr std::size_t kRefusalsShownMax = 20;   // in one message; more help nobody

template <class Entry>
std::vector<std::string> names_of(const std::vector<Entry>& entries) {
    std::vector<std::string> names;
    std::transform(entries.begin(), entries.end(), std::back_inserter(names),
                   [](const Entry& entry) { return entry.name; });
    return names;
}

/// What becomes of the present entries. Both lists ascend by name.
template <class Entry>
std::vector<EntryChange> compare(const std::vector<Entry>& present,
                                 const std::vector<Entry>& wanted, bool is_pruning) {
    std::vector<EntryChange> changes;
    auto old = present.begin();
    const auto pass_old = [&] {
        if (is_pruning) {
            changes.push_back({old->name, EntryAction::kDeleted, fields_of(*old), {}});
        } else {
            changes.push_back({old->name, EntryAction::kKept, {}, {}});
        }
        ++old;
    };
    for (const Entry& entry : wanted) {
        while (old != present.end() && old->name < entry.name) {
            pass_old();
        }
        if (old == present.end() || old->name != entry.name) {
            changes.push_back({entry.name, EntryAction::kCreated, {}, fields_of(entry)});
            continue;
        }
        EntryFields before = fields_of(*old++);
        EntryFields after = fields_of(entry);
        if (before == after) {
            changes.push_back({entry.name, EntryAction::kUnchanged, {}, {}});
        } else {
            changes.push_back(
                {entry.name, EntryAction::kChanged, std::move(before), std::move(after)});
        }
    }
    while (old != present.end()) {
        pass_old();
    }
    return changes;
}

std::vector<std::string> with_action(const std::vector<EntryChange>& changes, EntryAction action) {
    std::vector<std::string> names;
    for (const EntryChange& change : changes) {
        if (change.action == action) {
            names.push_back(change.name);
        }
    }
    return names;
}

/// One document on its way into one transaction.
class Application {
public:
    Application(PgTransaction& open, FlagDocument& document, const ApplyOptions& options,
                const SetJudge& judge)
        : open_(open), document_(document), options_(options), judge_(judge) {}

    FlagsApplied run() {
        lock();
        check_by_themselves();
        present_ = read_document_rows(open_);
        for (FlagEntry& flag : document_.flags) {
            read_time(flag);
        }
        add_stranger_owners();
        const std::vector<FlagProblem> faults = judge_(read_flag_set(open_));
        const ProblemSet faults_before(faults.begin(), faults.end());
        compare_all();
        if (options_.is_pruning) {
            applied_.experiments_removed =
                experiments_of(open_, with_action(applied_.flags, EntryAction::kDeleted));
        }
        write_all();
        check_together(faults_before);
        const WrittenRevision taken = take_revision(open_);
        applied_.revision = taken.revision;
        return std::move(applied_);
    }

private:
    void refuse(const std::string& problem) { refusals_.push_back(problem); }

    void throw_if_refused() const {
        if (refusals_.empty()) {
            return;
        }
        std::string all;
        for (std::size_t index = 0; index < refusals_.size() && index < kRefusalsShownMax;
             ++index) {
            all += (all.empty() ? "" : "; ") + refusals_[index];
        }
        if (refusals_.size() > kRefusalsShownMax) {
            all += "; and " + std::to_string(refusals_.size() - kRefusalsShownMax) + " more";
        }
        throw SyncFailure(SyncErrorKind::kInvalid, all);
    }

    void take_problems(std::vector<FlagProblem> problems, bool with_warnings) {
        for (FlagProblem& problem : problems) {
            if (problem.is_refused) {
                refuse(problem.flag + ": " + problem.field + ": " + problem.message);
            } else if (with_warnings) {
                applied_.warnings.push_back(std::move(problem));
            }
        }
    }

    void lock() {
        if (options_.is_pruning) {
            lock_rows(open_, std::nullopt, std::nullopt);
        } else {
            lock_rows(open_, names_of(document_.layers), names_of(document_.flags));
        }
    }

    /// Before anything is written, because we name the place and the database would not.
    void check_by_themselves() {
        const FlagSettings settings = read_settings(open_);
        for (const FlagEntry& flag : document_.flags) {
            RawFlag raw;
            raw.name = flag.name;
            raw.status = flag.status;
            raw.rollout_percentage = json_number(flag.rollout_percentage);
            raw.segments = compact_text(flag.segments);
            raw.variants = compact_text(flag.variants);
            raw.metadata = compact_text(flag.metadata);
            raw.has_named_layer = true;  // known only when all is written
            take_problems(check_flag(raw, settings).problems, false);
        }
        for (const SegmentEntry& segment : document_.segments) {
            take_problems(check_segment({segment.name, compact_text(segment.constraints)}).problems,
                          false);
        }
        for (const LayerEntry& layer : document_.layers) {
            if (const auto complaint = name_complaint(layer.name, kLayerNameSizeMax)) {
                refuse("layer " + shown_name(layer.name) + ": the name " + *complaint);
            }
        }
        throw_if_refused();
    }

    void read_time(FlagEntry& flag) {
        if (flag.expires_at) {
            std::string moment = canonical_time(open_, flag.name, *flag.expires_at);
            flag.expires_at = moment.empty() ? std::nullopt : std::optional(std::move(moment));
        }
    }

    /// Slots of flags that the document does not name stay: they become part of what is wanted.
    void add_stranger_owners() {
        if (options_.is_pruning) {
            return;
        }
        for (LayerEntry& layer : document_.layers) {
            const LayerEntry* old = find_named(present_.layers, layer.name);
            if (old == nullptr) {
                continue;
            }
            const LayerEntry wanted = layer;
            const SlotOwners taken = slot_owners(wanted.owners);
            for (const LayerEntry::Owner& owner : old->owners) {
                if (find_named(document_.flags, owner.flag) == nullptr &&
                    find_owner(wanted, owner.flag) == nullptr) {
                    refuse_shared_slots(layer.name, owner, taken);
                    layer.owners.push_back(owner);
                }
            }
            std::sort(layer.owners.begin(), layer.owners.end(),
                      [](const auto& one, const auto& other) { return one.flag < other.flag; });
        }
        throw_if_refused();
    }

    void refuse_shared_slots(const std::string& layer, const LayerEntry::Owner& stranger,
                             const SlotOwners& taken) {
        for (const SlotRange& range : stranger.slots) {
            for (std::size_t slot = range.first; slot <= range.last && slot < taken.size();
                 ++slot) {
                if (taken[slot] != nullptr) {
                    refuse("layer " + shown_name(layer) + ": slot " + std::to_string(slot) +
                           " is for flag \"" + shown_name(taken[slot]->flag) +
                           "\" and belongs to flag \"" + shown_name(stranger.flag) +
                           "\", which the file does not name");
                    return;
                }
            }
        }
    }

    void compare_all() {
        applied_.flags = compare(present_.flags, document_.flags, options_.is_pruning);
        applied_.segments = compare(present_.segments, document_.segments, options_.is_pruning);
        applied_.layers = compare(present_.layers, document_.layers, options_.is_pruning);
        const auto is_change = [](const EntryChange& change) {
            return change.action != EntryAction::kUnchanged && change.action != EntryAction::kKept;
        };
        applied_.is_changed =
            std::any_of(applied_.flags.begin(), applied_.flags.end(), is_change) ||
            std::any_of(applied_.segments.begin(), applied_.segments.end(), is_change) ||
            std::any_of(applied_.layers.begin(), applied_.layers.end(), is_change);
    }

    template <class Entry>
    void write_changed(const std::vector<Entry>& entries, const std::vector<EntryChange>& changes) {
        auto change = changes.begin();
        for (const Entry& entry : entries) {
            while (change->name != entry.name) {
                ++change;  // deleted or kept: the document does not name it
            }
            if (change->action != EntryAction::kUnchanged) {
                write_row(open_, entry);
            }
        }
    }

    void write_all() {
        write_changed(document_.segments, applied_.segments);
        write_changed(document_.layers, applied_.layers);
        write_changed(document_.flags, applied_.flags);
        move_slots();
        if (!options_.is_pruning) {
            return;
        }
        delete_flags(open_, with_action(applied_.flags, EntryAction::kDeleted));
        delete_segments(open_, with_action(applied_.segments, EntryAction::kDeleted));
        delete_layers(open_, with_action(applied_.layers, EntryAction::kDeleted));
    }

    /// In each layer all that move are taken before any is given, so that two flags may swap.
    void move_slots() {
        for (const LayerEntry& layer : document_.layers) {
            const LayerEntry* old = find_named(present_.layers, layer.name);
            const LayerEntry none;
            const LayerEntry& before = old == nullptr ? none : *old;
            if (const auto losing = owners_beyond(before, layer); !losing.empty()) {
                take_slots(open_, layer.name, losing);
            }
            give_missing(layer, before);
        }
        throw_if_refused();
    }

    static bool has_owner(const LayerEntry& layer, const LayerEntry::Owner& owner) {
        const LayerEntry::Owner* found = find_owner(layer, owner.flag);
        return found != nullptr && found->slots == owner.slots;
    }

    /// Owners of `one` that have other slots, or none, in `other`.
    static std::vector<std::string> owners_beyond(const LayerEntry& one, const LayerEntry& other) {
        std::vector<std::string> flags;
        for (const LayerEntry::Owner& owner : one.owners) {
            if (!has_owner(other, owner)) {
                flags.push_back(owner.flag);
            }
        }
        return flags;
    }

    void give_missing(const LayerEntry& layer, const LayerEntry& old) {
        for (const LayerEntry::Owner& owner : layer.owners) {
            if (has_owner(old, owner)) {
                continue;
            }
            const bool is_there =
                find_named(document_.flags, owner.flag) != nullptr ||
                (!options_.is_pruning && find_named(present_.flags, owner.flag) != nullptr);
            if (is_there) {
                give_slots(open_, layer.name, owner);
            } else {
                refuse("layer " + shown_name(layer.name) + ": owner \"" + shown_name(owner.flag) +
                       "\" is no flag of the file" +
                       (options_.is_pruning ? "" : " nor of the database"));
            }
        }
    }

    /// The set as hosts would read it now. Rows that the document does not name may have been bad
    /// before; they must not become worse.
    void check_together(const ProblemSet& faults_before) {
        FlagChanges set = read_flag_set(open_);
        std::set<std::string> ours;
        for (const FlagEntry& flag : document_.flags) {
            ours.insert(shown_name(flag.name));
        }
        for (const SegmentEntry& segment : document_.segments) {
            ours.insert(shown_segment(segment.name));
        }
        const auto is_ours = [&](const FlagProblem& problem) {
            return ours.contains(problem.flag);
        };
        std::vector<FlagProblem> problems;
        std::copy_if(set.problems.begin(), set.problems.end(), std::back_inserter(problems),
                     is_ours);
        for (const FlagProblem& fault : judge_(set)) {
            if (is_ours(fault) || (fault.is_refused && !faults_before.contains(fault))) {
                problems.push_back(fault);
            }
        }
        take_problems(std::move(problems), true);
        throw_if_refused();
    }

    PgTransaction& open_;
    FlagDocument& document_;
    const ApplyOptions& options_;
    const SetJudge& judge_;
    FlagDocument present_;
    FlagsApplied applied_;
    std::vector<std::string> refusals_;
};

}  // namespace

std::string_view to_string(EntryAction action) {
    switch (action) {
        case EntryAction::kCreated:
            return "created";
        case EntryAction::kChanged:
            return "changed";
        case EntryAction::kUnchanged:
            return "unchanged";
        case EntryAction::kDeleted:
            return "deleted";
        case EntryAction::kKept:
            return "kept";
    }
    return "";
}

SyncResult<FlagsApplied> apply_flag_document(PgSession& session, FlagDocument document,
                                             const ApplyOptions& options, const SetJudge& judge) {
    return session.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        begin_write(open, options.mode);
        note_reason(open, options.why);
        FlagsApplied applied = Application(open, document, options, judge).run();
        end_write(open, options.mode);
        if (options.mode == WriteMode::kDryRun) {
            applied.revision = read_revision(open).revision;
        }
        return applied;
    });
}

}  // namespace burgee::sync
