// Promise: with the option, evaluate() tells once a process that a unit met its variant, and tells
// again what was not taken or was lost. Without it, or without an experiment, it tells nothing.
// Method: real snapshots, the real client, and a peer on a real socket that keeps what it hears.

#include <burgee/client.hpp>
#include <burgee/event_view.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "tests/clientlib/event_peer.hpp"
#include "tests/clientlib/published_directory.hpp"
#include "tests/support/sanitizers.hpp"

namespace burgee::test {
namespace {

using namespace std::chrono_literals;

class ExposureTest : public ::testing::Test {
protected:
    PublishedDirectory published_;
    EventPeer peer_{published_.path()};

    ExposureTest() { publish(1); }

    void publish(std::uint32_t phase, std::vector<std::string> include = {}) {
        FlagDefinition flag = ab_test_of("f");
        flag.include = std::move(include);
        ExperimentDefinition experiment = experiment_on("f");
        experiment.phase = phase;
        published_.publish({flag, ab_test_of("without experiment")}, {experiment});
    }
    std::unique_ptr<Client> client(Exposure exposure = Exposure::kAutomatic) const {
        ClientOptions options = published_.options();
        options.exposure = exposure;
        return std::make_unique<Client>(options);
    }
    /// Evaluates "f" for users [first, end), `times` times.
    static void evaluate(const Client& client, int first, int end, int times = 1) {
        for (int user = first; user < end; ++user) {
            for (int time = 0; time < times; ++time) {
                EXPECT_TRUE(client.evaluate("f", Context{{"user_id", user}}).enabled());
            }
        }
    }
    /// Everything the peer stored: how often each (phase, variant, user) came; automatic or not.
    std::map<std::string, int> heard(bool is_automatic = true) const {
        std::map<std::string, int> counts;
        for (const auto& [id, session] : peer_.sessions()) {
            for (const Bytes& event : session.events) {
                EventView view;
                EXPECT_TRUE(read_event(event.data(), event.size(), view));
                if ((view.header.is_automatic != 0) != is_automatic) {
                    continue;
                }
                ++counts[std::to_string(view.header.phase) + ' ' + std::string(view.variant) + ' ' +
                         std::string(view.user_id)];
                if (is_automatic) {
                    EXPECT_EQ(view.metric, "impression");
                    EXPECT_EQ(view.header.event_class,
                              static_cast<std::uint8_t>(EventClass::kExposure));
                    EXPECT_EQ(view.header.value, 1);
                    EXPECT_EQ(view.header.in_experiment, 1);
                }
            }
        }
        return counts;
    }
    static void expect_once_each(const std::map<std::string, int>& counts, std::size_t size) {
        EXPECT_EQ(counts.size(), size);
        for (const auto& [exposure, count] : counts) {
            EXPECT_EQ(count, 1) << exposure;
        }
    }
    void TearDown() override {
        for (const std::string& complaint : peer_.complaints()) {
            ADD_FAILURE() << "the peer received " << complaint;
        }
    }
};

TEST_F(ExposureTest, TellsEachUnitsVariantOnce) {
    const auto client = this->client();
    evaluate(*client, 0, 50, 3);
    ASSERT_TRUE(client->flush(20s).complete);
    expect_once_each(heard(), 50);
    const Context user{{"user_id", 7}};
    const Evaluation answer = client->evaluate("f", user);
    EXPECT_EQ(heard().count("1 " + std::string(answer.variant()) + " 7"), 1U);
    EXPECT_EQ(client->counters().offered, 50U) << "a repeated one is not even offered";
    expect_identities(client->counters());
}

TEST_F(ExposureTest, TellsNothingUnlessThereIsSomethingToTell) {
    const auto manual = client(Exposure::kManual);
    evaluate(*manual, 0, 5);
    EXPECT_EQ(manual->counters().offered, 0U) << "not asked for";
    publish(1, {"3"});
    const auto client = this->client();
    const Context user{{"user_id", 1}};
    EXPECT_TRUE(client->is_enabled("f", user));
    EXPECT_TRUE(Flag(*client, "f").is_enabled(user));
    EXPECT_TRUE(client->pin().evaluate("f", user).enabled());
    EXPECT_TRUE(client->evaluate("without experiment", user).enabled());
    EXPECT_FALSE(client->evaluate("?", user).enabled());
    EXPECT_FALSE(client->evaluate("f", Context{{"tier", "pro"}}).enabled()) << "no unit";
    const Context by_hand{{"user_id", 3}};
    EXPECT_FALSE(client->evaluate("f", by_hand).in_experiment());
    EXPECT_EQ(client->counters().offered, 0U);
    EXPECT_TRUE(client->evaluate("f", user).enabled());
    EXPECT_EQ(client->counters().offered, 1U);
}

TEST_F(ExposureTest, LetsAFlagSayOtherwise) {
    const Context user{{"user_id", 1}};
    const auto manual = client(Exposure::kManual);
    const Flag tells(*manual, "f", Exposure::kAutomatic);
    EXPECT_TRUE(tells.evaluate(user).enabled());
    EXPECT_TRUE(Flag(tells).evaluate(Context{{"user_id", 2}}).enabled()) << "a copy, too";
    EXPECT_TRUE(Flag(*manual, "f").evaluate(Context{{"user_id", 3}}).enabled());
    EXPECT_EQ(manual->counters().accepted, 2U);
    const auto automatic = client();
    EXPECT_TRUE(Flag(*automatic, "f", Exposure::kManual).evaluate(Context{{"user_id", 4}}));
    EXPECT_EQ(automatic->counters().accepted, 2U) << "the clients share the process's table";
    EXPECT_TRUE(Flag(*automatic, "f").evaluate(user));
    EXPECT_EQ(automatic->counters().accepted, 2U);
    EXPECT_TRUE(Flag(*automatic, "f").evaluate(Context{{"user_id", 4}}));
    EXPECT_EQ(automatic->counters().accepted, 3U);
}

TEST_F(ExposureTest, TellsAgainInTheNextPhase) {
    const auto client = this->client();
    evaluate(*client, 0, 10);
    publish(2);
    evaluate(*client, 0, 10, 2);
    ASSERT_TRUE(client->flush(20s).complete);
    expect_once_each(heard(), 20);
}

TEST_F(ExposureTest, NeverDatesAnExposureBeforeItsExperiment) {
    const auto created = [&](const Client& client, int user) {
        evaluate(client, user, user + 1);
        EXPECT_TRUE(client.counters().offered > 0);
        EXPECT_TRUE(eventually([&] { return client.counters().in_flight == 0; }));
        return header_of(peer_.sessions().begin()->second.events.back()).created_unix_ms;
    };
    const std::int64_t now_ms = detail::coarse_unix_ms();
    const auto client = this->client();
    const std::int64_t created_ms = created(*client, 1);
    EXPECT_GE(created_ms, now_ms);
    EXPECT_LE(created_ms, detail::coarse_unix_ms());
    // The database's clock is ahead of this host's.
    ExperimentDefinition experiment = experiment_on("f");
    experiment.start_unix_ms = now_ms + 60'000;
    const std::uint64_t next = published_.generation() + 1;
    published_.write_snapshot(
        next, image_of(next, {ab_test_of("f")}, {experiment}, experiment.start_unix_ms));
    published_.announce(next);
    EXPECT_EQ(created(*client, 2), experiment.start_unix_ms);
}

TEST_F(ExposureTest, TellsOnceHoweverManyThreadsMeetAUnit) {
    const auto client = this->client();
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&] { evaluate(*client, 0, 2'000, 2); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    ASSERT_TRUE(client->flush(20s).complete);
    expect_once_each(heard(), 2'000);
}

// Not under the thread sanitizer, which starts no thread in the child of a process with threads.
#ifndef BURGEE_TSAN
TEST_F(ExposureTest, AForkedChildTellsForItself) {
    const auto client = this->client();
    evaluate(*client, 0, 10);
    ASSERT_TRUE(client->flush(20s).complete);
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(60);
        evaluate(*client, 0, 5, 2);
        const bool is_told = client->flush(20s).complete && client->counters().acknowledged == 5;
        ::_exit(is_told && !HasFailure() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    evaluate(*client, 0, 10);
    EXPECT_EQ(client->counters().offered, 10U) << "the parent's memory is its own";
    int twice = 0;
    for (const auto& [exposure, count] : heard()) {
        twice += count == 2 ? 1 : 0;
    }
    EXPECT_EQ(twice, 5);
}
#endif

TEST_F(ExposureTest, TellsLaterWhatTheRingRefused) {
    const auto client = this->client();
    peer_.stop();
    const Context user{{"user_id", 1}};
    const std::string metadata = "{\"x\":\"" + std::string(900, 'x') + "\"}";
    const ExperimentRef other("11111111-2222-3333-4444-555555555555", "control");
    std::uint64_t tracked = 0;
    while (client->track(other, "conversion", 1, user, metadata)) {
        ASSERT_LT(++tracked, 100'000U);
    }
    while (client->track(other, "conversion", 1, user)) {
        ASSERT_LT(++tracked, 100'000U);
    }
    const std::uint64_t taken = client->counters().accepted;
    evaluate(*client, 0, 3, 2);
    EXPECT_EQ(client->counters().accepted, taken);
    const auto dropped = [&] {
        return client->counters().dropped(DropReason::kRingFull, EventClass::kExposure);
    };
    EXPECT_EQ(dropped(), 3U) << "three units, however often they are asked for";
    expect_identities(client->counters());
    peer_.start();
    ASSERT_TRUE(client->flush(20s).complete);
    evaluate(*client, 0, 3, 2);
    ASSERT_TRUE(client->flush(20s).complete);
    EXPECT_EQ(client->counters().accepted, taken + 3);
    EXPECT_EQ(dropped(), 3U);
    expect_once_each(heard(), 3);
}

TEST_F(ExposureTest, CountsAnExposureThatIsRefusedForEverOnce) {
    const auto client = this->client();
    const std::string long_text(kEventTextSizeMax + 1, 'u');
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&] {
            for (int time = 0; time < 1'000; ++time) {
                EXPECT_TRUE(client->evaluate("f", Context{{"user_id", long_text}}).enabled());
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(client->counters().dropped(DropReason::kTooBig, EventClass::kExposure), 1U);
    EXPECT_EQ(client->counters().offered, 1U);
    publish(2);
    (void)client->evaluate("f", Context{{"user_id", long_text}});
    EXPECT_EQ(client->counters().dropped(DropReason::kTooBig, EventClass::kExposure), 2U)
        << "another phase is another exposure";
}

TEST_F(ExposureTest, TellsAgainWhatWasLostWithItsSession) {
    const auto client = this->client();
    PeerManners manners;
    manners.answers_batches = false;
    peer_.set_manners(manners);
    evaluate(*client, 0, 3);
    ASSERT_TRUE(eventually([&] { return peer_.batch_count() > 0; }));
    peer_.stop();
    peer_.forget_sessions();
    peer_.set_manners({});
    peer_.start();
    ASSERT_TRUE(client->flush(20s).complete);
    ASSERT_EQ(client->counters().dropped(DropReason::kSessionExpired, EventClass::kExposure), 3U);
    evaluate(*client, 0, 3, 2);
    ASSERT_TRUE(client->flush(20s).complete);
    EXPECT_EQ(client->counters().acknowledged, 3U);
    EXPECT_EQ(client->counters().offered, 6U);
}

TEST_F(ExposureTest, LeavesImpressionsOfTheCallerAlone) {
    const auto client = this->client();
    const Context user{{"user_id", 1}};
    const Evaluation answer = client->evaluate("f", user);
    EXPECT_TRUE(client->track(answer, "impression", 1, user));
    EXPECT_TRUE(client->track(answer, "impression", 1, user));
    const Context other{{"user_id", 2}};
    const Evaluation manual = Flag(*client, "f", Exposure::kManual).evaluate(other);
    EXPECT_TRUE(client->track(manual, "impression", 1, other));
    evaluate(*client, 2, 3);
    ASSERT_TRUE(client->flush(20s).complete);
    expect_once_each(heard(), 2);
    const auto tracked = heard(false);
    EXPECT_EQ(tracked.at("1 " + std::string(answer.variant()) + " 1"), 2);
    EXPECT_EQ(tracked.at("1 " + std::string(manual.variant()) + " 2"), 1);
    const auto session = peer_.sessions().begin()->second;
    ASSERT_EQ(session.events.size(), 5U);
    EXPECT_EQ(header_of(session.events[1]).event_class,
              static_cast<std::uint8_t>(EventClass::kOrdinary))
        << "evaluate() told it before";
}

TEST_F(ExposureTest, LosesNoEventForALongIdThatIsNotTheUnit) {
    const auto client = this->client(Exposure::kManual);
    const std::string limit_text(kEventTextSizeMax, 's');
    const std::string long_text(kEventTextSizeMax + 1, 's');
    const auto track = [&](const Context& context) {
        return client->track(client->evaluate("f", context), "conversion", 1, context);
    };
    EXPECT_TRUE(track(Context{{"user_id", "7"}, {"session_id", limit_text}}));
    EXPECT_TRUE(track(Context{{"user_id", "7"}, {"session_id", long_text}}));
    const ExperimentRef by_id("00000000-0000-0000-0000-000000000001", "control");
    const Context only_session{{"session_id", long_text}};
    EXPECT_FALSE(track(only_session)) << "who was it?";
    EXPECT_FALSE(client->track(by_id, "conversion", 1, only_session));
    EXPECT_FALSE(track(Context{{"user_id", long_text}, {"session_id", "s"}}));
    const Context user{{"user_id", "7"}, {"session_id", long_text}};
    EXPECT_TRUE(client->track(by_id, "conversion", 1, user));
    EXPECT_EQ(client->counters().dropped(DropReason::kTooBig, EventClass::kConversion), 3U);

    ASSERT_TRUE(client->flush(20s).complete);
    const auto session = peer_.sessions().begin()->second;
    ASSERT_EQ(session.events.size(), 3U);
    for (const Bytes& event : session.events) {
        EXPECT_EQ(header_of(event).user_id_size, 1U);
    }
    EXPECT_EQ(header_of(session.events[0]).session_id_size, kEventTextSizeMax);
    EXPECT_EQ(header_of(session.events[1]).session_id_size, 0U);
    EXPECT_EQ(header_of(session.events[2]).session_id_size, 0U);
}

}  // namespace
}  // namespace burgee::test
