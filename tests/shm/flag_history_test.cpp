// Promise: whatever changes follow each other, every snapshot is sound, and what increments gave is
// what one full read gives. Method: random tables and changes; now and then apply all rows as they
// are and compare.

#include <map>
#include <optional>
#include <random>
#include <set>

#include "tests/shm/conditions.hpp"
#include "tests/shm/random_seed.hpp"
#include "tests/shm/targeting_builder_fixture.hpp"

namespace burgee::test {
namespace {

// Asked twice it takes more steps than a question has.
constexpr const char* kHeavySegment = "h6";

/// h0 has 10 questions, and each of the next ones asks the one before 5 times.
std::vector<SegmentDefinition> heavy_segments() {
    std::vector<SegmentDefinition> segments{{"h0", 1, std::vector(10, is_in("plan", {"pro"}))}};
    for (int number = 1; number <= 6; ++number) {
        segments.push_back({"h" + std::to_string(number), 1,
                            std::vector(5, named_segment("h" + std::to_string(number - 1)))});
    }
    return segments;
}

/// Tables in which everything that can refer does, changed at random; remembers every row.
class RandomRows {
public:
    explicit RandomRows(std::uint64_t seed) : random_(seed) {}

    /// What one poll finds; some are full.
    FlagChanges change(std::uint64_t revision) {
        FlagChanges changes;
        changes.is_full = below(20) == 0;
        if (changes.is_full) {
            flags_.clear();
            segments_.clear();
        }
        if (changes.is_full || revision == 1) {
            changes.segments = heavy_segments();
            for (const SegmentDefinition& heavy : changes.segments) {
                segments_[heavy.name] = heavy;
            }
        }
        for (std::uint64_t count = below(4); count > 0; --count) {
            changes.changed.push_back(flag(revision));
            flags_[changes.changed.back().name] = changes.changed.back();
        }
        for (std::uint64_t count = below(3); count > 0; --count) {
            changes.segments.push_back(segment(revision));
            segments_[changes.segments.back().name] = changes.segments.back();
        }
        std::erase_if(changes.changed, [&](const FlagDefinition& flag) {
            return flags_.at(flag.name) != flag;  // a table has one row of a name
        });
        lose(flag_name(), flags_, changes.changed, changes.removed, changes.refused);
        lose(segment_name(), segments_, changes.segments, changes.removed_segments,
             changes.refused_segments);
        return changes;
    }
    /// What a full read finds now.
    FlagChanges everything() const {
        FlagChanges all;
        all.is_full = true;
        for (const auto& [name, flag] : flags_) {
            flag ? all.changed.push_back(*flag) : all.refused.push_back(name);
        }
        for (const auto& [name, segment] : segments_) {
            segment ? all.segments.push_back(*segment) : all.refused_segments.push_back(name);
        }
        return all;
    }
    std::uint64_t below(std::uint64_t end) { return random_() % end; }

private:
    std::string flag_name() { return "f" + std::to_string(below(6)); }
    std::string segment_name() { return "s" + std::to_string(below(4)); }

    FlagDefinition flag(std::uint64_t revision) {
        FlagDefinition flag = flag_of(flag_name(), Status::kEnabled);
        flag.revision = revision;
        for (std::uint64_t count = below(3); count > 0; --count) {
            flag.requirements.push_back({flag_name(), true});
        }
        if (below(2) == 0) {
            flag.audience = {named_segment(segment_name())};
        }
        if (below(8) == 0) {
            flag.audience.push_back(matches("mail", "("));
        }
        if (below(8) == 0) {
            flag.audience.insert(flag.audience.end(), 2, named_segment(kHeavySegment));
        }
        flag.status = below(8) == 0 ? Status::kDisabled : flag.status;
        return flag;
    }
    SegmentDefinition segment(std::uint64_t revision) {
        SegmentDefinition segment{segment_name(), revision, {}};
        for (std::uint64_t count = below(3); count > 0; --count) {
            segment.constraints.push_back(named_segment(segment_name()));
        }
        return segment;
    }
    /// Sometimes a row that has not changed is deleted, or becomes bad.
    template <typename Row>
    void lose(const std::string& name, std::map<std::string, std::optional<Row>>& rows,
              const std::vector<Row>& changed, std::vector<std::string>& removed,
              std::vector<std::string>& refused) {
        const bool has_changed = std::ranges::find(changed, name, &Row::name) != changed.end();
        const std::uint64_t what = has_changed ? 2 : below(12);
        if (what == 0) {
            removed = {name};
            rows.erase(name);
        } else if (what == 1) {
            refused = {name};
            rows[name] = std::nullopt;
        }
    }

    std::mt19937_64 random_;
    std::map<std::string, std::optional<FlagDefinition>> flags_;  ///< nothing: a bad row
    std::map<std::string, std::optional<SegmentDefinition>> segments_;
};

using FlagHistoryTest = TargetingBuilderTest;

TEST_F(FlagHistoryTest, AnyHistoryStaysSoundAndAFullReadFindsNothingNew) {
    RandomRows rows(random_seed());
    const auto published_forms = [&] {
        std::map<std::uint64_t, std::uint64_t> forms;
        for (std::uint64_t number = 0; number < view_.flag_count(); ++number) {
            forms[view_.flag(number)->name_hash] = view_.flag(number)->revision;
        }
        for (std::uint64_t number = 0; number < view_.segment_count(); ++number) {
            forms[view_.segment(number)->name_hash] = view_.segment(number)->revision;
        }
        return forms;
    };
    const auto flags_with_problems = [&] {
        std::set<std::string> flags;
        for (const FlagProblem& problem : builder_.problems()) {
            flags.insert(problem.flag + " " + problem.field);
        }
        return flags;
    };
    for (std::uint64_t step = 1; step <= 2'000; ++step) {
        apply(rows.change(step));  // builds, and looks every body over
        ASSERT_FALSE(HasFatalFailure()) << "step " << step;
        expect_no_circle();
        if (rows.below(10) == 0) {
            const auto forms = published_forms();
            const auto problems = flags_with_problems();
            apply(rows.everything());
            ASSERT_EQ(published_forms(), forms) << "step " << step;
            ASSERT_EQ(flags_with_problems(), problems) << "step " << step;
        }
    }
}

}  // namespace
}  // namespace burgee::test
