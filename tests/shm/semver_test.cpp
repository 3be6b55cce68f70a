// Promise: a version is one by the letter of semver.org, and versions stand in its order.
// Method: the lists that semver.org publishes beside its official regular expression; section 11's
// examples; then random versions, for the properties of an order and against an oracle that knows
// small numbers only.

#include <burgee/semver.hpp>

#include <algorithm>
#include <random>
#include <tuple>

#include "tests/shm/random_seed.hpp"

namespace burgee::test {
namespace {

bool is_version(std::string_view text) {
    Semver version;
    return parse_semver(text, version);
}

int order(std::string_view one, std::string_view other) {
    Semver first;
    Semver second;
    EXPECT_TRUE(parse_semver(one, first)) << one;
    EXPECT_TRUE(parse_semver(other, second)) << other;
    return compare_semver(first, second);
}

/// https://regex101.com/r/vkijKf/1/, linked from semver.org: what must match.
const std::vector<std::string> kValid{
    "0.0.4",
    "1.2.3",
    "10.20.30",
    "1.1.2-prerelease+meta",
    "1.1.2+meta",
    "1.1.2+meta-valid",
    "1.0.0-alpha",
    "1.0.0-beta",
    "1.0.0-alpha.beta",
    "1.0.0-alpha.beta.1",
    "1.0.0-alpha.1",
    "1.0.0-alpha0.valid",
    "1.0.0-alpha.0valid",
    "1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay",
    "1.0.0-rc.1+build.1",
    "2.0.0-rc.1+build.123",
    "1.2.3-beta",
    "10.2.3-DEV-SNAPSHOT",
    "1.2.3-SNAPSHOT-123",
    "1.0.0",
    "2.0.0",
    "1.1.7",
    "2.0.0+build.1848",
    "2.0.1-alpha.1227",
    "1.0.0-alpha+beta",
    "1.2.3----RC-SNAPSHOT.12.9.1--.12+788",
    "1.2.3----R-S.12.9.1--.12+meta",
    "1.2.3----RC-SNAPSHOT.12.9.1--.12",
    "1.0.0+0.build.1-rc.10000aaa-kk-0.1",
    "99999999999999999999999.999999999999999999.99999999999999999",
    "1.0.0-0A.is.legal",
};

/// The same page: what must not match.
const std::vector<std::string> kInvalid{
    "1",
    "1.2",
    "1.2.3-0123",
    "1.2.3-0123.0123",
    "1.1.2+.123",
    "+invalid",
    "-invalid",
    "-invalid+invalid",
    "-invalid.01",
    "alpha",
    "alpha.beta",
    "alpha.beta.1",
    "alpha.1",
    "alpha+beta",
    "alpha_beta",
    "alpha.",
    "alpha..",
    "beta",
    "1.0.0-alpha_beta",
    "-alpha.",
    "1.0.0-alpha..",
    "1.0.0-alpha..1",
    "1.0.0-alpha...1",
    "1.0.0-alpha....1",
    "1.0.0-alpha.....1",
    "1.0.0-alpha......1",
    "1.0.0-alpha.......1",
    "01.1.1",
    "1.01.1",
    "1.1.01",
    "1.2.3.DEV",
    "1.2-SNAPSHOT",
    "1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788",
    "1.2-RC-SNAPSHOT",
    "-1.0.3-gamma+b7718",
    "+justmeta",
    "9.8.7+meta+meta",
    "9.8.7-whatever+meta+meta",
    "99999999999999999999999.999999999999999999.99999999999999999----RC-SNAPSHOT.12.09.1----------"
    "----------------------..12",
};

TEST(SemverTest, TakesTheOfficialListOfVersions) {
    for (std::size_t number = 0; number < kValid.size(); ++number) {
        EXPECT_TRUE(is_version(kValid[number])) << number << ": " << kValid[number];
    }
}

TEST(SemverTest, RefusesTheOfficialListOfOthers) {
    for (std::size_t number = 0; number < kInvalid.size(); ++number) {
        EXPECT_FALSE(is_version(kInvalid[number])) << number << ": " << kInvalid[number];
    }
}

TEST(SemverTest, RefusesWhatOnlyLooksLikeAVersion) {
    const std::vector<std::string> others{"",
                                          " 1.2.3",
                                          "1.2.3 ",
                                          "1.2.3\n",
                                          "v1.2.3",
                                          "V1.2.3",
                                          "=1.2.3",
                                          "1.2.3-",
                                          "1.2.3+",
                                          "1.2.3-+build",
                                          "1.2.3-a+",
                                          "1..3",
                                          ".1.2.3",
                                          "1.2.",
                                          "1.2.3.",
                                          "1.2.3-a.",
                                          "1.2.3-.a",
                                          "1.2.3+a..b",
                                          "1.2.-3",
                                          "+1.2.3",
                                          "1.2.3-00",
                                          "1.2.3-a.00",
                                          "1.2.3-é",
                                          "1.2.3-a b",
                                          "1.2.3-a@",
                                          "1.2.3-[",
                                          "1.2.3-`",
                                          "1.2.3-{",
                                          "1.2.3-a/b",
                                          "1.2.3-a:b",
                                          "00.0.0",
                                          "0x1.2.3",
                                          "1,2,3",
                                          "1.2.3~a",
                                          "1.2.3+a_b",
                                          "1.2.3+b+c",
                                          "1.2.x",
                                          "1.2.*",
                                          "١.٢.٣",
                                          "1.2.3-01",
                                          "1.2.3-1.01",
                                          "-",
                                          std::string("1.2.3\0", 6),
                                          std::string("1.2\0.3", 6)};
    for (std::size_t number = 0; number < others.size(); ++number) {
        EXPECT_FALSE(is_version(others[number])) << number << ": " << others[number];
    }
}

TEST(SemverTest, RefusesEveryTruncationThatEndsInsideAPart) {
    const std::string whole = "10.20.30-rc.1+build.5";
    const std::vector<std::size_t> versions{7, 8, 10, 11, 13, 15, 16, 17, 18, 19, 21};
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        // A copy of its own size, so that a sanitizer sees a byte read too many.
        const std::vector<char> bytes(whole.begin(), whole.begin() + static_cast<long>(size));
        const bool ends_a_part = std::count(versions.begin(), versions.end(), size) != 0;
        EXPECT_EQ(is_version({bytes.data(), size}), ends_a_part) << size;
    }
}

TEST(SemverTest, BoundsTheText) {
    const std::string head = "1.2.3-";
    EXPECT_TRUE(is_version(head + std::string(kSemverSizeMax - head.size(), 'a')));
    EXPECT_FALSE(is_version(head + std::string(kSemverSizeMax - head.size() + 1, 'a')));
}

TEST(SemverTest, ShowsThePartsAsViews) {
    const std::string text = "1.20.300-rc.1+build.5";
    Semver version;
    ASSERT_TRUE(parse_semver(text, version));
    EXPECT_EQ(version.major, "1");
    EXPECT_EQ(version.minor, "20");
    EXPECT_EQ(version.patch, "300");
    EXPECT_EQ(version.prerelease, "rc.1");
    EXPECT_EQ(version.major.data(), text.data());
    ASSERT_TRUE(parse_semver("1.2.3+only", version));
    EXPECT_EQ(version.prerelease, "") << "nothing may stay from the version before";
}

TEST(SemverTest, OrdersTheExamplesOfSection11) {
    const std::vector<std::string> ascending{"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
                                             "1.0.0-beta",  "1.0.0-beta.2",  "1.0.0-beta.11",
                                             "1.0.0-rc.1",  "1.0.0",         "2.0.0",
                                             "2.1.0",       "2.1.1"};
    for (std::size_t one = 0; one < ascending.size(); ++one) {
        for (std::size_t other = 0; other < ascending.size(); ++other) {
            EXPECT_EQ(order(ascending[one], ascending[other]), one < other   ? -1
                                                               : one > other ? 1
                                                                             : 0)
                << ascending[one] << " and " << ascending[other];
        }
    }
}

TEST(SemverTest, OrdersWhatIsEasilyMistaken) {
    struct Case {
        const char* lower;
        const char* higher;
    };
    const std::vector<Case> cases{
        {"1.9.0", "1.10.0"},  // by value, not by letters
        {"9.0.0", "10.0.0"},
        {"1.2.9", "1.2.10"},
        {"18446744073709551615.0.0", "18446744073709551616.0.0"},
        {"99999999999999999999998.0.0", "99999999999999999999999.0.0"},
        {"1.0.0-9", "1.0.0-10"},
        {"1.0.0-99999999999999999999998", "1.0.0-99999999999999999999999"},
        {"1.0.0-999999999999999999999999", "1.0.0--"},  // numbers before everything else
        {"1.0.0-1", "1.0.0-1a"},
        {"1.0.0-alpha", "1.0.0-alpha.0"},  // more fields are more
        {"1.0.0-Beta", "1.0.0-alpha"},     // ASCII order: capitals first
        {"1.0.0-a.b", "1.0.0-a-b"},        // "a" is a field of its own
        {"1.0.0-rc.1.zeta", "1.0.0-rc.2.alpha"},
        {"1.0.0-rc", "1.0.0"},
        {"1.0.0", "1.0.1-alpha"},
        {"0.9.9", "1.0.0-0"},
    };
    for (std::size_t number = 0; number < cases.size(); ++number) {
        const auto& [lower, higher] = cases[number];
        EXPECT_EQ(order(lower, higher), -1) << number << ": " << lower << " < " << higher;
        EXPECT_EQ(order(higher, lower), 1) << number << ": " << higher << " > " << lower;
    }
    EXPECT_EQ(order("1.0.0+a", "1.0.0+b"), 0);
    EXPECT_EQ(order("1.0.0-rc.1+a", "1.0.0-rc.1"), 0);
    EXPECT_EQ(order("0.0.0-0", "0.0.0-0"), 0);
}

/// A version of few letters and numbers, so that two are often close or alike.
std::string random_version(std::mt19937_64& random) {
    static const std::vector<std::string> kNumbers{"0", "1", "2", "9", "10", "11", "100"};
    static const std::vector<std::string> kWords{"0", "1", "2", "10", "a",
                                                 "b", "A", "-", "a1", "1a"};
    std::string text;
    for (int part = 0; part < 3; ++part) {
        text += (part == 0 ? "" : ".") + kNumbers[random() % (part == 2 ? kNumbers.size() : 2)];
    }
    const std::size_t words = random() % 4;
    for (std::size_t word = 0; word < words; ++word) {
        text += (word == 0 ? "-" : ".") + kWords[random() % kWords.size()];
    }
    return random() % 4 == 0 ? text + "+b.01" : text;
}

/// Section 11 again, with other means: versions as lists that order by themselves.
using Fields = std::vector<std::tuple<int, int, std::string>>;

Fields fields_of(const std::string& version) {
    const std::string text = version.substr(0, version.find('+'));
    const std::size_t hyphen = text.find('-');
    Fields fields;
    const auto add_all = [&](const std::string& list) {
        for (std::size_t from = 0; from <= list.size();) {
            const std::size_t dot = std::min(list.find('.', from), list.size());
            const std::string field = list.substr(from, dot - from);
            const bool is_number = field.find_first_not_of("0123456789") == std::string::npos;
            fields.emplace_back(is_number ? 1 : 2, is_number ? std::stoi(field) : 0,
                                is_number ? "" : field);
            from = dot + 1;
        }
    };
    add_all(text.substr(0, hyphen));
    if (hyphen == std::string::npos) {
        fields.emplace_back(3, 0, "");  // a release: above every field, and above the end
    } else {
        add_all(text.substr(hyphen + 1));
    }
    return fields;
}

TEST(SemverTest, AgreesWithListsThatOrderByThemselves) {
    std::mt19937_64 random(random_seed());
    for (int round = 0; round < 100'000; ++round) {
        const std::string one = random_version(random);
        const std::string other = random_version(random);
        const Fields first = fields_of(one);
        const Fields second = fields_of(other);
        ASSERT_EQ(order(one, other), first < second   ? -1
                                     : second < first ? 1
                                                      : 0)
            << one << " and " << other;
    }
}

TEST(SemverTest, IsAnOrder) {
    std::mt19937_64 random(random_seed());
    for (int round = 0; round < 20'000; ++round) {
        const std::string a = random_version(random);
        const std::string b = random_version(random);
        const std::string c = random_version(random);
        ASSERT_EQ(order(a, a), 0) << a;
        ASSERT_EQ(order(a, b), -order(b, a)) << a << " and " << b;
        if (order(a, b) <= 0 && order(b, c) <= 0) {
            ASSERT_LE(order(a, c), 0) << a << ", " << b << " and " << c;
        }
    }
}

}  // namespace
}  // namespace burgee::test
