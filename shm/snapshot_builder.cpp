#include "shm/snapshot_builder.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include <burgee/checksum.hpp>

#include "shm/assertion.hpp"
#include "shm/json_text.hpp"
#include "shm/rule_program.hpp"
#include "shm/snapshot_assembly.hpp"
#include "shm/snapshot_disassembly.hpp"

namespace burgee {
namespace {

// Beyond this many flags that come or go one merged pass is cheaper than moving the keys for each.
constexpr std::size_t kIncrementMax = 256;
// Flags taken out of a snapshot are as large as there; twice that is room for other texts to share.
constexpr std::uint64_t kTakenSizeRatioMax = 2;

std::string_view message_of(FlagTable::Refusal refusal) {
    switch (refusal) {
        case FlagTable::Refusal::kTooManyFlags:
            return "there are already 1048576 flags, the most a snapshot holds: delete some";
        case FlagTable::Refusal::kTooManyBytes:
            return "all flags together are larger than a snapshot can be: shorten some";
        case FlagTable::Refusal::kCrowdedHash:
            return "64 other names share its place in the index: choose another name";
        case FlagTable::Refusal::kNone:
            break;
    }
    return "";
}

}  // namespace

void SnapshotBuilder::begin_with(const SnapshotView& published) {
    BURGEE_ASSERT(flags_.size() == 0 && revision_ == 0 && "only a new builder begins");
    std::uint64_t room = kTakenSizeRatioMax * published.header().size_bytes;
    room -= segments_.begin_with(published, room);
    const auto is_there = [this](std::uint64_t segment) { return segments_.is_there(segment); };
    for (std::uint64_t number = 0; number < published.flag_count(); ++number) {
        const FlagRecord& record = *published.flag(number);
        // Flags without targeting may share their variants; these each flag has to itself here, and
        // all flags together are bounded by the table alone. No flag is larger than its snapshot.
        const std::uint64_t size_max =
            record.targeting != 0 ? room : kTakenSizeRatioMax * published.header().size_bytes;
        const auto flag = flag_taken_from(published, record, size_max);
        if (!flag || !std::ranges::all_of(segments_named_by(flag->instructions), is_there) ||
            flags_.put(*flag, kUnknownExpiry) != FlagTable::Refusal::kNone) {
            continue;
        }
        room -= record.targeting != 0 ? std::min(room, flag->counts().size_bytes()) : 0;
        remember_requirements(*flags_.find(record.name_hash));
        touched_.push_back(record.name_hash);
    }
    take_expiries(published);
    take_experiments(published);
    revision_ = published.header().revision;
    source_id_ = published.header().source_id;
}

/// Everything goes: it was of another database.
void SnapshotBuilder::forget() {
    for (std::size_t position = 0; position < flags_.size(); ++position) {
        touched_.push_back(flags_.hash_at(position));
    }
    flags_ = flags_.emptied();
    segments_ = {};
    requirements_ = {};
    waiting_.clear();
    expiries_.clear();
    flag_problems_.clear();
}

void SnapshotBuilder::apply(const FlagChanges& given) {
    if (given.is_full && given.source_id != source_id_) {
        forget();
    }
    const FlagTable::Fill before = flags_.fill();
    segments_.apply(given);
    const bool may_end = may_end_waiting(given);  // asked while all that waits is known
    for (const std::vector<std::string>* names : {&given.removed, &given.refused}) {
        for (const std::string& name : *names) {
            waiting_.erase(name);
            flag_problems_.erase(name);  // of a bad row its reader tells what is wrong
        }
    }
    const bool has_waiting = !given.is_full && !waiting_.empty() && may_end;
    apply_flags(has_waiting ? with_waiting(given) : given);
    if (!given.removed.empty() || has_more_room_than(before)) {
        retry_for_room();
    }
    const bool is_any_released = flags_.take_segment_release() || segments_.has_changed();
    if (segments_.has_gone_ones() && is_any_released) {
        segments_.drop_unused(flags_.segments_named());
    }
    revision_ = given.revision;
    source_id_ = given.source_id;
    active_.clear();
    experiments_ = given.experiments;
    is_seeded_ = is_seeded_ && !given.is_full;
    expire_until(given.database_unix_ms);
    choose_experiments(given.database_unix_ms);
}

bool SnapshotBuilder::has_more_room_than(const FlagTable::Fill& before) const {
    const FlagTable::Fill now = flags_.fill();
    return now.flag_count < before.flag_count || now.parts_size_bytes < before.parts_size_bytes;
}

void SnapshotBuilder::retry_for_room() {
    FlagChanges again;
    for (const auto& [name, waiting] : waiting_) {
        if (waiting.is_for_room) {
            again.changed.push_back(waiting.flag);
        }
    }
    if (!again.changed.empty()) {
        apply_flags(again);
    }
}

void SnapshotBuilder::apply_flags(const FlagChanges& changes) {
    // Flags that are there already are cheap to replace, so many that wait do not count.
    const auto new_count = std::ranges::count_if(
        changes.changed, [this](const FlagDefinition& flag) { return !contains(flag.name); });
    const std::size_t change_count = static_cast<std::size_t>(new_count) + changes.removed.size();
    without_room_.clear();
    is_out_of_room_ = false;
    if (changes.is_full || change_count > kIncrementMax || flags_.is_nearly_full()) {
        apply_rebuild(changes);
    } else {
        apply_increment(changes);
    }
    faults_.clear();
}

void SnapshotBuilder::apply_increment(const FlagChanges& changes) {
    for (const std::string& name : changes.removed) {
        drop(name);
    }
    find_faults(changes, requirements_, flags_);
    for (const FlagDefinition& flag : changes.changed) {
        put(flag, hash64(flag.name), flags_);
    }
}

void SnapshotBuilder::apply_rebuild(const FlagChanges& changes) {
    if (changes.is_full) {
        flag_problems_.clear();
        waiting_.clear();
    }
    for (const std::string& name : changes.removed) {
        flag_problems_.erase(name);
    }
    const FlagTable old_flags = std::exchange(flags_, flags_.emptied());
    const ReferenceGraph old_requirements = std::exchange(requirements_, {});
    const auto old_problems = flag_problems_;
    const auto put_all = [&](Order order) {
        find_faults(changes, old_requirements, old_flags);
        for (const Candidate& candidate : candidates_of(changes, old_flags, order)) {
            if (candidate.definition != nullptr) {
                put(*candidate.definition, candidate.name_hash, old_flags);
            } else {
                keep(candidate.name_hash, old_flags);
            }
        }
    };
    put_all(Order::kByHash);
    // Nothing that was in force may lose its room to something new, and requirements that stay in
    // force for want of room may close circles that nobody looked for.
    for (std::size_t known_count = SIZE_MAX;
         is_out_of_room_ && known_count != without_room_.size();) {
        known_count = without_room_.size();
        flags_ = flags_.emptied();
        requirements_ = {};
        expiries_.clear();
        flag_problems_ = old_problems;
        put_all(Order::kPresentFirst);
    }
    for (std::size_t position = 0; position < old_flags.size(); ++position) {
        if (flags_.find(old_flags.hash_at(position)) == nullptr) {
            touched_.push_back(old_flags.hash_at(position));
        }
    }
}

/// What the table will hold, ascending by hash; a flag's present form comes before its new one,
/// which then replaces it. With `kPresentFirst` all present forms come before all new ones.
std::vector<SnapshotBuilder::Candidate> SnapshotBuilder::candidates_of(const FlagChanges& changes,
                                                                       const FlagTable& old_flags,
                                                                       Order order) const {
    const std::unordered_set<std::string_view> removed(changes.removed.begin(),
                                                       changes.removed.end());
    std::unordered_set<std::string_view> kept(changes.refused.begin(), changes.refused.end());
    if (order == Order::kPresentFirst) {
        for (const FlagDefinition& flag : changes.changed) {
            kept.insert(flag.name);
        }
    }
    std::vector<Candidate> candidates;
    for (std::size_t position = 0; position < old_flags.size(); ++position) {
        const std::string_view name = old_flags.name(old_flags.slot_at(position));
        if (!removed.contains(name) && (!changes.is_full || kept.contains(name))) {
            candidates.push_back({old_flags.hash_at(position), nullptr});
        }
    }
    const auto present_end = static_cast<std::ptrdiff_t>(candidates.size());
    for (const FlagDefinition& flag : changes.changed) {
        candidates.push_back({hash64(flag.name), &flag});
    }
    const auto sorted_from = candidates.begin() + (order == Order::kByHash ? 0 : present_end);
    std::stable_sort(sorted_from, candidates.end(), [](const auto& left, const auto& right) {
        return left.name_hash < right.name_hash;
    });
    return candidates;
}

void SnapshotBuilder::put(const FlagDefinition& flag, std::uint64_t name_hash,
                          const FlagTable& old_flags) {
    if (auto problem = compiler_.compile(flag, name_hash)) {
        refuse(flag, name_hash, std::move(*problem), old_flags);
        return;
    }
    auto problem = own_problem(flag, name_hash, old_flags);
    const bool is_taken = problem && problem->field == "name";  // another one has its hash
    if (!problem) {
        problem = reference_problem(flag, name_hash);
    }
    if (problem) {
        refuse(flag, name_hash, std::move(*problem), old_flags);
        waiting_[flag.name] = {flag, is_taken};
        return;
    }
    const FlagTable::Slot* before = old_flags.find(name_hash);
    const std::int64_t expires_unix_ms = flag.expires_unix_ms.value_or(kNeverExpires);
    const bool stays_expired =
        !is_seeded_ && before != nullptr && (before->record.traits & kTraitExpired) != 0 &&
        before->record.revision == flag.revision && before->expires_unix_ms == expires_unix_ms;
    FlagTable::Refusal refusal = FlagTable::Refusal::kTooManyBytes;
    if (!without_room_.contains(name_hash)) {
        forget_expiry(name_hash);
        refusal = flags_.put(compiler_.compiled(), expires_unix_ms);
    }
    if (refusal != FlagTable::Refusal::kNone) {
        refuse(flag, name_hash,
               {.flag = flag.name, .field = "name", .message = std::string(message_of(refusal))},
               old_flags);
        waiting_[flag.name] = {flag, true};
        is_out_of_room_ = true;
        if (before != nullptr && before->counts[Part::kRequirements] > 0) {
            without_room_.insert(name_hash);  // find_faults() looked at what it would require now
        }
        return;
    }
    FlagTable::Slot& slot = *flags_.find(name_hash);
    if (stays_expired) {
        mark_expired(slot.record);
    }
    remember_expiry(slot);
    remember_requirements(slot);
    waiting_.erase(flag.name);
    flag_problems_.erase(flag.name);
    touched_.push_back(name_hash);
}

/// Takes a flag over from the table before, unless this one has it already.
void SnapshotBuilder::keep(std::uint64_t name_hash, const FlagTable& old_flags) {
    const FlagTable::Slot* before = old_flags.find(name_hash);
    if (before == nullptr || flags_.find(name_hash) != nullptr) {
        return;
    }
    // New flags may have taken its room; apply_rebuild() then begins again with all present forms,
    // which is what the old table held.
    if (flags_.put(*before, old_flags) != FlagTable::Refusal::kNone) {
        const std::string name(old_flags.name(*before));
        flag_problems_[name] = {
            .flag = name, .field = "name", .message = "new flags left no room for it: delete some"};
        is_out_of_room_ = true;
        return;
    }
    remember_expiry(*flags_.find(name_hash));
    remember_requirements(*flags_.find(name_hash));
}

void SnapshotBuilder::drop(const std::string& name) {
    const std::uint64_t name_hash = hash64(name);
    flag_problems_.erase(name);
    waiting_.erase(name);
    const FlagTable::Slot* slot = flags_.find(name_hash);
    if (slot != nullptr && flags_.name(*slot) == name) {
        requirements_.set(name_hash, {});
        forget_expiry(name_hash);
        flags_.erase(name_hash);
        touched_.push_back(name_hash);
    }
}

void SnapshotBuilder::refuse(const FlagDefinition& flag, std::uint64_t name_hash,
                             FlagProblem problem, const FlagTable& old_flags) {
    const FlagTable::Slot* before = old_flags.find(name_hash);
    if (before != nullptr && old_flags.name(*before) == flag.name) {
        keep(name_hash, old_flags);
        if (const FlagTable::Slot* kept = flags_.find(name_hash)) {
            remember_expiry(*kept);
        }
    }
    flag_problems_[flag.name] = std::move(problem);
    waiting_.erase(flag.name);
}

std::vector<std::byte> SnapshotBuilder::build(const SnapshotStamp& stamp) {
    expire_until(stamp.database_unix_ms);
    choose_experiments(stamp.database_unix_ms);
    SnapshotHeader header{};
    header.generation = stamp.generation;
    header.revision = revision_;
    header.database_unix_ms = stamp.database_unix_ms;
    header.source_id = source_id_;
    return assemble_snapshot(flags_, segments_, active_, expiry_records(), header);
}

std::optional<std::int64_t> SnapshotBuilder::next_change_unix_ms(std::int64_t after_unix_ms) const {
    std::int64_t next = INT64_MAX;
    const auto expiry = expiries_.upper_bound({after_unix_ms, UINT64_MAX});
    if (expiry != expiries_.end()) {
        next = expiry->first;
    }
    for (const ExperimentDefinition& experiment : experiments_) {
        for (const std::int64_t moment :
             {experiment.start_unix_ms, experiment.end_unix_ms.value_or(INT64_MAX)}) {
            next = moment > after_unix_ms ? std::min(next, moment) : next;
        }
    }
    return next != INT64_MAX ? std::optional(next) : std::nullopt;
}

bool SnapshotBuilder::contains(std::string_view name) const {
    return flags_.find(hash64(name)) != nullptr;
}

std::vector<FlagProblem> SnapshotBuilder::problems() const {
    std::vector<FlagProblem> all;
    for (const auto& [name, problem] : flag_problems_) {
        all.push_back(problem);
    }
    for (FlagProblem& problem : unmet_requirements()) {
        all.push_back(std::move(problem));
    }
    for (FlagProblem& problem : segments_.problems()) {
        all.push_back(std::move(problem));
    }
    all.insert(all.end(), experiment_problems_.begin(), experiment_problems_.end());
    return all;
}

ReadBack SnapshotBuilder::take_read_back(std::size_t sample_count_max) {
    ReadBack read_back;
    for (const std::uint64_t name_hash : touched_) {
        const bool is_present = flags_.find(name_hash) != nullptr;
        (is_present ? read_back.present : read_back.absent).push_back(name_hash);
    }
    touched_.clear();
    const std::size_t sample_count = std::min(sample_count_max, flags_.size());
    for (std::size_t number = 0; number < sample_count; ++number) {
        read_back.present.push_back(flags_.hash_at(number * flags_.size() / sample_count));
    }
    return read_back;
}

}  // namespace burgee
