#pragma once

// A builder that is given changes as sync would give them, and what it published, read through the
// view. Used by the tests of what flags say of each other and of segments.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/shm/sample_flags.hpp"

namespace burgee::test {

class TargetingBuilderTest : public ::testing::Test {
protected:
    explicit TargetingBuilderTest(std::uint64_t flags_size_max = kFlagsSizeMax)
        : builder_(flags_size_max) {}

    void apply(FlagChanges changes) {
        changes.revision = ++revision_;
        builder_.apply(changes);
        bytes_ = builder_.build({revision_, kNow});
        ASSERT_EQ(full_error(bytes_), ViewError::kNone) << describe(full_error(bytes_));
        ASSERT_EQ(SnapshotView::open(bytes_.data(), bytes_.size(), view_), ViewError::kNone);
    }
    void change(std::vector<FlagDefinition> flags, std::vector<SegmentDefinition> segments = {}) {
        FlagChanges changes;
        changes.changed = std::move(flags);
        changes.segments = std::move(segments);
        apply(std::move(changes));
    }
    void remove_segment(const std::string& name) {
        FlagChanges changes;
        changes.removed_segments = {name};
        apply(std::move(changes));
    }
    /// The revision of the flag's published form; 0 = it is not published.
    std::uint64_t published(const std::string& name) const {
        const FlagRecord* flag = view_.find(hash64(name));
        return flag == nullptr ? 0 : flag->revision;
    }
    void expect_problem(const std::string& flag, const std::string& field,
                        const std::string& part) const {
        const auto problems = builder_.problems();
        const auto found = std::ranges::find(problems, flag, &FlagProblem::flag);
        ASSERT_NE(found, problems.end()) << "no problem with " << flag;
        EXPECT_EQ(found->field, field);
        EXPECT_NE(found->message.find(part), std::string::npos) << found->message;
    }
    /// Follows every requirement for more levels than are allowed.
    void expect_no_circle() const {
        for (std::uint64_t number = 0; number < view_.flag_count(); ++number) {
            EXPECT_LE(depth_of(*view_.flag(number), 0), kRequirementDepthMax);
        }
    }
    std::uint32_t depth_of(const FlagRecord& flag, std::uint32_t depth) const {
        const TargetingRecord* targeting =
            flag.targeting == 0 ? nullptr : view_.targeting(flag.targeting - 1);
        std::uint32_t deepest = depth;
        for (std::uint32_t number = 0; targeting != nullptr && depth <= kRequirementDepthMax &&
                                       number < targeting->requirements_count;
             ++number) {
            const RequirementRecord* requirement =
                view_.requirements(targeting->requirements_first + number, 1);
            const FlagRecord* next = view_.find(must(requirement).flag_name_hash);
            deepest = std::max(deepest, next == nullptr ? depth + 1 : depth_of(*next, depth + 1));
        }
        return deepest;
    }
    FlagDefinition flag(const std::string& name, std::uint64_t revision = 1) const {
        FlagDefinition flag = flag_of(name, Status::kEnabled);
        flag.revision = revision;
        return flag;
    }

    SnapshotBuilder builder_;
    SnapshotView view_;
    std::vector<std::byte> bytes_;
    std::uint64_t revision_ = 0;
};

}  // namespace burgee::test
