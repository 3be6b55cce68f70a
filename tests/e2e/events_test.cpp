// Promise: what a service tracked is in PostgreSQL once, and the results say what happened.
// Method: the real client tracks, burgeed spools and uploads, SQL and `burgee results` are asked.
#include <burgee/client.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <random>

#include "tests/e2e/host.hpp"
#include "tests/fault/event_load.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class EventsTest : public ::testing::Test {
protected:
    void SetUp() override {
        create_load_flags(host_.postgres());
        host_.start_daemon();
    }

    std::uint64_t number(const std::string& sql) {
        return std::stoull(host_.postgres().value(sql));
    }

    bool stored(std::uint64_t rows) {
        return wait_until(
            [&] { return number("SELECT count(*) FROM public.ab_test_metrics") >= rows; },
            seconds(60));
    }

    /// A figure of the accounting in status.json; 0 while there is none.
    std::uint64_t account(const std::string& name) {
        const std::string json = read_file(host_.run_directory() + "/status.json");
        const std::string key = '"' + name + "\": ";
        const std::size_t found = json.find(key, std::min(json.find("\"accounting\""), json.size()));
        return found == std::string::npos ? 0 : std::stoull(json.substr(found + key.size()));
    }

    /// Waits until `name` is `value` in status.json and every event is in one place. The files are
    /// replaced while they are read, so figures of two seconds may mix: asked until they agree.
    bool accounts_for_all(const std::string& name, std::uint64_t value) {
        return wait_until(
            [&] {
                return account(name) == value &&
                       account("recovered") + account("accepted") ==
                           account("delivered") + account("dead_letter") + account("in_spool") +
                               account("counted_lost");
            },
            seconds(30));
    }

    Host host_;
};

