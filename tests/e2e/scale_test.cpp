// Promise: a table of any size that a snapshot can hold reaches a client row by row as it says, a
// change of one flag among them too, and all of it is there again after a restart without
// PostgreSQL. Method: a real server, a real burgeed, every flag asked. BURGEE_SCALE_FLAGS says how
// many there are: 20 000 unless it is set, a million at night.
#include <burgee/client.hpp>

#include <cstdlib>

#include "tests/e2e/host.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

constexpr int kFlagsByDefault = 20'000;
constexpr seconds kFirstRead{300};  // a million rows were read in 20 to 30 s beside other builds

/// By the last digit of its number: 0 an A/B test, 1 to 4 enabled, 5 to 9 disabled.
class ScaleTest : public ::testing::Test {
protected:
    void fill() {
        host_.postgres().execute(
            "INSERT INTO public.feature_flags"
            " (name, status, rollout_percentage, segments, variants)"
            " SELECT 'flag.' || i, CASE WHEN i % 10 = 0 THEN 'ab_test'"
            "   WHEN i % 10 < 5 THEN 'enabled' ELSE 'disabled' END, 100,"
            "  '{\"bucketing\": \"xxh3\"}', CASE WHEN i % 10 = 0 THEN"
            "   '[{\"name\":\"left\",\"weight\":50,\"config_overrides\":{\"side\":\"L\"}},"
            "    {\"name\":\"right\",\"weight\":50,\"config_overrides\":{\"side\":\"R\"}}]'::jsonb"
            "  ELSE '[]' END FROM generate_series(0, " +
            std::to_string(flag_count_ - 1) + ") AS i");
    }

    /// The first flag that is not answered as its row says; "" when there is none.
    std::string wrong_answer(const Client& client) const {
        const Context user{{"user_id", "anna"}};
        int left = 0;
        int right = 0;
        for (int number = 0; number < flag_count_; ++number) {
            const std::string name = "flag." + std::to_string(number);
            const Evaluation answer = client.evaluate(name, user);
            if (answer.enabled() != (number % 10 < 5 && number != killed_)) {
                return name + ": " + (answer.enabled() ? "on" : "off");
            }
            if (number % 10 == 0) {
                const std::string_view side = answer.config().string("side", "none");
                left += side == "L" && answer.variant() == "left" ? 1 : 0;
                right += side == "R" && answer.variant() == "right" ? 1 : 0;
            }
        }
        const int tests = flag_count_ / 10;
        // Each flag draws anew for the same user; names and user are fixed, so nothing is left to
        // chance.
        const bool are_halves = left + right == tests && left > tests / 3 && right > tests / 3;
        return are_halves ? ""
                          : std::to_string(left) + " left, " + std::to_string(right) + " right";
    }

    static int flag_count() {
        const char* const wanted = std::getenv("BURGEE_SCALE_FLAGS");
        return wanted != nullptr ? std::atoi(wanted) : kFlagsByDefault;
    }

    const int flag_count_ = flag_count();
    int killed_ = -1;
    Host host_;
};

TEST_F(ScaleTest, EveryFlagIsAnsweredAsItsRowSaysAlsoAfterARestart) {
    fill();
    host_.start_daemon();
    const Client here(ClientOptions{host_.run_directory()});
    ASSERT_TRUE(here.wait_for_generation(1, kFirstRead)) << host_.daemon_log();
    EXPECT_EQ(wrong_answer(here), "");

    killed_ = flag_count_ / 10 * 5 / 10 * 10 + 1;
    const Flag killed(here, "flag." + std::to_string(killed_));
    ASSERT_TRUE(killed.is_enabled(Context{}));
    host_.postgres().execute(
        "UPDATE public.feature_flags SET status = 'disabled' WHERE name = "
        "'flag." +
        std::to_string(killed_) + "'");
    EXPECT_TRUE(wait_until([&] { return !killed.is_enabled(Context{}, true); }, seconds(20)));
    EXPECT_EQ(wrong_answer(here), "");

    ASSERT_EQ(host_.stop_daemon(), 0);
    host_.postgres().stop();
    const std::uint64_t generation = here.generation();
    host_.start_daemon();
    EXPECT_GT(here.generation(), generation) << "a restart publishes what it found on disk";
    EXPECT_EQ(wrong_answer(here), "");
    const Client late(ClientOptions{host_.run_directory()});
    EXPECT_EQ(wrong_answer(late), "");
}

}  // namespace
}  // namespace burgee::test
