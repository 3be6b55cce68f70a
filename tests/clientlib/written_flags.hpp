#pragma once

// Flags and segments in the JSON that people write, taken the whole way that a row takes: checked
// by sync, compiled by the snapshot builder, opened as a view, and asked in every way there is.

#include <burgee/evaluate.hpp>
#include <burgee/snapshot_view.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shm/flag_set.hpp"
#include "sync/flag_check.hpp"

namespace burgee::test {

/// What is written; fill it, then publish.
struct WrittenFlags {
    std::vector<sync::RawFlag> rows;
    std::vector<std::pair<std::string, std::string>> segments;  ///< name, constraints
    sync::FlagSettings settings;
    std::int64_t now_unix_ms = 1'000;

    /// An enabled flag, which is the least that can be asked, with these `segments`.
    void add_enabled(const std::string& name, const std::string& segments_json);
};

/// A row that only needs its name, status, rollout and JSON columns.
sync::RawFlag written_flag(const std::string& name, const std::string& status,
                           const std::string& rollout_percentage, const std::string& segments_json,
                           const std::string& variants_json = "[]");

/// The snapshot of what was written.
class PublishedFlags {
public:
    explicit PublishedFlags(const WrittenFlags& written);

    /// What the flag answers: by its shortest path, by the whole order of rules and traced, which
    /// must agree (the variant of a flag that draws at random aside). FLAG_NOT_FOUND when no
    /// valid form of it was published.
    Answer ask(std::string_view name, const Context& context) const;
    std::string variant_of(Answer answer) const;

    const SnapshotView& view() const { return view_; }
    /// All refusals and warnings of the check and the builder, one a line.
    const std::string& problems() const { return problems_; }

private:
    std::vector<std::byte> bytes_;
    SnapshotView view_;
    std::string problems_;
};

}  // namespace burgee::test