TEST_F(EventsTest, TrackedEventsBecomeResults) {
    Client client(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(wait_until([&] { return client.generation() > 0; }, seconds(20)));
    constexpr int kUsers = 400;
    for (int i = 0; i < kUsers; ++i) {
        const std::string id = "user-" + std::to_string(i);
        const Context user{{"user_id", id}};
        const Evaluation answer = client.evaluate("load", user);
        ASSERT_TRUE(answer.enabled());
        EXPECT_TRUE(client.track(answer, "impression", 1, user));
        const int one_in = answer.variant() == "treatment" ? 2 : 8;
        if (i % one_in == 0) {
            EXPECT_TRUE(client.track(answer, "conversion", 1, user, R"({"source":"test"})"));
        }
        { const auto timer = client.time(answer, "response_time_ms", user); }
    }
    ASSERT_TRUE(client.flush(seconds(30)).complete);
    const EventCounters counters = client.counters();
    ASSERT_TRUE(stored(counters.acknowledged)) << host_.daemon_log();
    EXPECT_EQ(number("SELECT count(*) FROM public.ab_test_metrics"), counters.acknowledged);
    EXPECT_EQ(number("SELECT count(*) FROM public.ab_test_metrics WHERE metadata = "
                     "'{\"source\":\"test\"}'"),
              number("SELECT count(*) FROM public.ab_test_metrics WHERE metric_type = 'conversion'"));
    const std::string json = host_.burgee_ok({"results", "load", "-o", "json"});
    EXPECT_THAT(json, HasSubstr("\"treatment_conversion_rate\""));
    EXPECT_THAT(json, HasSubstr("\"confidence_interval_95\""));
    EXPECT_THAT(host_.burgee_ok({"results", "load"}), HasSubstr("conversion"));
    EXPECT_TRUE(accounts_for_all("delivered", counters.acknowledged));
    EXPECT_EQ(account("accepted"), counters.acknowledged);
    EXPECT_EQ(account("in_spool"), 0U);
}

TEST_F(EventsTest, EveryEventIsAccountedForWhateverHappens) {
    Client client(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(wait_until([&] { return client.generation() > 0; }, seconds(20)));
    const Context user{{"user_id", "u"}};
    const auto track = [&](int count) {
        for (int i = 0; i < count; ++i) {
            EXPECT_TRUE(client.track(client.evaluate("load", user), "impression", 1, user));
        }
        EXPECT_TRUE(client.track(ExperimentRef("99999999-2222-3333-4444-555555555555", "control"),
                                 "impression", 1, user));
        ASSERT_TRUE(client.flush(seconds(30)).complete);
    };
    track(10);
    EXPECT_TRUE(accounts_for_all("dead_letter", 1));
    EXPECT_TRUE(accounts_for_all("delivered", 10));
    host_.postgres().stop();
    track(5);
    EXPECT_TRUE(accounts_for_all("in_spool", 6)) << "events wait";
    EXPECT_EQ(host_.stop_daemon(), 0);
    host_.start_daemon();
    EXPECT_TRUE(accounts_for_all("accepted", 0)) << "nothing new, all that is kept is recovered";
    EXPECT_GE(account("in_spool"), 6U);
    host_.postgres().start();
    EXPECT_TRUE(accounts_for_all("delivered", 5)) << host_.daemon_log();
    EXPECT_TRUE(accounts_for_all("recovered", 6)) << "the database had the others";
    track(3);
    EXPECT_TRUE(accounts_for_all("delivered", 8));
    EXPECT_TRUE(accounts_for_all("dead_letter", 2));
    EXPECT_EQ(account("in_spool"), 0U);
}

TEST_F(EventsTest, WhatPostgresCannotPlaceIsDeadLetteredAndHarmsNobody) {
    Client client(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(wait_until([&] { return client.generation() > 0; }, seconds(20)));
    const Context user{{"user_id", "u"}};
    EXPECT_TRUE(client.track(ExperimentRef("99999999-2222-3333-4444-555555555555", "control"),
                             "impression", 1, user));
    EXPECT_TRUE(client.track(ExperimentRef("11111111-2222-3333-4444-555555555555", "nobody"),
                             "impression", 1, user));
    EXPECT_TRUE(client.track(client.evaluate("load", user), "impression", 1, user));
    EXPECT_FALSE(client.track(client.evaluate("load", user), "impression",
                              std::numeric_limits<double>::quiet_NaN(), user));
    EXPECT_FALSE(client.track(client.evaluate("load", user), "impression", 1, user,
                              std::string(1 << 20, 'x')));
    ASSERT_TRUE(client.flush(seconds(30)).complete);
    ASSERT_TRUE(stored(1)) << host_.daemon_log();
    EXPECT_TRUE(wait_until([&] { return number("SELECT count(*) FROM burgee.dead_letter") == 2; },
                           seconds(20)));
    EXPECT_EQ(number("SELECT count(*) FROM public.ab_test_metrics"), 1U);
}

TEST_F(EventsTest, GarbageOnTheSocketHarmsNobody) {
    std::mt19937_64 random(seed_of_run());
    EventLoad load(host_.run_directory(), {});
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (host_.run_directory() + "/events.sock")
        .copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    for (int attempt = 0; attempt < 300; ++attempt) {
        const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        std::string frame(random() % 2'000 + 1, '\0');
        for (char& byte : frame) {
            byte = static_cast<char>(random());
        }
        if (attempt % 2 == 0) {  // gets past the first look
            const FrameHeader header{kFrameMagic, static_cast<std::uint16_t>(random() % 7),
                                     kProtocolVersion, static_cast<std::uint32_t>(frame.size()), 0};
            frame.replace(0, std::min(frame.size(), sizeof header),
                          reinterpret_cast<const char*>(&header),
                          std::min(frame.size(), sizeof header));
        }
        (void)::send(fd, frame.data(), frame.size(), MSG_NOSIGNAL);
        ::close(fd);
    }
    ASSERT_TRUE(wait_until([&] { return load.client().counters().acknowledged > 1'000; },
                           seconds(30)));
    load.stop();
    ASSERT_TRUE(load.client().flush(seconds(30)).complete);
    EXPECT_TRUE(host_.has_daemon());
    const EventCounters counters = load.client().counters();
    EXPECT_EQ(total(counters.lost) + total(counters.refused), 0U);
    ASSERT_TRUE(stored(counters.acknowledged));
    EXPECT_EQ(stored_events(host_.postgres()).distinct_values, counters.acknowledged);
}

TEST_F(EventsTest, ACleanRestartLosesNothing) {
    EventLoad load(host_.run_directory(), {});
    for (int restart = 0; restart < 5; ++restart) {
        const std::uint64_t before = load.client().counters().acknowledged;
        ASSERT_TRUE(wait_until(
            [&] { return load.client().counters().acknowledged > before + 500; }, seconds(30)))
            << host_.daemon_log();
        ASSERT_EQ(host_.stop_daemon(), 0);
        host_.start_daemon();
    }
    load.stop();
    ASSERT_TRUE(load.client().flush(seconds(30)).complete);
    const EventCounters counters = load.client().counters();
    EXPECT_EQ(counters.acknowledged, counters.accepted);
    ASSERT_TRUE(stored(counters.acknowledged));
    EXPECT_EQ(stored_events(host_.postgres()).rows, counters.acknowledged);
    EXPECT_EQ(stored_events(host_.postgres()).distinct_values, counters.acknowledged);
    EXPECT_EQ(load.failed_lookups(), 0U);
}

}  // namespace
}  // namespace burgee::test
