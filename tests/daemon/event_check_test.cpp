// Promise: an event that passes the door can be stored by PostgreSQL; one that cannot is refused by
//          itself, and the ones around it stand.
// Method: take a good event, spoil exactly one thing, check again; JSON and UTF-8 by tables.
#include "daemon/event_check.hpp"

#include <limits>
#include <random>

#include "spool_events.hpp"

namespace burgee::test {
namespace {

using daemon::check_events;
using daemon::CheckedEvents;
using daemon::is_storable_json_object;
using daemon::is_storable_text;

constexpr std::int64_t kNowMs = 1'700'000'000'000;

class EventCheckTest : public ::testing::Test {
protected:
    std::vector<std::byte> bytes_ = make_events(1, 1, 1, kNowMs);

    template <class Field>
    void spoil(std::size_t offset, Field value) {
        std::memcpy(bytes_.data() + offset, &value, sizeof value);
    }
    EventHeader header() const {
        EventHeader header{};
        std::memcpy(&header, bytes_.data(), sizeof header);
        return header;
    }
    std::optional<NackReason> refusal() {
        const CheckedEvents checked = check_events(bytes_, 1, kNowMs);
        EXPECT_TRUE(checked.is_well_framed);
        return checked.refused.empty() ? std::nullopt : std::optional(checked.refused[0].reason);
    }
};

TEST_F(EventCheckTest, TakesAGoodEventUnchanged) {
    const auto before = bytes_;
    EXPECT_EQ(refusal(), std::nullopt);
    EXPECT_EQ(bytes_, before);
}

TEST_F(EventCheckTest, RefusesEachFieldOutOfRange) {
    const auto good = bytes_;
    const auto is_refused = [&](std::size_t offset, auto value) {
        bytes_ = good;
        spoil(offset, value);
        return refusal() == NackReason::kInvalid;
    };
    EXPECT_TRUE(is_refused(4, std::uint8_t{4})) << "event_class";
    EXPECT_TRUE(is_refused(5, std::uint8_t{4})) << "unit_kind";
    EXPECT_TRUE(is_refused(5, std::uint8_t{2})) << "a session unit without a session id";
    EXPECT_TRUE(is_refused(5, std::uint8_t{3})) << "another unit without its text";
    EXPECT_TRUE(is_refused(6, std::uint8_t{2})) << "in_experiment";
    EXPECT_TRUE(is_refused(7, std::uint8_t{1})) << "is_automatic, of an ordinary event";
    EXPECT_TRUE(is_refused(7, std::uint8_t{2})) << "is_automatic";
    EXPECT_TRUE(is_refused(28, std::uint16_t{0})) << "empty variant";
    EXPECT_TRUE(is_refused(30, std::uint16_t{200})) << "texts longer than the event";
    EXPECT_TRUE(is_refused(40, std::numeric_limits<double>::quiet_NaN()));
    EXPECT_TRUE(is_refused(40, std::numeric_limits<double>::infinity()));
    EXPECT_TRUE(is_refused(good.size() - 1, std::uint8_t{1})) << "padding";
    EXPECT_TRUE(is_refused(56, std::uint8_t{0})) << "NUL in a text";
    EXPECT_TRUE(is_refused(56, std::uint8_t{0xFF})) << "not UTF-8";
}

TEST_F(EventCheckTest, RefusesToTakeBackAConversionOrAnError) {
    const auto check = [](const std::string& metric, double value) {
        std::vector<std::byte> event = make_events(1, 1, 1, kNowMs);
        EventHeader header{};
        std::memcpy(&header, event.data(), sizeof header);
        header.variant_size = 8;
        header.metric_size = static_cast<std::uint16_t>(metric.size());
        header.value = value;
        header.user_id_size = 4;
        const std::string texts = "variant1" + metric + "user";
        event.assign((sizeof header + texts.size() + 7) / 8 * 8, std::byte{0});
        header.size_bytes = static_cast<std::uint32_t>(event.size());
        std::memcpy(event.data(), &header, sizeof header);
        std::memcpy(event.data() + sizeof header, texts.data(), texts.size());
        return check_events(event, 1, kNowMs);
    };
    for (const std::string metric : {"conversion", "error"}) {
        EXPECT_EQ(check(metric, 1).kept_count, 1U) << metric;
        EXPECT_EQ(check(metric, 0).kept_count, 1U) << metric << ": it did not happen";
        EXPECT_EQ(check(metric, -0.0).kept_count, 1U) << metric;
        const CheckedEvents checked = check(metric, -1);
        ASSERT_EQ(checked.refused.size(), 1U) << metric;
        EXPECT_EQ(checked.refused[0].reason, NackReason::kInvalid);
        EXPECT_EQ(checked.refused[0].why, "a conversion or an error below 0");
    }
    EXPECT_EQ(check("revenue", -1).kept_count, 1U) << "a refund";
}

TEST_F(EventCheckTest, TakesAnAutomaticExposureOnlyAsEvaluateTellsIt) {
    bytes_.clear();
    append_exposure(&bytes_, {}, kNowMs);
    const auto good = bytes_;
    EXPECT_EQ(refusal(), std::nullopt);
    const auto is_refused = [&](std::size_t offset, auto value) {
        bytes_ = good;
        spoil(offset, value);
        return refusal() == NackReason::kInvalid;
    };
    EXPECT_TRUE(is_refused(4, std::uint8_t{0})) << "event_class";
    EXPECT_TRUE(is_refused(5, std::uint8_t{0})) << "no unit";
    EXPECT_TRUE(is_refused(6, std::uint8_t{0})) << "in_experiment: by hand";
    EXPECT_TRUE(is_refused(24, std::uint32_t{0})) << "phase: whichever is current";
    EXPECT_TRUE(is_refused(40, 2.0)) << "value";
    EXPECT_TRUE(is_refused(56 + 7, 'I')) << "metric";
    bytes_ = good;
    spoil(7, std::uint8_t{0});
    spoil(40, 2.0);
    EXPECT_EQ(refusal(), std::nullopt) << "what a caller tracks may be anything";
}

TEST_F(EventCheckTest, NamesWhatIsTooBig) {
    spoil(28, std::uint16_t{513});
    EXPECT_EQ(refusal(), NackReason::kTooBig);
}

TEST_F(EventCheckTest, ClampsTimesAndCountsThem) {
    const std::int64_t oldest = kNowMs - daemon::kEventAgeMaxMs;
    const std::int64_t newest = kNowMs + daemon::kEventAheadMaxMs;
    const std::pair<std::int64_t, std::int64_t> cases[] = {
        {oldest, oldest},
        {oldest - 1, oldest},
        {newest, newest},
        {newest + 1, newest},
        {std::numeric_limits<std::int64_t>::max(), newest},
        {std::numeric_limits<std::int64_t>::min(), oldest}};
    for (const auto& [given, stored] : cases) {
        spoil(32, given);
        const CheckedEvents checked = check_events(bytes_, 1, kNowMs);
        EXPECT_EQ(checked.kept_count, 1U);
        EXPECT_EQ(checked.clamped_count, given == stored ? 0U : 1U);
        EXPECT_EQ(header().created_unix_ms, stored);
    }
}

TEST_F(EventCheckTest, KeepsTheGoodOnesTogether) {
    bytes_ = make_events(1, 1, 5, kNowMs);
    const std::size_t size = bytes_.size() / 5;
    spoil(size + 7, std::uint8_t{1});
    spoil(3 * size + 28, std::uint16_t{600});
    const CheckedEvents checked = check_events(bytes_, 5, kNowMs);
    ASSERT_EQ(checked.refused.size(), 2U);
    EXPECT_EQ(checked.refused[0].index, 1U);
    EXPECT_EQ(checked.refused[1].index, 3U);
    EXPECT_EQ(checked.kept_count, 3U);
    ASSERT_EQ(checked.kept_size_bytes, 3 * size);
    for (const std::size_t index : {0U, 1U, 2U}) {
        EXPECT_EQ(event_number(std::span(bytes_).subspan(index * size, size)),
                  1'000'000'001 + 2 * index);
    }
}

TEST_F(EventCheckTest, SeesWhenSizesDoNotAddUp) {
    bytes_ = make_events(1, 1, 2, kNowMs);
    EXPECT_FALSE(check_events(bytes_, 1, kNowMs).is_well_framed) << "bytes left over";
    EXPECT_FALSE(check_events(bytes_, 3, kNowMs).is_well_framed) << "an event too few";
    for (const std::uint32_t size : {0U, 8U, 55U, 57U, 100'000U}) {
        spoil(0, size);
        EXPECT_FALSE(check_events(bytes_, 2, kNowMs).is_well_framed) << size;
    }
}

TEST_F(EventCheckTest, StaysInsideRandomBytes) {
    const std::uint64_t seed = std::random_device{}();
    std::cout << "seed " << seed << '\n';
    std::mt19937_64 random(seed);
    for (int round = 0; round < 20'000; ++round) {
        auto bytes = make_events(1, 1, 3, kNowMs);
        for (std::uint64_t flips = 1 + random() % 8; flips > 0; --flips) {
            bytes[random() % bytes.size()] = static_cast<std::byte>(random());
        }
        const CheckedEvents checked = check_events(bytes, 3, kNowMs);
        ASSERT_LE(checked.kept_size_bytes, bytes.size());
        ASSERT_LE(checked.kept_count + checked.refused.size(), 3U);
    }
}

TEST(StorableTextTest, IsStrictUtf8WithoutNul) {
    for (const char* good : {"", "abc", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                             "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
        EXPECT_TRUE(is_storable_text(good)) << good;
    }
    for (const char* bad : {"\x80", "\xC0\xAF", "\xC1\xBF", "\xC3", "\xE2\x82", "\xE0\x80\x80",
                            "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5", "\xFF",
                            "a\xC3(", "\xE2\x28\xA1", "\xF0\x9F\x98"}) {
        EXPECT_FALSE(is_storable_text(bad)) << ::testing::PrintToString(std::string(bad));
    }
    EXPECT_FALSE(is_storable_text(std::string_view("a\0b", 3)));
}

TEST(StorableJsonTest, TakesWhatJsonbTakes) {
    for (const char* good :
         {"{}", " {\"a\" : 1 } ", R"({"a":[1,-2.5e3,true,false,null,"x"],"b":{"c":{}}})",
          R"({"a":"\u00e9\ud83d\ude00\n\"\\\/"})", "{\"a\":0}", "{\"a\":-0.0}", "{\"a\":1E+9999}",
          "{\"a\":1e-9999}", "{\"a\":[],\"a\":[[]]}"}) {
        EXPECT_TRUE(is_storable_json_object(good)) << good;
    }
}

TEST(StorableJsonTest, RefusesEverythingElse) {
    for (const char* bad : {"",
                            "[]",
                            "1",
                            "null",
                            "{",
                            "}",
                            "{}x",
                            "{} {}",
                            "{a:1}",
                            "{'a':1}",
                            "{\"a\"}",
                            "{\"a\":}",
                            "{\"a\":1,}",
                            "{,}",
                            "{\"a\":[1,]}",
                            "{\"a\":01}",
                            "{\"a\":1.}",
                            "{\"a\":.5}",
                            "{\"a\":+1}",
                            "{\"a\":1e}",
                            "{\"a\":1e99999}",
                            "{\"a\":1e-10000}",
                            "{\"a\":NaN}",
                            "{\"a\":Infinity}",
                            "{\"a\":tru}",
                            "{\"a\":\"\t\"}",
                            R"({"a":"\u0000"})",
                            R"({"a":"\ud800"})",
                            R"({"a":"\ud800x"})",
                            R"({"a":"\udc00"})",
                            R"({"a":"\ud800\ud800"})",
                            R"({"a":"\x"})",
                            R"({"a":"\u12g4"})",
                            R"({"a":"\u12)",
                            "{\"a\":\"",
                            "{\"\\u0000\":1}",
                            "{\"a\":\"\xED\xA0\x80\"}",
                            "{\"a\" \"b\"}",
                            "\v{}"}) {
        EXPECT_FALSE(is_storable_json_object(bad)) << bad;
    }
    const auto nested = [](int depth) {
        return "{\"a\":" + std::string(static_cast<std::size_t>(depth - 1), '[') +
               std::string(static_cast<std::size_t>(depth - 1), ']') + "}";
    };
    EXPECT_TRUE(is_storable_json_object(nested(daemon::kMetadataDepthMax)));
    EXPECT_FALSE(is_storable_json_object(nested(daemon::kMetadataDepthMax + 1)));
}

}  // namespace
}  // namespace burgee::test
