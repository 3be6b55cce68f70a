// Promise: an event that passes the door is stored by PostgreSQL, whatever it holds: nothing that
//          was acknowledged is refused later for its bytes.
// Method: events made of everything that is known to trouble one side or the other, drawn by
//          chance; those that event_check lets through go through the real writer into a real
//          server. None may be found to be poison.
#include <burgee/event_wire.hpp>

#include <chrono>
#include <cstring>
#include <limits>
#include <random>

#include "daemon/event_check.hpp"
#include "daemon/event_decode.hpp"
#include "sync/experiment_store.hpp"
#include "sync/metric_writer.hpp"
#include "tests/sync/memory_source.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::test {
namespace {

using namespace std::string_literals;

constexpr Uuid kExperiment{0xE1, 1, 2, 3};

/// Draws events that trouble somebody.
class NastyEvents {
    template <class Choices>
    auto pick(const Choices& choices) {
        return choices[random_() % std::size(choices)];
    }

public:
    NastyEvents(std::uint64_t seed, std::int64_t now_ms) : random_(seed), now_ms_(now_ms) {}

    std::vector<std::byte> draw() {
        EventHeader header{};
        header.experiment_id = kExperiment;
        header.in_experiment = chance(2);
        header.event_class = static_cast<std::uint8_t>(random_() % kEventClassCount);
        header.unit_kind = static_cast<std::uint8_t>(random_() % 4);
        header.value = pick(kValues);
        header.created_unix_ms = now_ms_ + pick(kTimes);
        // Only what the experiment knows counts for it; others are dead letters, and say so.
        const std::string variant = chance(10) ? text() : pick(kVariants);
        const std::string metric = chance(4) ? pick(kMetrics) : text();
        const std::string user = chance(3) ? "" : text();
        const std::string session = chance(3) ? "" : text();
        const bool is_other = header.unit_kind == static_cast<std::uint8_t>(UnitKind::kOther);
        const std::string unit = is_other ? text() : "";
        const std::string metadata = chance(3) ? "" : object(0);
        header.variant_size = size_of(variant);
        header.metric_size = size_of(metric);
        header.user_id_size = size_of(user);
        header.session_id_size = size_of(session);
        header.unit_size = size_of(unit);
        header.metadata_size = size_of(metadata);
        const std::string texts = variant + metric + user + session + unit + metadata;
        header.size_bytes = static_cast<std::uint32_t>((sizeof header + texts.size() + 7) / 8 * 8);
        std::vector<std::byte> bytes(header.size_bytes);
        std::memcpy(bytes.data(), &header, sizeof header);
        std::memcpy(bytes.data() + sizeof header, texts.data(), texts.size());
        return bytes;
    }

private:
    static constexpr double kValues[] = {0.0,
                                         -0.0,
                                         1.0,
                                         5e-324,
                                         -5e-324,
                                         2.2250738585072014e-308,
                                         1e100,
                                         1.0000000000000002e100,
                                         -1e100,
                                         std::numeric_limits<double>::max(),
                                         std::numeric_limits<double>::lowest(),
                                         0.1,
                                         1.0 / 3,
                                         9007199254740993.0,
                                         std::numeric_limits<double>::infinity(),
                                         std::numeric_limits<double>::quiet_NaN()};
    static constexpr std::int64_t kTimes[] = {0,
                                              -daemon::kEventAgeMaxMs,
                                              -daemon::kEventAgeMaxMs - 1,
                                              daemon::kEventAheadMaxMs,
                                              daemon::kEventAheadMaxMs + 1,
                                              -3'000'000'000'000,
                                              9'000'000'000'000'000};
    const std::vector<std::string> kVariants{"control", "new"};
    const std::vector<std::string> kMetrics{"impression", "conversion", "error"};
    /// UTF-8 at its edges and beyond them, and what COPY, JSON and SQL read as something else.
    const std::vector<std::string> kPieces{"a",
                                           "\x01",
                                           "\x1F",
                                           "\x7F",
                                           "\t",
                                           "\n",
                                           "\r",
                                           "\\",
                                           "\\N",
                                           "\\.",
                                           "\"",
                                           "'",
                                           "{",
                                           "}",
                                           ",",
                                           "\0"s,
                                           "\xC2\x80",
                                           "\xDF\xBF",
                                           "\xE0\xA0\x80",
                                           "\xED\x9F\xBF",
                                           "\xEE\x80\x80",
                                           "\xEF\xBF\xBF",
                                           "\xEF\xBB\xBF",
                                           "\xEF\xBF\xBE",
                                           "\xF0\x90\x80\x80",
                                           "\xF0\x9F\x98\x80",
                                           "\xF4\x8F\xBF\xBF",
                                           "\xC0\x80",
                                           "\xE0\x9F\xBF",
                                           "\xED\xA0\x80",
                                           "\xF4\x90\x80\x80",
                                           "\xF0\x8F\xBF\xBF",
                                           "\xCC\x81",
                                           "\xE2\x80\x8F",
                                           "\x80"};
    const std::vector<std::string> kNumbers{
        "0",
        "-0",
        "-0.0",
        "1e9999",
        "-1E+9999",
        "1e-9999",
        "1e10000",
        "1e-10000",
        "1e999999999999",
        "0.1",
        "5e-324",
        "1.7976931348623159e308",
        "01",
        "1.",
        std::string(400, '9'),
        "0." + std::string(400, '0') + "1e-9000",
        std::string(300, '9') + "e9999",
        "-" + std::string(300, '1') + "." + std::string(300, '7')};
    const std::vector<std::string> kStrings{"",
                                            "\\u0000",
                                            "\\u0001",
                                            "\\ud800",
                                            "\\udc00",
                                            "\\ud83d\\ude00",
                                            "\\ude00\\ud83d",
                                            "\\uFFFF",
                                            "\\\\u0000",
                                            "\\/",
                                            "\\b\\f\\n\\r\\t",
                                            "\\\"",
                                            "\\x",
                                            "\x1F",
                                            "burgee.unit"};

    bool chance(unsigned one_in) { return random_() % one_in == 0; }
    static std::uint16_t size_of(const std::string& text) {
        return static_cast<std::uint16_t>(text.size());
    }

    /// Mostly short; sometimes as long as it may be, in characters of four bytes, and one byte
    /// more.
    std::string text() {
        std::string text;
        if (chance(12)) {
            while (text.size() < kEventTextSizeMax) {
                text += "\xF0\x9F\x98\x80";
            }
            return chance(4) ? text + "a" : text;
        }
        for (auto pieces = 1 + random_() % 4; pieces > 0; --pieces) {
            text += chance(2) ? "a" : pick(kPieces);
        }
        return text;
    }

    std::string quoted() { return "\"" + (chance(2) ? pick(kStrings) : text_in_json()) + "\""; }
    std::string text_in_json() {
        const std::string piece = pick(kPieces);
        return piece == "\"" || piece[0] == '\\' ? "q" : piece;
    }
    std::string value(int depth) {
        switch (random_() % 6) {
            case 0:
                return pick(kNumbers);
            case 1:
                return quoted();
            case 2:
                return depth < 6 ? object(depth + 1) : "null";
            case 3:
                return depth < 6 ? "[" + value(depth + 1) + "," + value(depth + 1) + "]" : "true";
            case 4: {
                const auto nesting = daemon::kMetadataDepthMax - 3 + random_() % 5;
                return std::string(nesting, '[') + std::string(nesting, ']');
            }
            default:
                return "false";
        }
    }
    std::string object(int depth) {
        std::string members;
        for (auto left = random_() % 3; left > 0; --left) {
            members += quoted() + ":" + value(depth) + ",";
        }
        return "{" + members + quoted() + ":" + value(depth) + "}";
    }

    std::mt19937_64 random_;
    std::int64_t now_ms_;
};

class IngestStorableTest : public PostgresTest {
protected:
    IngestStorableTest() {
        execute(
            "INSERT INTO public.feature_flags (name, status, rollout_percentage, variants) VALUES"
            " ('model', 'ab_test', 100,"
            "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"new\",\"weight\":50}]');"
            "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date)"
            " SELECT '" +
            sync::to_text(kExperiment) +
            "', id, 'model test', now() - interval '1 day' FROM public.feature_flags");
    }

