#include "tests/stats/reference_case.hpp"

#include <algorithm>
#include <cmath>

namespace burgee::test {

std::vector<Json> items_of(Json array) {
    const simdjson::dom::array items = array.get_array().value();
    std::vector<Json> all;
    for (const Json item : items) {
        all.push_back(item);
    }
    return all;
}

stats::RateCounts ReferenceCase::counts(const char* path) const {
    const Json variant = input(path);
    return {.exposed = variant["n"].get_uint64().value(),
            .converted = variant["x"].get_uint64().value()};
}

stats::Moments ReferenceCase::moments(const char* path) const {
    const Json variant = input(path);
    const std::uint64_t units = variant["n"].get_uint64().value();
    return {.unit_count = units,
            .mean = variant["mean"].get_double().value(),
            .centred_square = variant["var"].get_double().value() * static_cast<double>(units - 1)};
}

std::vector<double> ReferenceCase::numbers(const char* path) const {
    std::vector<double> all;
    for (const Json item : items_of(input(path))) {
        all.push_back(item.get_double().value());
    }
    return all;
}

void ReferenceCase::expect(const char* field, std::optional<double> got) const {
    const Json expected = json_["expected"][field].value();
    EXPECT_TRUE(passes(field, expected, got))
        << id() << "." << field << ": expected " << simdjson::minify(expected) << ", got "
        << (got ? ::testing::PrintToString(*got) : "nothing");
}

void ReferenceCase::expect_numbers(const char* field, const std::vector<double>& got) const {
    const std::vector<Json> expected = items_of(json_["expected"][field].value());
    ASSERT_EQ(expected.size(), got.size()) << id() << "." << field;
    std::size_t index = 0;
    for (const Json item : expected) {
        EXPECT_TRUE(passes(field, item, got[index]))
            << id() << "." << field << "[" << index << "]: expected " << simdjson::minify(item)
            << ", got " << got[index];
        ++index;
    }
}

void ReferenceCase::expect_interval(const char* field, const stats::Interval& got) const {
    const Json expected = json_["expected"][field].value();
    EXPECT_TRUE(passes(field, expected["lower"].value(), got.lower)) << id() << "." << field;
    EXPECT_TRUE(passes(field, expected["upper"].value(), got.upper)) << id() << "." << field;
}

std::string ReferenceCase::expected_text(const char* field) const {
    return std::string(json_["expected"][field].get_string().value());
}

bool ReferenceCase::expected_truth(const char* field) const {
    return json_["expected"][field].get_bool().value();
}

double ReferenceCase::tolerance(const std::string& field, double expected) const {
    double relative = json_["tolerance"]["rel"].get_double().value();
    double override_value = 0;
    if (json_["tolerance"]["fields"][field]["rel"].get(override_value) == simdjson::SUCCESS) {
        relative = override_value;
    }
    const double absolute = json_["tolerance"]["abs"].get_double().value();
    return std::max(relative * std::abs(expected), absolute);
}

bool ReferenceCase::is_accepted(const std::string& field, std::optional<double> got) const {
    simdjson::dom::array accepted;
    if (json_["accept"][field].get(accepted) != simdjson::SUCCESS) {
        return false;
    }
    return std::any_of(accepted.begin(), accepted.end(), [&](Json value) {
        return value.is_null() ? !got : got && value.get_double().value() == *got;
    });
}

bool ReferenceCase::passes(const std::string& field, Json expected,
                           std::optional<double> got) const {
    if (is_accepted(field, got)) {
        return true;
    }
    if (expected.is_null() || !got) {
        return expected.is_null() && !got;
    }
    const double value = expected.get_double().value();
    return std::isfinite(*got) && std::abs(*got - value) <= tolerance(field, value);
}

const std::vector<ReferenceCase>& reference_cases() {
    static simdjson::dom::parser parser;
    static const std::vector<ReferenceCase> all = [] {
        std::vector<ReferenceCase> cases;
        for (const Json item : items_of(parser.load(BURGEE_STATS_CASES)["cases"].value())) {
            cases.emplace_back(item);
        }
        return cases;
    }();
    return all;
}

std::vector<ReferenceCase> reference_cases(const std::string& method) {
    std::vector<ReferenceCase> chosen;
    for (const ReferenceCase& reference : reference_cases()) {
        if (reference.method() == method) {
            chosen.push_back(reference);
        }
    }
    EXPECT_FALSE(chosen.empty()) << "no reference cases for " << method;
    return chosen;
}

}  // namespace burgee::test
