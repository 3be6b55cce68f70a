// Promise: numbers of different types compare as the real numbers they are, or not at all.
// Method: a numbered table of borders; then random pairs around the borders against two oracles:
// 128-bit integers for whole numbers, and x86's 64-bit mantissa, which holds every int64, uint64
// and double exactly.

#include <burgee/number_compare.hpp>

#include <cmath>
#include <limits>
#include <ostream>
#include <random>

#include "tests/shm/random_seed.hpp"

namespace burgee {

// Found by GoogleTest, so that a failed comparison says its name.
void PrintTo(Ordering ordering, std::ostream* out) {
    *out << (ordering == Ordering::kLess      ? "kLess"
             : ordering == Ordering::kEqual   ? "kEqual"
             : ordering == Ordering::kGreater ? "kGreater"
                                              : "kUnordered");
}

}  // namespace burgee

namespace burgee::test {
namespace {

constexpr std::int64_t kIntMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kIntMax = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kUnsignedMax = std::numeric_limits<std::uint64_t>::max();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();
constexpr double kTwoTo53 = 9'007'199'254'740'992.0;
constexpr double kTwoTo63 = 9'223'372'036'854'775'808.0;
constexpr double kTwoTo64 = 18'446'744'073'709'551'616.0;

/// Both directions at once: what holds one way holds the other way reversed.
template <typename One, typename Other>
void expect_order(One one, Other other, Ordering expected, std::size_t number) {
    EXPECT_EQ(compare_numbers(one, other), expected) << number << ": " << one << ", " << other;
    EXPECT_EQ(compare_numbers(other, one), reversed(expected))
        << number << " reversed: " << other << ", " << one;
}

TEST(NumberCompareTest, ComparesAnIntegerWithADouble) {
    struct Case {
        std::int64_t integer;
        double number;
        Ordering expected;
    };
    const std::vector<Case> cases{
        {0, 0.0, Ordering::kEqual},
        {0, -0.0, Ordering::kEqual},
        {0, kTiny, Ordering::kLess},
        {0, -kTiny, Ordering::kGreater},
        {1, 1.0, Ordering::kEqual},
        {1, std::nextafter(1.0, 2.0), Ordering::kLess},
        {1, std::nextafter(1.0, 0.0), Ordering::kGreater},
        {-1, -1.5, Ordering::kGreater},
        {-2, -1.5, Ordering::kLess},
        {-1, -0.5, Ordering::kLess},
        {9'007'199'254'740'992, kTwoTo53, Ordering::kEqual},
        {9'007'199'254'740'993, kTwoTo53, Ordering::kGreater},  // equal after rounding
        {9'007'199'254'740'991, kTwoTo53, Ordering::kLess},
        {-9'007'199'254'740'993, -kTwoTo53, Ordering::kLess},
        {9'007'199'254'740'993, kTwoTo53 + 2, Ordering::kLess},
        {kIntMax, kTwoTo63, Ordering::kLess},  // equal after rounding
        {kIntMax, std::nextafter(kTwoTo63, 0.0), Ordering::kGreater},
        {kIntMax - 1'023, std::nextafter(kTwoTo63, 0.0), Ordering::kEqual},
        {kIntMin, -kTwoTo63, Ordering::kEqual},
        {kIntMin, std::nextafter(-kTwoTo63, -kInfinity), Ordering::kGreater},
        {kIntMin + 1, -kTwoTo63, Ordering::kGreater},
        {kIntMin, std::nextafter(-kTwoTo63, 0.0), Ordering::kLess},
        {kIntMax, kInfinity, Ordering::kLess},
        {kIntMin, -kInfinity, Ordering::kGreater},
        {kIntMax, 1e300, Ordering::kLess},
        {0, kNan, Ordering::kUnordered},
        {0, -kNan, Ordering::kUnordered},
        {kIntMax, std::numeric_limits<double>::signaling_NaN(), Ordering::kUnordered},
    };
    for (std::size_t number = 0; number < cases.size(); ++number) {
        expect_order(cases[number].integer, cases[number].number, cases[number].expected, number);
    }
}

TEST(NumberCompareTest, ComparesAnUnsignedIntegerWithADouble) {
    struct Case {
        std::uint64_t integer;
        double number;
        Ordering expected;
    };
    const std::vector<Case> cases{
        {0, 0.0, Ordering::kEqual},
        {0, -0.0, Ordering::kEqual},
        {0, -kTiny, Ordering::kGreater},
        {0, kTiny, Ordering::kLess},
        {0, -0.5, Ordering::kGreater},
        {5, 4.999, Ordering::kGreater},
        {5, 5.001, Ordering::kLess},
        {kUnsignedMax, kTwoTo64, Ordering::kLess},  // equal after rounding
        {kUnsignedMax, std::nextafter(kTwoTo64, 0.0), Ordering::kGreater},
        {kUnsignedMax - 2'047, std::nextafter(kTwoTo64, 0.0), Ordering::kEqual},
        {std::uint64_t{1} << 63U, kTwoTo63, Ordering::kEqual},
        {(std::uint64_t{1} << 63U) + 1, kTwoTo63, Ordering::kGreater},
        {(std::uint64_t{1} << 63U) - 1, kTwoTo63, Ordering::kLess},
        {kUnsignedMax, kInfinity, Ordering::kLess},
        {0, -kInfinity, Ordering::kGreater},
        {kUnsignedMax, -1.0, Ordering::kGreater},
        {0, kNan, Ordering::kUnordered},
    };
    for (std::size_t number = 0; number < cases.size(); ++number) {
        expect_order(cases[number].integer, cases[number].number, cases[number].expected, number);
    }
}

TEST(NumberCompareTest, ComparesIntegersOfBothSigns) {
    struct Case {
        std::int64_t integer;
        std::uint64_t natural;
        Ordering expected;
    };
    const std::vector<Case> cases{
        {0, 0, Ordering::kEqual},
        {-1, 0, Ordering::kLess},
        {-1, kUnsignedMax, Ordering::kLess},  // the same bits
        {kIntMin, std::uint64_t{1} << 63U, Ordering::kLess},
        {kIntMax, (std::uint64_t{1} << 63U) - 1, Ordering::kEqual},
        {kIntMax, std::uint64_t{1} << 63U, Ordering::kLess},
        {7, 6, Ordering::kGreater},
    };
    for (std::size_t number = 0; number < cases.size(); ++number) {
        expect_order(cases[number].integer, cases[number].natural, cases[number].expected, number);
    }
    expect_order(kIntMin, kIntMax, Ordering::kLess, 0);
    expect_order(std::uint64_t{0}, kUnsignedMax, Ordering::kLess, 1);
    expect_order(std::int64_t{-3}, std::int64_t{-3}, Ordering::kEqual, 2);
}

TEST(NumberCompareTest, ComparesDoubles) {
    const std::vector<double> ascending{-kInfinity, -1e300,   -kTwoTo63, -1.0,     -kTiny,
                                        0.0,        kTiny,    0.1,       0.3,      0.1 + 0.2,
                                        1.0,        kTwoTo53, kTwoTo64,  kInfinity};
    for (std::size_t one = 0; one < ascending.size(); ++one) {
        for (std::size_t other = one; other < ascending.size(); ++other) {
            expect_order(ascending[one], ascending[other],
                         one == other ? Ordering::kEqual : Ordering::kLess, one);
        }
        expect_order(ascending[one], kNan, Ordering::kUnordered, one);
    }
    expect_order(0.0, -0.0, Ordering::kEqual, 0);
    expect_order(kNan, kNan, Ordering::kUnordered, 1);
}

/// Numbers that lie close to where types end or doubles lose their fraction.
class BorderNumbers {
public:
    explicit BorderNumbers(std::uint64_t seed) : random_(seed) {}

    std::uint64_t bits() {
        const std::uint64_t border = std::uint64_t{1} << (random_() % 64);
        return border + random_() % 5 - 2;
    }
    double number() {
        double value = std::ldexp(1.0, static_cast<int>(random_() % 70) - 3);
        for (std::uint64_t steps = random_() % 4; steps > 0; --steps) {
            value = std::nextafter(value, random_() % 2 == 0 ? kInfinity : -kInfinity);
        }
        value += random_() % 3 == 0 ? 0.5 : 0.0;
        return random_() % 2 == 0 ? value : -value;
    }

private:
    std::mt19937_64 random_;
};

template <typename Number>
Ordering order_of_exact(Number one, Number other) {
    return one < other ? Ordering::kLess : one > other ? Ordering::kGreater : Ordering::kEqual;
}

TEST(NumberCompareTest, AgreesWithWideArithmeticAroundTheBorders) {
    static_assert(std::numeric_limits<long double>::digits >= 64, "the oracle must be exact");
    __extension__ using Wide = __int128;
    BorderNumbers borders(random_seed());
    for (int round = 0; round < 100'000; ++round) {
        const std::uint64_t natural = borders.bits();
        const auto integer = static_cast<std::int64_t>(borders.bits());
        const double number = borders.number();
        ASSERT_EQ(compare_numbers(integer, natural), order_of_exact<Wide>(integer, natural))
            << integer << ", " << natural;
        ASSERT_EQ(compare_numbers(integer, number), order_of_exact<long double>(integer, number))
            << integer << ", " << number;
        ASSERT_EQ(compare_numbers(number, natural), order_of_exact<long double>(number, natural))
            << number << ", " << natural;
        const double other = borders.number();
        ASSERT_EQ(compare_numbers(number, other), order_of_exact(number, other))
            << number << ", " << other;
        if (number == std::trunc(number)) {
            ASSERT_EQ(compare_numbers(integer, number),
                      order_of_exact(static_cast<Wide>(integer), static_cast<Wide>(number)))
                << integer << ", " << number;
        }
    }
}

TEST(NumberCompareTest, FindsEveryRoundedNeighbourUnequal) {
    // Beyond 2^53 a double is the neighbour of integers that are not it.
    for (int power = 53; power < 63; ++power) {
        const std::int64_t whole = std::int64_t{1} << power;
        const auto number = static_cast<double>(whole);
        expect_order(whole, number, Ordering::kEqual, static_cast<std::size_t>(power));
        expect_order(whole + 1, number, Ordering::kGreater, static_cast<std::size_t>(power));
        expect_order(whole - 1, number, Ordering::kLess, static_cast<std::size_t>(power));
    }
}

}  // namespace
}  // namespace burgee::test