    const std::int64_t now_ms_ = std::chrono::duration_cast<std::chrono::milliseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count();
    MemorySource source_;
};

TEST_F(IngestStorableTest, WhatPassesTheDoorIsNeverPoison) {
    const std::uint64_t seed = std::random_device{}();
    std::cout << "seed " << seed << '\n';
    NastyEvents nasty(seed, now_ms_);
    constexpr int kDrawn = 40'000;
    std::size_t refused = 0;
    std::uint64_t of_known_variants = 0;
    for (int drawn = 0; drawn < kDrawn; ++drawn) {
        std::vector<std::byte> bytes = nasty.draw();
        const auto checked = daemon::check_events(bytes, 1, now_ms_);
        ASSERT_TRUE(checked.is_well_framed);
        if (checked.kept_count == 0) {
            ++refused;
            continue;
        }
        const auto event = daemon::decode_event(1, bytes);
        ASSERT_TRUE(event);
        of_known_variants += event->variant == "control" || event->variant == "new" ? 1U : 0U;
        source_.add(*event);
    }
    const std::uint64_t kept = source_.events().size();
    EXPECT_GT(kept, kDrawn / 20U) << "the nasty ones hardly get in: nothing is proved";
    EXPECT_GT(refused, kDrawn / 20U) << "they are not nasty";
    sync::MetricWriter writer({.dsn = cluster_.dsn()}, {});
    const Uuid spool{0x50, 0x50};
    ASSERT_EQ(writer.open_cursor(spool, 1).status, sync::WriteStatus::kCommitted);
    std::uint64_t delivered = 0;
    for (std::uint64_t next = 1; next < source_.end_lsn();) {
        const auto report = writer.write({spool, next, source_.end_lsn()}, source_);
        ASSERT_EQ(report.status, sync::WriteStatus::kCommitted) << report.error.message;
        EXPECT_EQ(report.transactions, 1U) << "something was bisected";
        delivered += report.delivered;
        next = report.next_lsn;
    }
    EXPECT_EQ(value("SELECT coalesce(string_agg(DISTINCT left(reason, 40), '; '), '')"
                    " FROM burgee.dead_letter WHERE reason <> 'unknown variant'"),
              "");
    EXPECT_EQ(delivered, of_known_variants);
    EXPECT_EQ(value("SELECT count(*) FROM public.ab_test_metrics"), std::to_string(delivered));
    EXPECT_EQ(value("SELECT count(*) FROM burgee.dead_letter"), std::to_string(kept - delivered));
    std::cout << kept << " of " << kDrawn << " passed and were stored\n";
}

}  // namespace
}  // namespace burgee::test
