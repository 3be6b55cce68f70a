// Promise: a flag, written as people write it, answers what the order of rules says, on the whole
// way from its row to the answer. Method: the numbered cases of targeting.json; every row is
// checked, compiled and asked in every way.

#include <burgee/date_time.hpp>
#include <burgee/reason.hpp>

#include <set>

#include "tests/clientlib/golden_cases.hpp"
#include "tests/clientlib/written_flags.hpp"

namespace burgee::test {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

std::int64_t instant_of(const std::string& text) {
    std::int64_t unix_ms = 0;
    EXPECT_TRUE(parse_rfc3339(text, unix_ms)) << text;
    return unix_ms;
}

std::vector<LayerMembership> layers_from(element row) {
    std::vector<LayerMembership> layers;
    array owned;
    if (row["layer_slots"].get(owned) == simdjson::SUCCESS) {
        for (const element layer : owned) {
            LayerMembership& membership = layers.emplace_back();
            membership.name = text_of(layer["layer"]);
            for (const element range : layer["slots"].get_array()) {
                membership.slots.push_back(
                    {static_cast<std::uint16_t>(std::uint64_t(range.at(0))),
                     static_cast<std::uint16_t>(std::uint64_t(range.at(1)))});
            }
        }
    }
    return layers;
}

sync::RawFlag flag_from(element row) {
    sync::RawFlag flag = written_flag(
        text_of(row["name"]), text_of(row["status"]), simdjson::minify(row["rollout_percentage"]),
        simdjson::minify(row["segments"]), simdjson::minify(row["variants"]));
    std::string_view expires_at;
    if (row["expires_at"].get(expires_at) == simdjson::SUCCESS) {
        flag.expires_unix_ms = instant_of(std::string(expires_at));
    }
    flag.layers = layers_from(row);
    flag.has_named_layer = true;
    return flag;
}

WrittenFlags written_in(element row, std::int64_t now_unix_ms) {
    WrittenFlags written;
    written.now_unix_ms = now_unix_ms;
    if (!row["row"].is_null()) {
        written.rows.push_back(flag_from(row["row"]));
    }
    array items;
    if (row["flags"].get(items) == simdjson::SUCCESS) {
        for (const element flag : items) {
            written.rows.push_back(flag_from(flag));
        }
    }
    if (row["segments"].get(items) == simdjson::SUCCESS) {
        for (const element segment : items) {
            written.segments.emplace_back(text_of(segment["name"]),
                                          simdjson::minify(segment["constraints"]));
        }
    }
    std::string_view text;
    written.settings.is_canary_off =
        row["settings"]["legacy_canary"].get(text) == simdjson::SUCCESS && text == "off";
    if (row["settings"]["default_bucketing"].get(text) == simdjson::SUCCESS &&
        text == "legacy_md5") {
        written.settings.default_bucketing = Bucketing::kLegacyMd5;
    }
    return written;
}

TEST(TargetingCasesTest, EveryRowOfTheOrderDecidesInItsTurn) {
    const GoldenFile golden("targeting.json", "burgee-targeting/1");
    const std::int64_t now_unix_ms = instant_of(golden.text("now"));
    std::set<std::uint64_t> numbers;
    std::set<Reason> reasons;
    for (const element row : golden.cases("cases")) {
        SCOPED_TRACE(title_of(row));
        EXPECT_TRUE(numbers.insert(std::uint64_t(row["number"])).second);
        const PublishedFlags flags(written_in(row, now_unix_ms));
        const Answer answer = flags.ask("f", context_from(row["context"]));
        const element expected = row["expect"];
        EXPECT_EQ(answer.is_enabled, bool(expected["enabled"])) << flags.problems();
        EXPECT_EQ(to_string(answer.reason), text_of(expected["reason"])) << flags.problems();
        EXPECT_EQ(answer.in_experiment, bool(expected["in_experiment"]));
        const std::string variant = text_of(expected["variant"]);
        if (variant == "*") {
            EXPECT_NE(answer.variant, 0U);
        } else {
            EXPECT_EQ(flags.variant_of(answer), variant);
        }
        reasons.insert(answer.reason);
    }
    EXPECT_GE(numbers.size(), 270U);
    EXPECT_EQ(reasons.size(), kReasonCount - 1U) << "all but NOT_READY";
}

}  // namespace
}  // namespace burgee::test
