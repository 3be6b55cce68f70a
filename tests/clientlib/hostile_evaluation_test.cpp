// Promise: whatever bytes a snapshot holds, a question gets some answer, within the bound of steps,
// and nothing outside the snapshot is read. Method: the frozen snapshot that asks every operation;
// bytes of every section flipped, the header's checksums as they were, bodies unchecked; every flag
// asked in every way by contexts of every type. The bytes end where their memory ends, so that the
// address sanitizer sees a read beyond them.

#include <burgee/evaluate.hpp>
#include <burgee/snapshot_view.hpp>

#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>

#include "tests/support/sanitizers.hpp"

namespace burgee::test {
namespace {

#if defined(BURGEE_TSAN)
constexpr int kMutations = 5'000;  // one thread: nothing for this sanitizer to find
#elif defined(BURGEE_ASAN)
constexpr int kMutations = 50'000;  // a minute would be too long for every run; 200 000 passed once
#else
constexpr int kMutations = 200'000;
#endif
constexpr std::uint64_t kSeed = 20'260'101;

struct CountSteps {
    static constexpr bool kEnabled = true;
    std::uint64_t constraints = 0;
    void record(const TraceStep& /*step*/) {}
    void record(const ConstraintStep& /*step*/) { ++constraints; }
};

class HostileEvaluationTest : public ::testing::Test {
protected:
    HostileEvaluationTest() {
        std::ifstream file(BURGEE_GOLDEN_DIRECTORY "/snapshot_v1_targeting.bin", std::ios::binary);
        original_.assign(std::istreambuf_iterator<char>(file), {});
        // Words, so that the bytes are aligned as a mapping is.
        EXPECT_EQ(original_.size() % 8, 0U) << "else the sanitizer would miss the end";
        words_ = std::make_unique<std::uint64_t[]>((original_.size() + 7) / 8);
        restore();
    }

    char* bytes() { return static_cast<char*>(static_cast<void*>(words_.get())); }
    void restore() { std::memcpy(bytes(), original_.data(), original_.size()); }

    /// The view of the present bytes; sections lie where the untouched table says.
    SnapshotView open() {
        SnapshotView view;
        EXPECT_EQ(SnapshotView::open(static_cast<const std::byte*>(static_cast<void*>(bytes())),
                                     original_.size(), view),
                  ViewError::kNone);
        return view;
    }

    /// Asks every flag and makes something of the answer, as a service does.
    void ask_all(const SnapshotView& view) {
        for (std::uint64_t number = 0; number < view.flag_count(); ++number) {
            const FlagRecord& flag = *view.flag(number);
            for (const Context& context : contexts_) {
                use(view, evaluate(view, flag, context));
            }
            use(view, detail::ask_full(view, flag, contexts_[0]));
            CountSteps trace;
            use(view, evaluate(view, flag, contexts_[1], trace));
            EXPECT_LE(trace.constraints, kStepCountMax);
        }
    }

    void use(const SnapshotView& view, Answer answer) {
        if (answer.variant != 0) {
            const VariantRecord* variant = view.variant(answer.variant - 1);
            ASSERT_NE(variant, nullptr);
            read_ += view.name(*variant).size();
        }
        read_ += answer.is_enabled ? 1 : 0;
    }

