// Reads the text of a flag document. Everything that is wrong is told at once, each with its place.

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "shm/suggestion.hpp"
#include "sync/flag_document.hpp"
#include "sync/flag_text.hpp"

namespace burgee::sync {
namespace {

using Kind = JsonTree::Kind;

constexpr std::array<std::string_view, 4> kDocumentKeys{"format", "flags", "segments", "layers"};
constexpr std::array<std::string_view, 8> kFlagKeys{
    "name",     "description", "status",   "rollout_percentage",
    "segments", "variants",    "metadata", "expires_at"};
constexpr std::array<std::string_view, 3> kSegmentKeys{"name", "description", "constraints"};
constexpr std::array<std::string_view, 3> kLayerKeys{"name", "description", "owners"};
constexpr std::array<std::string_view, 2> kOwnerKeys{"flag", "slots"};
constexpr std::size_t kComplaintsMax = 20;  // told at once; more help nobody

/// A place in the document and what was read there.
class Place {
public:
    Place(const JsonTree& tree, std::string name, std::vector<std::string>& complaints)
        : tree_(tree), name_(std::move(name)), complaints_(complaints) {}

    const JsonTree& tree() const { return tree_; }

    void refuse(const std::string& key, const std::string& what) const {
        if (complaints_.size() < kComplaintsMax) {
            complaints_.push_back((key.empty() ? name_ : path(key)) + " " + what);
        }
    }

    /// Refuses what is no object, and unknown keys.
    bool is_object(std::span<const std::string_view> keys) const {
        if (tree_.kind != Kind::kObject) {
            refuse("", "is no object: write {...}");
            return false;
        }
        for (const auto& [key, value] : tree_.members) {
            if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
                refuse(shown_text(key),
                       "is not known" + did_you_mean(key, {keys.begin(), keys.end()}));
            }
        }
        return true;
    }

    /// The member, if it is there and not null; refused when it is of another kind.
    const JsonTree* member(const std::string& key, Kind kind, const char* wanted) const {
        const JsonTree* found = tree_.find(key);
        if (found == nullptr || found->kind == Kind::kNull) {
            return nullptr;
        }
        if (found->kind != kind) {
            refuse(key, std::string("is no ") + wanted);
            return nullptr;
        }
        return found;
    }

    std::optional<std::string> text(const std::string& key) const {
        const JsonTree* found = member(key, Kind::kString, "string");
        return found == nullptr ? std::nullopt : std::optional(found->text);
    }

    std::string required(const std::string& key) const {
        const JsonTree* found = tree_.find(key);
        if (found == nullptr || found->kind == Kind::kNull) {
            refuse(key, "is missing");
        }
        return text(key).value_or("");
    }

    JsonTree json(const std::string& key, Kind kind) const {
        const JsonTree* found =
            member(key, kind, kind == Kind::kArray ? "array: write [...]" : "object: write {...}");
        JsonTree empty;
        empty.kind = kind;
        return found == nullptr ? empty : *found;
    }

    /// Calls `use` with each element of the array `key`.
    template <class Use>
    void each(const std::string& key, Use use) const {
        const JsonTree* array = member(key, Kind::kArray, "array: write [...]");
        for (std::size_t index = 0; array != nullptr && index < array->elements.size(); ++index) {
            use(Place(array->elements[index], path(key) + "[" + std::to_string(index) + "]",
                      complaints_));
        }
    }

private:
    std::string path(const std::string& key) const {
        return name_.empty() ? key : name_ + "." + key;
    }

