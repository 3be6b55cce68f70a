#pragma once

// Flags, segments and layers as one JSON document, the same bytes for the same state: what `burgee
// flag export` prints and `burgee flag apply` reads. No ids, no times of change, no revisions, so
// that a document says what should be and nothing about one database. docs/cli.md has the format.
//
// Invariants:
//   1. Entries ascend by name, bytewise, and no name is there twice.
//   2. document_text(read_flag_document(text)) is canonical: equal documents give equal bytes.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/json_tree.hpp"

namespace burgee::sync {

inline constexpr std::string_view kFlagDocumentFormat = "burgee-flags/1";

struct FlagEntry {
    std::string name;
    std::optional<std::string> description;
    std::string status;
    double rollout_percentage = 0;
    JsonTree segments;
    JsonTree variants;
    JsonTree metadata;
    std::optional<std::string> expires_at;  ///< RFC 3339
};

struct SegmentEntry {
    std::string name;
    std::optional<std::string> description;
    JsonTree constraints;
};

struct LayerEntry {
    struct Owner {
        std::string flag;
        std::vector<SlotRange> slots;  ///< ascending, apart
    };

    std::string name;
    std::optional<std::string> description;
    std::vector<Owner> owners;  ///< ascending by flag; no slot twice
};

struct FlagDocument {
    std::vector<FlagEntry> flags;
    std::vector<SegmentEntry> segments;
    std::vector<LayerEntry> layers;
};

/// Reads a document, its entries in any order. A key that is not given has the value of a new row;
/// `name` and a flag's `status` must be there. Unknown keys, names given twice and every other
/// version of the format are refused.
/// @return  the document, or everything that is wrong with it, each with its place
std::variant<FlagDocument, std::vector<std::string>> read_flag_document(std::string_view text);

/// The canonical text, two spaces a level and a newline at the end.
std::string document_text(const FlagDocument& document);

/// What an entry holds as names and texts, for telling two of them apart: objects key by key
/// ("segments.salt"), everything else whole; empty texts left out.
using EntryFields = std::vector<std::pair<std::string, std::string>>;
EntryFields fields_of(const FlagEntry& flag);
EntryFields fields_of(const SegmentEntry& segment);
EntryFields fields_of(const LayerEntry& layer);

/// The flags with these names, the segments they use, directly or through others, and the layers
/// in which they own slots or which they name, without the slots of other flags.
/// Precondition: every name is a flag's.
FlagDocument selection_of(const FlagDocument& all, const std::vector<std::string>& names);

}  // namespace burgee::sync
