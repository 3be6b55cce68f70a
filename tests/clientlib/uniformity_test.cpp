// Promise: buckets are uniform for every kind of unit id; gate and variant of a flag, two flags, a
// flag and its layer, and two layers know nothing of each other; raising a rollout only adds units.
// Method: the real functions on fixed names and ids, so that the outcome is the same everywhere;
// each table of counts gives a p-value by chi-square, and all p-values together must be uniform
// themselves: a flaw that no single table shows adds up. Bounds are such that sound buckets with
// other ids would fail once in ten thousand runs. The last tests break the buckets on purpose and
// see that this method finds each flaw; gate and variant from one seed is the former system's.

#include <burgee/bucketing.hpp>
#include <burgee/evaluate.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>

#include "stats/distributions.hpp"
#include "tests/clientlib/published_directory.hpp"

namespace burgee::test {
namespace {

constexpr std::size_t kFlags = 1'000;
constexpr std::size_t kUnits = 100'000;
constexpr std::size_t kPairs = 200;
constexpr std::uint32_t kCells = 1'000;   // of one flag's buckets: each expects 100 units
constexpr std::uint32_t kSideCells = 10;  // of each side of a table of two
constexpr double kAlarm = 1e-4;           // how often sound buckets may fail a test

using Units = std::vector<std::string>;

/// Ids as services have them: numbers of a sequence, UUIDs, e-mail addresses.
const std::vector<Units>& ids_of_each_kind() {
    static const std::vector<Units> kinds = [] {
        std::vector<Units> made(3, Units(kUnits));
        std::mt19937_64 random(20'260'101);
        const char* const names[] = {"anna", "ben", "carla", "david", "eva", "felix", "greta"};
        for (std::size_t number = 0; number < kUnits; ++number) {
            made[0][number] = std::to_string(1'000'000 + number);
            const std::uint64_t high = random();
            const std::uint64_t low = random();
            char uuid[37];
            (void)std::snprintf(
                uuid, sizeof uuid, "%08x-%04x-4%03x-a%03x-%012llx",
                static_cast<unsigned>(high >> 32U), static_cast<unsigned>(high >> 16U & 0xFFFFU),
                static_cast<unsigned>(high & 0xFFFU), static_cast<unsigned>(low >> 48U & 0xFFFU),
                static_cast<unsigned long long>(low & 0xFFFF'FFFF'FFFFU));
            made[1][number] = uuid;
            made[2][number] = std::string(names[number % 7]) + "." + names[number / 7 % 7] +
                              std::to_string(number / 49) + "@example." +
                              (number % 2 == 0 ? "com" : "org");
        }
        return made;
    }();
    return kinds;
}

std::string flag_name(std::size_t number) {
    return "checkout.flag-" + std::to_string(number);
}

/// p-value of counts that should all be alike.
double uniform_p_value(const std::vector<std::uint32_t>& counts) {
    const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
    const double expected = total / static_cast<double>(counts.size());
    double distance = 0;
    for (const std::uint32_t count : counts) {
        distance += (count - expected) * (count - expected) / expected;
    }
    return stats::chi_square_upper_tail(distance, static_cast<double>(counts.size() - 1));
}

/// p-value of `cells` equal ranges of one draw's buckets.
template <typename Draw>
double uniformity_of(const Units& units, std::uint32_t cells, Draw draw) {
    std::vector<std::uint32_t> counts(cells, 0);
    for (const std::string& unit : units) {
        ++counts[draw(unit) / (kBucketCount / cells)];
    }
    return uniform_p_value(counts);
}

/// p-value of the table of two draws, given how often each side's cells were met.
template <typename Left, typename Right>
double independence_of(const Units& units, Left left, Right right) {
    std::uint32_t counts[kSideCells][kSideCells] = {};
    constexpr std::uint32_t kCellSize = kBucketCount / kSideCells;
    for (const std::string& unit : units) {
        ++counts[left(unit) / kCellSize][right(unit) / kCellSize];
    }
    double rows[kSideCells] = {};
    double columns[kSideCells] = {};
    for (std::uint32_t row = 0; row < kSideCells; ++row) {
        for (std::uint32_t column = 0; column < kSideCells; ++column) {
            rows[row] += counts[row][column];
            columns[column] += counts[row][column];
        }
    }
    double distance = 0;
    for (std::uint32_t row = 0; row < kSideCells; ++row) {
        for (std::uint32_t column = 0; column < kSideCells; ++column) {
            const double expected = rows[row] * columns[column] / static_cast<double>(units.size());
            distance +=
                (counts[row][column] - expected) * (counts[row][column] - expected) / expected;
        }
    }
    return stats::chi_square_upper_tail(distance, (kSideCells - 1) * (kSideCells - 1));
}

auto draw_of(std::string_view purpose, const std::string& salt) {
    return [seed = seed(purpose, salt)](const std::string& unit) { return bucket(unit, seed); };
}

/// The greatest distance between the distribution of `p_values` and the uniform one, in units in
/// which Kolmogorov's limit holds: P(D > d) = 2 exp(-2 d^2) for large d (Smirnov 1948).
double kolmogorov_distance(std::vector<double> p_values) {
    std::ranges::sort(p_values);
    const auto count = static_cast<double>(p_values.size());
    double distance = 0;
    for (std::size_t index = 0; index < p_values.size(); ++index) {
        const auto rank = static_cast<double>(index);
        distance = std::max(
            {distance, p_values[index] - rank / count, (rank + 1) / count - p_values[index]});
    }
    return distance * std::sqrt(count);
}

/// What is wrong with the distribution of p-values that sound buckets would spread evenly.
std::string complaint_about(const std::vector<double>& p_values) {
    const auto count = static_cast<double>(p_values.size());
    const double smallest = std::ranges::min(p_values);
    if (smallest < kAlarm / count) {
        return "the smallest is " + std::to_string(-std::log10(smallest)) + " digits small";
    }
    const double limit = std::sqrt(std::log(2 / kAlarm) / 2);
    if (const double distance = kolmogorov_distance(p_values); distance > limit) {
        return "their distribution is " + std::to_string(distance) +
               " away from uniform, at most " + std::to_string(limit);
    }
    // Below 0.001 there are as many as a Poisson number of mean count / 1000: five deviations, and
    // two more for its skew.
    const double mean = count * 0.001;
    const auto rare = std::ranges::count_if(p_values, [](double p) { return p < 0.001; });
    if (static_cast<double>(rare) > mean + 5 * std::sqrt(mean) + 2) {
        return std::to_string(rare) + " of them are below 0.001";
    }
    return "";
}

TEST(UniformityTest, BucketsOfAThousandFlagsAreUniformForEveryKindOfId) {
    std::vector<double> p_values;
    for (const Units& units : ids_of_each_kind()) {
        std::vector<double> of_kind;
        for (std::size_t flag = 0; flag < kFlags; ++flag) {
            of_kind.push_back(
                uniformity_of(units, kCells, draw_of(kPurposeRollout, flag_name(flag))));
        }
        EXPECT_EQ(complaint_about(of_kind), "") << "ids like " << units[0];
        p_values.insert(p_values.end(), of_kind.begin(), of_kind.end());
    }
    EXPECT_EQ(p_values.size(), 3 * kFlags);
    EXPECT_EQ(complaint_about(p_values), "");
}

TEST(UniformityTest, SlotsOfLayersAreUniform) {
    std::vector<double> p_values;
    for (std::size_t layer = 0; layer < kPairs; ++layer) {
        const Units& units = ids_of_each_kind()[layer % 3];
        p_values.push_back(uniformity_of(units, kUnits / 10,  // up to all 10 000 slots
                                         draw_of(kPurposeLayer, "layer-" + std::to_string(layer))));
    }
    EXPECT_EQ(complaint_about(p_values), "");
}

/// p-values of `count` tables; `left` and `right` give the draws of pair number n.
template <typename Left, typename Right>
std::vector<double> pairs_of(Left left, Right right, std::size_t count = kPairs) {
    std::vector<double> p_values;
    for (std::size_t pair = 0; pair < count; ++pair) {
        p_values.push_back(independence_of(ids_of_each_kind()[pair % 3], left(pair), right(pair)));
    }
    return p_values;
}

auto gate(std::size_t number) {
    return draw_of(kPurposeRollout, flag_name(number));
}
auto variant(std::size_t number) {
    return draw_of(kPurposeVariant, flag_name(number));
}
auto layer(std::size_t number) {
    return draw_of(kPurposeLayer, flag_name(number));  // a flag's name, to tempt the purposes
}

TEST(UniformityTest, GateAndVariantOfAFlagAreIndependent) {
    EXPECT_EQ(complaint_about(pairs_of(gate, variant)), "");
}

TEST(UniformityTest, GatesOfTwoFlagsAreIndependent) {
    const auto next = [](std::size_t number) { return gate(number + 1); };
    EXPECT_EQ(complaint_about(pairs_of(gate, next)), "");
}

TEST(UniformityTest, VariantsOfTwoFlagsAreIndependent) {
    const auto next = [](std::size_t number) { return variant(number + 1); };
    EXPECT_EQ(complaint_about(pairs_of(variant, next)), "");
}

TEST(UniformityTest, SlotsAreIndependentOfGatesAndOfOtherLayers) {
    const auto next = [](std::size_t number) { return layer(number + 1); };
    EXPECT_EQ(complaint_about(pairs_of(layer, gate)), "");
    EXPECT_EQ(complaint_about(pairs_of(layer, next)), "");
}

/// On at 0, 1, ... 100 percent by each way that a percentage can decide.
std::vector<FlagDefinition> staircase(bool is_rule, Bucketing bucketing) {
    std::vector<FlagDefinition> flags;
    for (int step = 0; step <= 100; ++step) {
        FlagDefinition flag = flag_of("step-" + std::to_string(step),
                                      is_rule ? Status::kEnabled : Status::kGradualRollout, step);
        flag.salt = "one salt";
        flag.bucketing = bucketing;
        if (is_rule) {
            flag.rules = {{"", {}, ServeRollout{static_cast<double>(step)}}};
        }
        flags.push_back(flag);
    }
    return flags;
}

void expect_growth(const std::vector<FlagDefinition>& flags, std::size_t unit_count) {
    const std::vector<std::byte> bytes = image_of(1, flags);
    SnapshotView view;
    ASSERT_EQ(SnapshotView::open(bytes.data(), bytes.size(), view), ViewError::kNone);
    for (const Units& units : ids_of_each_kind()) {
        std::vector<std::uint32_t> on(flags.size(), 0);
        for (std::size_t number = 0; number < unit_count; ++number) {
            const Context context{{"user_id", units[number]}};
            bool was_on = false;
            for (std::size_t step = 0; step < flags.size(); ++step) {
                const FlagRecord& flag = *view.find(hash64(flags[step].name));
                const bool is_on = evaluate(view, flag, context).is_enabled;
                ASSERT_TRUE(is_on || !was_on) << units[number] << " left at " << step;
                on[step] += is_on ? 1U : 0U;
                was_on = is_on;
            }
        }
        EXPECT_EQ(on.front(), 0U);
        EXPECT_EQ(on.back(), unit_count);
        const double most = 5 * std::sqrt(0.25 * static_cast<double>(unit_count));
        for (std::size_t step = 0; step < on.size(); ++step) {
            EXPECT_NEAR(on[step], static_cast<double>(unit_count * step) / 100, most) << step;
        }
    }
}

TEST(UniformityTest, EveryPercentMoreOnlyAddsUnits) {
    expect_growth(staircase(false, Bucketing::kXxh3), kUnits / 10);
    expect_growth(staircase(true, Bucketing::kXxh3), kUnits / 10);
    expect_growth(staircase(false, Bucketing::kLegacyMd5), kUnits / 100);
    expect_growth(staircase(true, Bucketing::kLegacyMd5), kUnits / 100);
}

TEST(BrokenUniformityTest, OneSeedForGateAndVariantIsFound) {
    EXPECT_NE(complaint_about(pairs_of(gate, gate, 3)), "");
}

TEST(BrokenUniformityTest, TheBucketsOfTheFormerSystemAreFound) {
    const auto legacy = [](std::size_t /*flag*/) {
        return [](const std::string& unit) { return legacy_hundredths("salt", unit) * 100; };
    };
    EXPECT_LT(
        independence_of(Units(ids_of_each_kind()[0].begin(), ids_of_each_kind()[0].begin() + 5'000),
                        legacy(0), legacy(1)),
        1e-100);
}

TEST(BrokenUniformityTest, ASeedThatIsOnlyAddedIsFound) {
    // Uniform for each flag, and every flag is another one turned round.
    const auto turned = [](std::size_t number) {
        return [offset = seed(kPurposeRollout, flag_name(number))](const std::string& unit) {
            return bucket_of_hash(hash64(unit) + offset);
        };
    };
    const auto next = [&](std::size_t number) { return turned(number + 1); };
    EXPECT_LT(uniformity_of(ids_of_each_kind()[0], kCells, turned(0)), 1.0);
    EXPECT_NE(complaint_about(pairs_of(turned, next, 3)), "");
}

TEST(BrokenUniformityTest, AHashWithoutAFinalMixIsFound) {
    const auto weak = [](const std::string& unit) {
        std::uint32_t hash = 2'166'136'261U;  // FNV-1a, whose upper bits hardly see the last bytes
        for (const char letter : unit) {
            hash = (hash ^ static_cast<unsigned char>(letter)) * 16'777'619U;
        }
        return bucket_of_hash(std::uint64_t{hash} << 32U);
    };
    EXPECT_LT(uniformity_of(ids_of_each_kind()[0], kCells, weak), 1e-12);
}

TEST(BrokenUniformityTest, OneBucketInAHundredThatIsHalfEmptyIsFound) {
    const auto gap = [](std::size_t flag) {
        return [inner = gate(flag)](const std::string& unit) {
            const std::uint32_t found = inner(unit);
            return found < 10'000 && unit.back() % 2 == 0 ? found + 10'000 : found;
        };
    };
    EXPECT_LT(uniformity_of(ids_of_each_kind()[0], kCells, gap(0)), 1e-3);
}

}  // namespace
}  // namespace burgee::test
