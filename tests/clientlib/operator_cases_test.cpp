// Promise: every operator answers what docs/vectors.md says, wherever its constraint stands.
// Method: the numbered cases of operators.json, each written as people write it: as the audience of
// an enabled flag, as a rule's constraint, and inside a named segment.

#include <burgee/reason.hpp>

#include <limits>
#include <map>

#include "tests/clientlib/golden_cases.hpp"
#include "tests/clientlib/written_flags.hpp"

namespace burgee::test {
namespace {

using simdjson::dom::element;

/// The constraint on the attribute "a" as it would stand in `segments`.
std::string constraint_of(element row) {
    std::string json = R"({"attribute": "a", "operator": )" + simdjson::minify(row["operator"]);
    for (const char* key : {"values", "value", "case_insensitive", "inverted"}) {
        element value;
        if (row[key].get(value) == simdjson::SUCCESS) {
            json += ", \"" + std::string(key) + "\": " + simdjson::minify(value);
        }
    }
    return json + "}";
}

double double_from(element value) {
    static const std::map<std::string, double> kNamed{
        {"NaN", std::numeric_limits<double>::quiet_NaN()},
        {"Infinity", std::numeric_limits<double>::infinity()},
        {"-Infinity", -std::numeric_limits<double>::infinity()}};
    return value.is_string() ? kNamed.at(text_of(value)) : double(value);
}

Context context_of(element attribute) {
    Context context;
    if (attribute.is_null()) {
        return context;
    }
    const std::string type = text_of(attribute["type"]);
    const element value = attribute["value"];
    if (type == "string") {
        context.set("a", std::string_view(value));
    } else if (type == "boolean") {
        context.set("a", bool(value));
    } else if (type == "double") {
        context.set("a", double_from(value));
    } else if (value.is_uint64()) {
        context.set("a", std::uint64_t(value));
    } else {
        context.set("a", std::int64_t(value));
    }
    return context;
}

TEST(OperatorCasesTest, EveryCaseHoldsInAudienceRuleAndSegment) {
    const GoldenFile golden("operators.json", "burgee-operators/1");
    std::size_t count = 0;
    for (const element row : golden.cases("cases")) {
        SCOPED_TRACE(title_of(row));
        ++count;
        const std::string constraint = constraint_of(row);
        WrittenFlags written;
        written.add_enabled("audience", R"({"audience": [)" + constraint + "]}");
        written.add_enabled("rule", R"({"rules": [{"constraints": [)" + constraint +
                                        R"(], "serve": {"enabled": true}}]})");
        written.add_enabled("segment", R"({"audience": [{"segment": "s"}]})");
        written.add_enabled("not", R"({"audience": [{"not": )" + constraint + "}]}");
        written.segments.emplace_back("s", "[" + constraint + "]");
        const PublishedFlags flags(written);
        const Context context = context_of(row["attribute"]);
        const bool holds = row["expect"];
        const auto expect = [&](const char* flag, bool is_on, Reason reason) {
            const Answer answer = flags.ask(flag, context);
            EXPECT_EQ(answer.is_enabled, is_on) << flag << ": " << flags.problems();
            EXPECT_EQ(to_string(answer.reason), to_string(reason)) << flag;
        };
        const Reason in_or_out = holds ? Reason::kStatic : Reason::kOutOfAudience;
        expect("audience", holds, in_or_out);
        expect("segment", holds, in_or_out);
        expect("rule", true, holds ? Reason::kRuleMatch : Reason::kStatic);
        expect("not", !holds, holds ? Reason::kOutOfAudience : Reason::kStatic);
    }
    EXPECT_GE(count, 367U);
}

}  // namespace
}  // namespace burgee::test