    std::vector<char> original_;
    std::unique_ptr<std::uint64_t[]> words_;
    std::uint64_t read_ = 0;
    const Context contexts_[5] = {
        {{"user_id", "anna"}, {"plan", "pro"}, {"age", 20}, {"app", "1.2.3"}},
        {{"user_id", 42},
         {"plan", 42},
         {"age", 17.5},
         {"seen", "2023-11-14T22:13:21Z"},
         {"email", "aab@example.de"},
         {"country", "DE"},
         {"beta", true}},
        {{"session_id", "s"},
         {"plan", true},
         {"age", UINT64_MAX},
         {"seen", 0},
         {"app", 1},
         {"staff", true}},
        {{"account", "acme"}, {"email", "ROOT@EXAMPLE.ORG"}, {"app", "0.0.1-a.b+c"}, {"age", "x"}},
        {}};
};

TEST_F(HostileEvaluationTest, FlippedBytesOfEverySectionGiveSomeAnswer) {
    const SnapshotView whole = open();
    struct Section {
        std::uint64_t offset;
        std::uint64_t size;
    };
    std::vector<Section> sections;
    for (std::uint64_t number = 0; whole.section(number) != nullptr; ++number) {
        const SectionEntry& entry = *whole.section(number);
        ASSERT_GT(entry.size_bytes, 0U) << number;
        sections.push_back({entry.offset, entry.size_bytes});
    }
    ASSERT_EQ(sections.size(), 16U);
    std::mt19937_64 random(kSeed);
    constexpr unsigned char kLikely[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
    for (int mutation = 0; mutation < kMutations; ++mutation) {
        restore();
        // Sections in turn, so that small ones are not forgotten; one to eight bytes at once.
        const Section section = sections[static_cast<std::size_t>(mutation) % sections.size()];
        const std::uint64_t flips = 1 + random() % 8;
        for (std::uint64_t flip = 0; flip < flips; ++flip) {
            const std::uint64_t draw = random();
            char& byte = bytes()[section.offset + draw % section.size];
            const bool is_likely = (draw >> 60U) < 8;
            byte = static_cast<char>(is_likely ? kLikely[(draw >> 40U) % 5] : draw >> 32U);
        }
        ask_all(open());
        if (HasFailure()) {
            FAIL() << "seed " << kSeed << ", mutation " << mutation;
        }
    }
    EXPECT_GT(read_, 0U);
}

/// The worst that programs can do: every instruction of every program asks for a segment, so that
/// eight levels of segments would take their size to the eighth power.
TEST_F(HostileEvaluationTest, SegmentsThatAskThemselvesEndAtTheBound) {
    const SnapshotView whole = open();
    const std::size_t count = whole.instruction_count();
    auto* program = const_cast<Instruction*>(whole.program(0, count));
    auto* segments = const_cast<SegmentRecord*>(whole.segment(0));
    for (std::size_t number = 0; number < count; ++number) {
        program[number] = {};
        program[number].operation = static_cast<std::uint8_t>(Operation::kSegment);
        program[number].operand = number % 2;
        program[number].on_true = program[number].on_false = 1;
    }
    for (std::uint64_t number = 0; number < whole.segment_count(); ++number) {
        segments[number].program_first = 0;
        segments[number].program_count = static_cast<std::uint32_t>(count);
    }
    const FlagRecord& flag = *whole.find(hash64(std::string_view("operators")));
    CountSteps trace;
    use(whole, evaluate(whole, flag, contexts_[0], trace));
    EXPECT_LE(trace.constraints, kStepCountMax);
    EXPECT_GT(trace.constraints, 0U);
    ask_all(whole);
}

/// The worst that requirements can do: every flag requires all of them, itself included.
TEST_F(HostileEvaluationTest, FlagsThatRequireThemselvesEnd) {
    const SnapshotView whole = open();
    constexpr std::uint32_t kRequirements = 5;  // as many as the file has
    auto* requirements = const_cast<RequirementRecord*>(whole.requirements(0, kRequirements));
    ASSERT_NE(requirements, nullptr);
    ASSERT_EQ(whole.requirements(0, kRequirements + 1), nullptr);
    for (std::uint32_t number = 0; number < kRequirements; ++number) {
        requirements[number].flag_name_hash = whole.flag(number)->name_hash;
        requirements[number].kind = static_cast<std::uint8_t>(RequirementKind::kOff);
    }
    for (std::uint64_t number = 0; number < whole.targeting_count(); ++number) {
        auto* targeting = const_cast<TargetingRecord*>(whole.targeting(number));
        targeting->requirements_first = 0;
        targeting->requirements_count = kRequirements;
    }
    for (std::uint64_t number = 0; number < whole.flag_count(); ++number) {
        auto* flag = const_cast<FlagRecord*>(whole.flag(number));
        flag->path = static_cast<std::uint8_t>(EvaluationPath::kFull);
        flag->targeting = 1;
    }
    ask_all(whole);
}

}  // namespace
}  // namespace burgee::test
