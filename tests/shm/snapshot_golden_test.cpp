// Promise: a snapshot written today is read by every later version of the same layout, and the page
// that describes the format shows what is really written.
// Method: a frozen file, read through the view and compared with what the builder writes; the hex
// blocks of the page, compared with the flag they describe. Neither is edited to make a test pass:
// a difference is a new layout.

#include <burgee/attribute_key.hpp>
#include <cctype>

#include <fstream>
#include <set>
#include <sstream>

#include "tests/shm/targeting_flags.hpp"

namespace burgee::test {
namespace {

std::string read_text(const std::string& name) {
    std::ifstream file(std::string(BURGEE_SOURCE_DIR) + "/" + name, std::ios::binary);
    EXPECT_TRUE(file.good()) << name;
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::byte> bytes_of(const std::string& text) {
    std::vector<std::byte> bytes(text.size());
    std::transform(text.begin(), text.end(), bytes.begin(),
                   [](char character) { return static_cast<std::byte>(character); });
    return bytes;
}

/// The bytes of all ```hex blocks, whose lines are an offset and up to 16 bytes.
std::vector<std::byte> hex_blocks_of(const std::string& page) {
    std::vector<std::byte> bytes;
    std::istringstream lines(page);
    bool is_inside = false;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("```")) {
            is_inside = line == "```hex";
            continue;
        }
        std::istringstream words(is_inside ? line : "");
        std::string word;
        words >> word;
        EXPECT_TRUE(!is_inside || std::stoul(word, nullptr, 16) == bytes.size()) << line;
        while (words >> word) {
            bytes.push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
        }
    }
    return bytes;
}

TEST(SnapshotGoldenTest, ReadsTheFrozenFile) {
    const std::vector<std::byte> golden = bytes_of(read_text("tests/golden/snapshot_v1.bin"));
    ASSERT_EQ(full_error(golden), ViewError::kNone) << describe(full_error(golden));
    SnapshotView view;
    ASSERT_EQ(SnapshotView::open(golden.data(), golden.size(), view), ViewError::kNone);
    EXPECT_EQ(view.header().generation, 1U);
    EXPECT_EQ(view.header().revision, 42U);
    EXPECT_EQ(view.header().source_id, 7U);
    EXPECT_EQ(view.header().database_unix_ms, 1'700'000'000'000);
    EXPECT_EQ(view.flag_count(), 8U);
    const FlagRecord& search = must(view.find(hash64(std::string_view("search.enhanced"))));
    EXPECT_EQ(search.gate_end, 250'000U);
    EXPECT_EQ(search.path, static_cast<std::uint8_t>(EvaluationPath::kSplit));
    const FlagRecord& models = must(view.find(hash64(std::string_view("model_comparison"))));
    EXPECT_EQ(models.variant_count, 2U);
    EXPECT_EQ(view.name(must(view.variant(models.variants_first + 1U))), "treatment");
    const ExperimentRecord& experiment = must(view.experiment(models.experiment - 1U));
    EXPECT_EQ(view.text(experiment.name_offset, experiment.name_size), "models");
    const FlagRecord& legacy = must(view.find(hash64(std::string_view("old.layout"))));
    EXPECT_EQ(legacy.gate_end, 3'330U);
    EXPECT_EQ(view.text(must(view.targeting(legacy.targeting - 1U)).salt), "rag-cms-features");
    const FlagRecord& sale = must(view.find(hash64(std::string_view("winter.sale"))));
    EXPECT_EQ(sale.constant_reason, static_cast<std::uint8_t>(Reason::kExpired));
}

TEST(SnapshotGoldenTest, StillWritesTheFrozenFile) {
    EXPECT_EQ(snapshot_of(one_of_each()), bytes_of(read_text("tests/golden/snapshot_v1.bin")));
}

TEST(SnapshotGoldenTest, ReadsTheFrozenFileOfTargeting) {
    const auto golden = bytes_of(read_text("tests/golden/snapshot_v1_targeting.bin"));
    ASSERT_EQ(full_error(golden), ViewError::kNone) << describe(full_error(golden));
    SnapshotView view;
    ASSERT_EQ(SnapshotView::open(golden.data(), golden.size(), view), ViewError::kNone);
    EXPECT_EQ(view.header().section_count, 16U);
    EXPECT_EQ(view.flag_count(), 10U);
    EXPECT_EQ(view.segment_count(), 2U);
    const FlagRecord& models = must(view.find(hash64(std::string_view("models"))));
    EXPECT_EQ(models.path, static_cast<std::uint8_t>(EvaluationPath::kFull));
    EXPECT_EQ(models.value_type, static_cast<std::uint8_t>(ValueType::kString));
    const TargetingRecord& targeting = must(view.targeting(models.targeting - 1U));
    EXPECT_EQ(view.text(targeting.layer_name), "checkout");
    EXPECT_EQ(targeting.layer_seed, 0x08c1d145dd6e8e74U);
    const SlotRangeRecord* slots = view.slot_ranges(targeting.slots_first, 3);
    EXPECT_EQ(must(slots).last, 2'499U);
    EXPECT_EQ((&must(slots))[1].first, 5'000U);
    ASSERT_EQ(targeting.rules_count, 3U);
    const RuleRecord& staff = must(view.rules(targeting.rules_first, 3));
    EXPECT_EQ(view.text(staff.name_offset, staff.name_size), "staff");
    EXPECT_EQ(staff.serve, static_cast<std::uint8_t>(ServeKind::kVariant));
    EXPECT_EQ(staff.variant, 1U);
    EXPECT_EQ(staff.program_end, 2U);
    const Instruction& first = must(view.program(targeting.program_first, 1));
    EXPECT_EQ(first.operation, static_cast<std::uint8_t>(Operation::kTextIs));
    EXPECT_EQ(first.attribute, attribute_key("staff"));
    EXPECT_EQ(view.text(first.operand & 0xFFFFFFFFU, first.operand >> 32U), "engineering");
    const FlagRecord& after = must(view.find(hash64(std::string_view("after"))));
    const TargetingRecord& of_after = must(view.targeting(after.targeting - 1U));
    ASSERT_EQ(of_after.requirements_count, 3U);
    const RequirementRecord& last = must(view.requirements(of_after.requirements_first + 2U, 1));
    EXPECT_EQ(last.flag_name_hash, models.name_hash);
    EXPECT_EQ(view.text(last.variant_offset, last.variant_size), "treatment");
}

TEST(SnapshotGoldenTest, TheFrozenFileAsksEveryOperation) {
    const auto golden = bytes_of(read_text("tests/golden/snapshot_v1_targeting.bin"));
    SnapshotView view;
    ASSERT_EQ(SnapshotView::open(golden.data(), golden.size(), view), ViewError::kNone);
    std::set<int> operations;
    const Instruction* program = view.program(0, view.instruction_count());
    for (std::uint64_t number = 0; number < view.instruction_count(); ++number) {
        operations.insert(program[number].operation);
    }
    EXPECT_EQ(operations.size(), kOperationCount);
}

TEST(SnapshotGoldenTest, StillWritesTheFrozenFileOfTargeting) {
    EXPECT_EQ(snapshot_of(everything_of_targeting()),
              bytes_of(read_text("tests/golden/snapshot_v1_targeting.bin")));
}

TEST(SnapshotGoldenTest, ThePageShowsWhatIsWritten) {
    FlagChanges changes;
    changes.is_full = true;
    changes.revision = 3;
    changes.database_unix_ms = kNow;
    changes.changed = {flag_of("hello", Status::kEnabled)};
    EXPECT_EQ(hex_blocks_of(read_text("docs/snapshot_format.md")), snapshot_of(changes));
}

}  // namespace
}  // namespace burgee::test
