#include "sync/flag_document.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <set>

namespace burgee::sync {
namespace {

/// The shortest decimal that reads back as the same double, without an exponent, as all numbers of
/// a document are written.
std::string plain_number(double number) {
    std::array<char, 1100> text{};  // the smallest double takes 1 077
    const auto written =
        std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    return {text.data(), written.ptr};
}

void write_slots(JsonWriter& json, const std::vector<SlotRange>& slots) {
    json.begin_array();
    for (const SlotRange& range : slots) {
        json.raw("[" + std::to_string(range.first) + ", " + std::to_string(range.last) + "]");
    }
    json.end_array();
}

void write_entry(JsonWriter& json, const FlagEntry& flag) {
    json.begin_object().member("name", flag.name).member("description", flag.description);
    json.member("status", flag.status).key("rollout_percentage");
    json.raw(plain_number(flag.rollout_percentage)).key("segments");
    write_json_tree(json, flag.segments);
    json.key("variants");
    write_json_tree(json, flag.variants);
    json.key("metadata");
    write_json_tree(json, flag.metadata);
    json.member("expires_at", flag.expires_at).end_object();
}

void write_entry(JsonWriter& json, const SegmentEntry& segment) {
    json.begin_object().member("name", segment.name).member("description", segment.description);
    json.key("constraints");
    write_json_tree(json, segment.constraints);
    json.end_object();
}

void write_entry(JsonWriter& json, const LayerEntry& layer) {
    json.begin_object().member("name", layer.name).member("description", layer.description);
    json.key("owners").begin_array();
    for (const LayerEntry::Owner& owner : layer.owners) {
        json.begin_object().member("flag", owner.flag).key("slots");
        write_slots(json, owner.slots);
        json.end_object();
    }
    json.end_array().end_object();
}

template <class Entry>
void write_entries(JsonWriter& json, const char* key, const std::vector<Entry>& entries) {
    json.key(key).begin_array();
    for (const Entry& entry : entries) {
        write_entry(json, entry);
    }
    json.end_array();
}

void add_field(EntryFields& fields, std::string name, std::string value) {
    if (!value.empty()) {
        fields.emplace_back(std::move(name), std::move(value));
    }
}

/// An object key by key, anything else whole.
void add_tree(EntryFields& fields, const std::string& name, const JsonTree& tree) {
    if (tree.kind != JsonTree::Kind::kObject) {
        add_field(fields, name, compact_text(tree));
    }
    for (const auto& [key, value] : tree.members) {
        add_field(fields, name + "." + key, compact_text(value));
    }
}

std::string slots_text(const std::vector<SlotRange>& slots) {
    std::string text;
    for (const SlotRange& range : slots) {
        text += (text.empty() ? "" : ", ") + std::to_string(range.first) + ".." +
                std::to_string(range.last);
    }
    return text;
}

/// Adds every name that stands behind a key "segment", however deep.
void add_named_segments(const JsonTree& tree, std::set<std::string>& names) {
    for (const JsonTree& element : tree.elements) {
        add_named_segments(element, names);
    }
    for (const auto& [key, value] : tree.members) {
        if (key == "segment" && value.kind == JsonTree::Kind::kString) {
            names.insert(value.text);
        }
        add_named_segments(value, names);
    }
}

std::vector<SegmentEntry> segments_of(const FlagDocument& all, std::set<std::string> wanted) {
    // A round for each level of segments in segments; they cannot go round in circles, and if they
    // did, no round would add a name any more.
    for (std::size_t known = 0; known != wanted.size();) {
        known = wanted.size();
        for (const SegmentEntry& segment : all.segments) {
            if (wanted.contains(segment.name)) {
                add_named_segments(segment.constraints, wanted);
            }
        }
    }
    std::vector<SegmentEntry> found;
    std::copy_if(all.segments.begin(), all.segments.end(), std::back_inserter(found),
                 [&](const SegmentEntry& segment) { return wanted.contains(segment.name); });
    return found;
}

std::string layer_named_by(const FlagEntry& flag) {
    const JsonTree* layer = flag.segments.find("layer");
    const JsonTree* name = layer == nullptr ? nullptr : layer->find("name");
    return name == nullptr ? "" : name->text;
}

}  // namespace

std::string document_text(const FlagDocument& document) {
    JsonWriter json;
    json.begin_object().member("format", kFlagDocumentFormat);
    write_entries(json, "flags", document.flags);
    write_entries(json, "segments", document.segments);
    write_entries(json, "layers", document.layers);
    return json.end_object().take() + "\n";
}

EntryFields fields_of(const FlagEntry& flag) {
    EntryFields fields;
    add_field(fields, "description", flag.description.value_or(""));
    add_field(fields, "status", flag.status);
    add_field(fields, "rollout_percentage", plain_number(flag.rollout_percentage));
    add_tree(fields, "segments", flag.segments);
    add_tree(fields, "variants", flag.variants);
    add_tree(fields, "metadata", flag.metadata);
    add_field(fields, "expires_at", flag.expires_at.value_or(""));
    return fields;
}

EntryFields fields_of(const SegmentEntry& segment) {
    EntryFields fields;
    add_field(fields, "description", segment.description.value_or(""));
    add_tree(fields, "constraints", segment.constraints);
    return fields;
}

EntryFields fields_of(const LayerEntry& layer) {
    EntryFields fields;
    add_field(fields, "description", layer.description.value_or(""));
    for (const LayerEntry::Owner& owner : layer.owners) {
        add_field(fields, "slots of " + owner.flag, slots_text(owner.slots));
    }
    return fields;
}

FlagDocument selection_of(const FlagDocument& all, const std::vector<std::string>& names) {
    const std::set<std::string> wanted(names.begin(), names.end());
    FlagDocument selection;
    std::set<std::string> segments;
    std::set<std::string> layers;
    for (const FlagEntry& flag : all.flags) {
        if (wanted.contains(flag.name)) {
            selection.flags.push_back(flag);
            add_named_segments(flag.segments, segments);
            layers.insert(layer_named_by(flag));
        }
    }
    selection.segments = segments_of(all, std::move(segments));
    for (LayerEntry layer : all.layers) {
        std::erase_if(layer.owners,
                      [&](const LayerEntry::Owner& owner) { return !wanted.contains(owner.flag); });
        if (!layer.owners.empty() || layers.contains(layer.name)) {
            selection.layers.push_back(std::move(layer));
        }
    }
    return selection;
}

}  // namespace burgee::sync
