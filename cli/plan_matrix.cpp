#include "cli/plan_matrix.hpp"

#include <algorithm>
#include <utility>

#include "shm/assertion.hpp"
#include "shm/bucket_ranges.hpp"

namespace burgee::cli {
namespace {

/// Buckets [begin, end) that answer `side`.
struct Stretch {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::size_t side = 0;
};

/// How one form of a flag answers by its draws.
struct Form {
    bool has_one_bucket = false;  ///< legacy_md5: the variant is looked up with the gate's bucket
    std::uint32_t bucket_count = kBucketCount;
    std::uint32_t gate_end = 0;          ///< rollout buckets [0, gate_end) are inside
    std::vector<Stretch> inside;         ///< what those inside answer, by their variant bucket
    std::vector<SlotRange> slots;        ///< of a layer, if there is one
    std::string layer;                   ///< empty: none
    std::vector<std::string> bucket_by;  ///< whose slot of the layer is asked
};

bool is_off(const FlagDefinition& flag, std::int64_t unix_ms) {
    return flag.status == Status::kDisabled ||
           (flag.expires_unix_ms && *flag.expires_unix_ms <= unix_ms);
}

Form form_of(const FlagDefinition& flag, std::int64_t unix_ms, const SideMatrix& matrix) {
    Form form;
    form.has_one_bucket = flag.bucketing == Bucketing::kLegacyMd5;
    form.bucket_count = form.has_one_bucket ? kLegacyBucketCount : kBucketCount;
    if (is_off(flag, unix_ms)) {
        return form;
    }
    if (flag.status == Status::kEnabled) {
        form.gate_end = form.bucket_count;
        form.inside = {{0, form.bucket_count, matrix.side("on")}};
        return form;  // decided before the layer is asked
    }
    form.gate_end = gate_end_of(flag.rollout_percentage, flag.bucketing);
    if (flag.layer) {
        form.layer = flag.layer->name;
        form.bucket_by = flag.bucket_by;
        form.slots = flag.layer->slots;
    }
    if (flag.status != Status::kAbTest) {
        form.inside = {{0, form.bucket_count, matrix.side("on")}};
        return form;
    }
    std::vector<double> weights;
    for (const VariantDefinition& variant : flag.variants) {
        weights.push_back(variant.weight);
    }
    std::vector<std::uint32_t> ends(weights.size());
    range_ends_of(weights, flag.bucketing, ends);
    std::uint32_t begin = 0;
    for (std::size_t index = 0; index < ends.size(); ++index) {
        form.inside.push_back({begin, ends[index], matrix.side(flag.variants[index].name)});
        begin = ends[index];
    }
    return form;
}

/// What a form's units answer if all slots of its layer were its own, as buckets of one draw:
/// with legacy_md5 what lies beyond the gate is off.
std::vector<Stretch> one_draw(const Form& form) {
    std::vector<Stretch> stretches;
    for (const Stretch& stretch : form.inside) {
        stretches.push_back({stretch.begin, std::min(stretch.end, form.gate_end), stretch.side});
    }
    stretches.push_back({form.gate_end, form.bucket_count, 0});
    std::erase_if(stretches, [](const Stretch& each) { return each.begin >= each.end; });
    return stretches;
}

std::uint32_t overlap(const Stretch& one, const Stretch& other) {
    const std::uint32_t begin = std::max(one.begin, other.begin);
    const std::uint32_t end = std::min(one.end, other.end);
    return end > begin ? end - begin : 0;
}

/// Shares of the answers of one form alone, by side.
std::vector<double> shares_of(const Form& form, std::size_t side_count) {
    std::vector<double> shares(side_count);
    const double count = form.bucket_count;
    if (form.has_one_bucket) {
        for (const Stretch& stretch : one_draw(form)) {
            shares[stretch.side] += (stretch.end - stretch.begin) / count;
        }
        return shares;
    }
    shares[0] += (count - form.gate_end) / count;
    for (const Stretch& stretch : form.inside) {
        // Whole numbers up to 10^12 before the one division: exact to the last digit of a double.
        shares[stretch.side] +=
            (double(form.gate_end) * (stretch.end - stretch.begin)) / (count * count);
    }
    return shares;
}

/// Both forms ask one and the same bucket.
void add_same_draw_legacy(const Form& before, const Form& after, SideMatrix& joint) {
    for (const Stretch& from : one_draw(before)) {
        for (const Stretch& to : one_draw(after)) {
            joint.at(from.side, to.side) += overlap(from, to) / double(before.bucket_count);
        }
    }
}

/// Both forms ask the same two buckets, one for the gate and one for the variant.
void add_same_draw_xxh3(const Form& before, const Form& after, SideMatrix& joint) {
    const double count = kBucketCount;
    const double inside_both = std::min(before.gate_end, after.gate_end);
    const double inside_before = before.gate_end - inside_both;
    const double inside_after = after.gate_end - inside_both;
    joint.at(0, 0) += (count - std::max(before.gate_end, after.gate_end)) / count;
    for (const Stretch& from : before.inside) {
        joint.at(from.side, 0) += inside_before * (from.end - from.begin) / (count * count);
        for (const Stretch& to : after.inside) {
            joint.at(from.side, to.side) += inside_both * overlap(from, to) / (count * count);
        }
    }
    for (const Stretch& to : after.inside) {
        joint.at(0, to.side) += inside_after * (to.end - to.begin) / (count * count);
    }
}

double slot_share(const std::vector<SlotRange>& slots) {
    double count = 0;
    for (const SlotRange& range : slots) {
        count += range.last - range.first + 1;
    }
    return count / kLayerSlotCount;
}

double shared_slots(const Form& before, const Form& after) {
    double count = 0;
    for (const SlotRange& one : before.slots) {
        for (const SlotRange& other : after.slots) {
            const int first = std::max(one.first, other.first);
            const int last = std::min(one.last, other.last);
            count += last >= first ? last - first + 1 : 0;
        }
    }
    return count / kLayerSlotCount;
}

/// Shares of units by whether the layers let them pass before, after, or both.
struct LayerShares {
    double both = 1;
    double before = 1;
    double after = 1;
};

LayerShares layer_shares(const Form& before, const Form& after) {
    LayerShares shares;
    shares.before = before.layer.empty() ? 1 : slot_share(before.slots);
    shares.after = after.layer.empty() ? 1 : slot_share(after.slots);
    // Another unit of the same context has a slot of its own.
    const bool is_same =
        !before.layer.empty() && before.layer == after.layer && before.bucket_by == after.bucket_by;
    shares.both = is_same ? shared_slots(before, after) : shares.before * shares.after;
    return shares;
}

/// `joint` holds where both layers let everybody pass; a layer that does not means off.
void apply_layers(const LayerShares& layers, SideMatrix& joint) {
    const std::size_t count = joint.sides().size();
    SideMatrix mixed(joint.sides());
    for (std::size_t from = 0; from < count; ++from) {
        for (std::size_t to = 0; to < count; ++to) {
            const double share = joint.at(from, to);
            mixed.at(from, to) += share * layers.both;
            mixed.at(from, 0) += share * (layers.before - layers.both);
            mixed.at(0, to) += share * (layers.after - layers.both);
            mixed.at(0, 0) += share * (1 - layers.before - layers.after + layers.both);
        }
    }
    joint = std::move(mixed);
}

}  // namespace

SideMatrix::SideMatrix(std::vector<std::string> sides)
    : sides_(std::move(sides)), shares_(sides_.size() * sides_.size()) {
    BURGEE_ASSERT(!sides_.empty());
}

std::size_t SideMatrix::side(const std::string& name) const {
    const auto found = std::find(sides_.begin() + 1, sides_.end(), name);
    BURGEE_ASSERT(found != sides_.end());
    return static_cast<std::size_t>(found - sides_.begin());
}

double SideMatrix::before(std::size_t side) const {
    double sum = 0;
    for (std::size_t to = 0; to < sides_.size(); ++to) {
        sum += at(side, to);
    }
    return sum;
}

double SideMatrix::after(std::size_t side) const {
    double sum = 0;
    for (std::size_t from = 0; from < sides_.size(); ++from) {
        sum += at(from, side);
    }
    return sum;
}

double SideMatrix::off_to_on() const {
    double sum = 0;
    for (std::size_t to = 1; to < sides_.size(); ++to) {
        sum += at(0, to);
    }
    return sum;
}

double SideMatrix::on_to_off() const {
    double sum = 0;
    for (std::size_t from = 1; from < sides_.size(); ++from) {
        sum += at(from, 0);
    }
    return sum;
}

double SideMatrix::between() const {
    double sum = 0;
    for (std::size_t from = 1; from < sides_.size(); ++from) {
        for (std::size_t to = 1; to < sides_.size(); ++to) {
            sum += from == to ? 0 : at(from, to);
        }
    }
    return sum;
}

double SideMatrix::moved() const {
    return off_to_on() + on_to_off() + between();
}

std::vector<std::string> sides_of(const FlagDefinition& before, const FlagDefinition& after) {
    std::vector<std::string> sides{"off"};
    const auto add = [&](const std::string& name) {
        if (std::find(sides.begin() + 1, sides.end(), name) == sides.end()) {
            sides.push_back(name);
        }
    };
    for (const FlagDefinition* flag : {&before, &after}) {
        if (flag->status != Status::kAbTest && flag->status != Status::kDisabled) {
            add("on");
        }
    }
    for (const FlagDefinition* flag : {&before, &after}) {
        for (const VariantDefinition& variant : flag->variants) {
            if (flag->status == Status::kAbTest) {
                add(variant.name);
            }
        }
    }
    return sides;
}

bool draws_same(const FlagDefinition& before, const FlagDefinition& after) {
    return before.bucketing == after.bucketing && before.salt == after.salt &&
           before.bucket_by == after.bucket_by && before.strategy == Strategy::kHash &&
           after.strategy == Strategy::kHash;
}

SideMatrix plan_matrix(const FlagDefinition& before, const FlagDefinition& after,
                       std::int64_t unix_ms) {
    SideMatrix joint(sides_of(before, after));
    const Form from = form_of(before, unix_ms, joint);
    const Form to = form_of(after, unix_ms, joint);
    if (!draws_same(before, after)) {
        const std::vector<double> first = shares_of(from, joint.sides().size());
        const std::vector<double> second = shares_of(to, joint.sides().size());
        for (std::size_t one = 0; one < first.size(); ++one) {
            for (std::size_t other = 0; other < second.size(); ++other) {
                joint.at(one, other) = first[one] * second[other];
            }
        }
    } else if (from.has_one_bucket) {
        add_same_draw_legacy(from, to, joint);
    } else {
        add_same_draw_xxh3(from, to, joint);
    }
    apply_layers(layer_shares(from, to), joint);
    return joint;
}

}  // namespace burgee::cli