    const JsonTree& tree_;
    std::string name_;
    std::vector<std::string>& complaints_;
};

template <class Entry>
void sort_entries(std::vector<Entry>& entries, const char* kind,
                  std::vector<std::string>& complaints) {
    std::sort(entries.begin(), entries.end(),
              [](const Entry& one, const Entry& other) { return one.name < other.name; });
    const auto twice = std::adjacent_find(
        entries.begin(), entries.end(),
        [](const Entry& one, const Entry& other) { return one.name == other.name; });
    if (twice != entries.end()) {
        complaints.push_back(std::string(kind) + " \"" + shown_text(twice->name) +
                             "\" is there twice: keep one");
    }
}

FlagEntry flag_entry(const Place& place) {
    FlagEntry flag;
    if (!place.is_object(kFlagKeys)) {
        return flag;
    }
    flag.name = place.required("name");
    flag.description = place.text("description");
    flag.status = place.required("status");
    const JsonTree* rollout = place.member("rollout_percentage", Kind::kNumber, "number");
    if (rollout != nullptr) {
        const std::string& digits = rollout->text;
        std::from_chars(digits.data(), digits.data() + digits.size(), flag.rollout_percentage);
    }
    flag.segments = place.json("segments", Kind::kObject);
    flag.variants = place.json("variants", Kind::kArray);
    flag.metadata = place.json("metadata", Kind::kObject);
    flag.expires_at = place.text("expires_at");
    // PostgreSQL would read "tomorrow" too, which means something else every day.
    const bool is_moment = !flag.expires_at || flag.expires_at == "-infinity" ||
                           flag.expires_at->find_first_of("0123456789") == 0;
    if (!is_moment) {
        place.refuse("expires_at", "is no time: write one such as 2027-01-31T12:00:00Z, or null");
    }
    return flag;
}

SegmentEntry segment_entry(const Place& place) {
    SegmentEntry segment;
    if (place.is_object(kSegmentKeys)) {
        segment.name = place.required("name");
        segment.description = place.text("description");
        segment.constraints = place.json("constraints", Kind::kArray);
        if (place.tree().find("constraints") == nullptr) {
            place.refuse("constraints", "is missing: [] is everybody");
        }
    }
    return segment;
}

std::optional<std::uint16_t> slot_of(const JsonTree& tree) {
    unsigned slot = 0;
    const char* end = tree.text.data() + tree.text.size();
    const auto [stop, error] = std::from_chars(tree.text.data(), end, slot);
    const bool is_slot =
        tree.kind == Kind::kNumber && error == std::errc{} && stop == end && slot < kLayerSlotCount;
    return is_slot ? std::optional(static_cast<std::uint16_t>(slot)) : std::nullopt;
}

std::vector<SlotRange> slot_ranges(const Place& owner) {
    std::vector<SlotRange> ranges;
    owner.each("slots", [&](const Place& place) {
        const std::vector<JsonTree>& ends = place.tree().elements;
        const auto first = ends.size() == 2 ? slot_of(ends[0]) : std::nullopt;
        const auto last = ends.size() == 2 ? slot_of(ends[1]) : std::nullopt;
        if (!first || !last || *first > *last) {
            place.refuse("", "is no range of slots: write [first, last], each 0 to 9999");
            return;
        }
        ranges.push_back({*first, *last});
    });
    std::sort(ranges.begin(), ranges.end(),
              [](SlotRange one, SlotRange other) { return one.first < other.first; });
    std::vector<SlotRange> apart;
    for (const SlotRange& range : ranges) {
        if (!apart.empty() && range.first <= apart.back().last + 1) {
            apart.back().last = std::max(apart.back().last, range.last);
        } else {
            apart.push_back(range);
        }
    }
    return apart;
}

/// Refuses a flag that is there twice, and a slot of two flags.
void check_owners(const Place& place, const LayerEntry& layer) {
    std::vector<std::pair<SlotRange, const std::string*>> all;
    for (std::size_t index = 0; index < layer.owners.size(); ++index) {
        const LayerEntry::Owner& owner = layer.owners[index];
        if (index > 0 && layer.owners[index - 1].flag == owner.flag) {
            place.refuse("owners", "has flag \"" + shown_text(owner.flag) + "\" twice");
        }
        for (const SlotRange& range : owner.slots) {
            all.emplace_back(range, &owner.flag);
        }
    }
    std::sort(all.begin(), all.end(), [](const auto& one, const auto& other) {
        return one.first.first < other.first.first;
    });
    for (std::size_t index = 1; index < all.size(); ++index) {
        if (all[index].first.first <= all[index - 1].first.last) {
            place.refuse("owners", "gives slot " + std::to_string(all[index].first.first) +
                                       " to both \"" + shown_text(*all[index - 1].second) +
                                       "\" and \"" + shown_text(*all[index].second) + "\"");
        }
    }
}

LayerEntry layer_entry(const Place& place) {
    LayerEntry layer;
    if (!place.is_object(kLayerKeys)) {
        return layer;
    }
    layer.name = place.required("name");
    layer.description = place.text("description");
    place.each("owners", [&](const Place& owner) {
        if (owner.is_object(kOwnerKeys)) {
            layer.owners.push_back({owner.required("flag"), slot_ranges(owner)});
        }
    });
    std::erase_if(layer.owners, [](const LayerEntry::Owner& owner) { return owner.slots.empty(); });
    std::sort(layer.owners.begin(), layer.owners.end(),
              [](const auto& one, const auto& other) { return one.flag < other.flag; });
    check_owners(place, layer);
    return layer;
}

void check_format(const Place& top) {
    const std::string format = top.required("format");
    if (!format.empty() && format != kFlagDocumentFormat) {
        top.refuse("format", "is \"" + shown_text(format) + "\", and this program reads \"" +
                                 std::string(kFlagDocumentFormat) + "\" alone");
    }
}

}  // namespace

std::variant<FlagDocument, std::vector<std::string>> read_flag_document(std::string_view text) {
    auto read = read_json_tree(text);
    if (const auto* complaint = std::get_if<std::string>(&read)) {
        return std::vector{*complaint};
    }
    std::vector<std::string> complaints;
    FlagDocument document;
    const Place top(std::get<JsonTree>(read), "", complaints);
    if (top.tree().kind != Kind::kObject) {
        return std::vector<std::string>{"the document is no object: write {\"format\": ...}"};
    }
    check_format(top);
    if (!complaints.empty()) {
        return complaints;  // of another format everything else would be wrong, too
    }
    top.is_object(kDocumentKeys);
    top.each("flags", [&](const Place& at) { document.flags.push_back(flag_entry(at)); });
    top.each("segments", [&](const Place& at) { document.segments.push_back(segment_entry(at)); });
    top.each("layers", [&](const Place& at) { document.layers.push_back(layer_entry(at)); });
    if (complaints.empty()) {
        sort_entries(document.flags, "flag", complaints);
        sort_entries(document.segments, "segment", complaints);
        sort_entries(document.layers, "layer", complaints);
    }
    if (!complaints.empty()) {
        return complaints;
    }
    return document;
}

}  // namespace burgee::sync
