#pragma once

// One case of tests/golden/stats_cases.json, and the rule by which a number passes.

#include <simdjson.h>

#include <optional>
#include <string>
#include <vector>

#include "stats/moments.hpp"
#include "stats/proportion_interval.hpp"

namespace burgee::test {

using Json = simdjson::dom::element;

/// The elements of a JSON array; fails hard if it is none.
std::vector<Json> items_of(Json array);

/// A case; valid while the ReferenceCases it came from lives.
class ReferenceCase {
public:
    explicit ReferenceCase(Json json) : json_(json) {}

    std::string id() const { return std::string(text("id")); }
    std::string method() const { return std::string(text("method")); }
    Json input(const char* path) const { return json_["inputs"].at_pointer(path).value(); }
    bool has_input(const char* path) const {
        return json_["inputs"].at_pointer(path).error() == simdjson::SUCCESS;
    }
    double number(const char* path) const { return input(path).get_double().value(); }
    double alpha() const { return has_input("/alpha") ? number("/alpha") : 0.05; }
    /// {"x", "n"} of one variant.
    stats::RateCounts counts(const char* path) const;
    /// {"mean", "var", "n"} of one variant.
    stats::Moments moments(const char* path) const;
    std::vector<double> numbers(const char* path) const;

    /// Fails the test unless `got` passes for `field` of "expected", or is one of "accept".
    void expect(const char* field, std::optional<double> got) const;
    void expect_numbers(const char* field, const std::vector<double>& got) const;
    /// "lower" and "upper" of an object, at the case's general tolerance.
    void expect_interval(const char* field, const stats::Interval& got) const;
    std::string expected_text(const char* field) const;
    bool expected_truth(const char* field) const;

private:
    std::string_view text(const char* key) const { return json_[key].get_string().value(); }
    double tolerance(const std::string& field, double expected) const;
    bool is_accepted(const std::string& field, std::optional<double> got) const;
    bool passes(const std::string& field, Json expected, std::optional<double> got) const;

    Json json_;
};

/// All cases of the file, read once.
const std::vector<ReferenceCase>& reference_cases();

/// The cases of one method; fails the test if there are none.
std::vector<ReferenceCase> reference_cases(const std::string& method);

}  // namespace burgee::test
