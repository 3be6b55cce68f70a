// Promise: with automatic exposure a unit that many processes of a host meet is in PostgreSQL once
// for its variant, also when burgeed is killed meanwhile, and every event that was acknowledged is
// stored or counted as a repetition. Method: four processes evaluate the same users over and over,
// with the real client; burgeed is killed while new users arrive; then SQL and status.json are
// asked.
#include <burgee/client.hpp>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "tests/e2e/host.hpp"
#include "tests/fault/event_load.hpp"

namespace burgee::test {
namespace {

using std::chrono::seconds;

constexpr std::size_t kProcesses = 4;

/// What the processes share with the test; zero is a start.
struct SharedPage {
    struct Process {
        std::atomic<std::uint64_t> users_met;  ///< all below were evaluated
        std::atomic<std::uint64_t> acknowledged;
        std::atomic<std::uint64_t> not_kept;  ///< refused, lost, or still in flight at the end
        std::atomic<std::uint64_t> conversions;
    };
    std::atomic<std::uint64_t> user_count;
    std::atomic<bool> is_over;
    std::array<Process, kProcesses> processes;
};

class ExposuresTest : public ::testing::Test {
protected:
    void SetUp() override {
        void* memory = ::mmap(nullptr, sizeof(SharedPage), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(memory, MAP_FAILED);
        page_ = static_cast<SharedPage*>(memory);
        create_load_flags(host_.postgres());
        host_.start_daemon();
        page_->user_count = 200;
        for (std::size_t index = 0; index < kProcesses; ++index) {
            children_.push_back(::fork());
            if (children_.back() == 0) {
                ::alarm(200);
                evaluate(page_->processes[index]);
                ::_exit(0);
            }
        }
    }

    void TearDown() override {
        page_->is_over = true;
        for (const pid_t child : children_) {
            ::waitpid(child, nullptr, 0);
        }
        ::munmap(page_, sizeof(SharedPage));
    }

    /// A process of its own: meets every user again and again, and tracks beside it.
    void evaluate(SharedPage::Process& own) {
        ClientOptions options{host_.run_directory()};
        options.exposure = Exposure::kAutomatic;
        Client client(options);
        client.wait_for_generation(1, seconds(30));
        while (!page_->is_over) {
            const std::uint64_t user_count = page_->user_count;
            for (std::uint64_t number = 0; number < user_count; ++number) {
                const std::string id = "user-" + std::to_string(number);
                const Context user{{"user_id", id}};
                const Evaluation answer = client.evaluate("load", user);
                const bool converts = own.users_met <= number && number % 10 == 0;
                if (converts && client.track(answer, "conversion", 1, user)) {
                    ++own.conversions;
                }
            }
            own.users_met = user_count;
            ::usleep(200);
        }
        client.flush(seconds(60));
        const EventCounters counters = client.counters();
        own.not_kept = counters.offered - counters.acknowledged;
        own.acknowledged = counters.acknowledged;
    }

    template <typename Value>
    std::uint64_t sum(Value SharedPage::Process::*value) const {
        std::uint64_t total = 0;
        for (const SharedPage::Process& process : page_->processes) {
            total += (process.*value).load();
        }
        return total;
    }
    bool all_met(std::uint64_t user_count) {
        return wait_until(
            [&] {
                return std::all_of(page_->processes.begin(), page_->processes.end(),
                                   [&](const auto& each) { return each.users_met >= user_count; });
            },
            seconds(60));
    }
    void end_processes() {
        page_->is_over = true;
        for (const pid_t child : std::exchange(children_, {})) {
            int status = -1;
            EXPECT_EQ(::waitpid(child, &status, 0), child);
            EXPECT_EQ(status, 0);
        }
        EXPECT_EQ(sum(&SharedPage::Process::not_kept), 0U);
    }

    std::uint64_t number(const std::string& sql) {
        return std::stoull(host_.postgres().value(sql));
    }
    /// Each user's impression once, every conversion that was tracked, and nothing else.
    void expect_stored_once() {
        const std::uint64_t conversions = sum(&SharedPage::Process::conversions);
        const std::uint64_t users = page_->user_count;
        const std::string rows = "SELECT count(*) FROM public.ab_test_metrics";
        EXPECT_TRUE(wait_until([&] { return number(rows) >= users + conversions; }, seconds(60)))
            << host_.daemon_log();
        EXPECT_EQ(number(rows + " WHERE metric_type = 'conversion'"), conversions);
        EXPECT_EQ(number(rows + " WHERE metric_type = 'impression'"), users);
        EXPECT_EQ(number("SELECT count(DISTINCT user_id) FROM public.ab_test_metrics"
                         " WHERE metric_type = 'impression'"),
                  users);
        EXPECT_EQ(number(rows), users + conversions);
        EXPECT_EQ(sum(&SharedPage::Process::acknowledged), kProcesses * users + conversions);
    }
    /// A figure of status.json.
    std::uint64_t figure(const std::string& name) {
        const std::string json = read_file(host_.run_directory() + "/status.json");
        const std::string key = '"' + name + "\": ";
        const std::size_t found = json.find(key);
        return found == std::string::npos ? 0 : std::stoull(json.substr(found + key.size()));
    }
    /// The files are replaced while they are read, so it is asked until the figures agree.
    bool accounts_agree() {
        return wait_until(
            [&] {
                return figure("in_spool") == 0 &&
                       figure("recovered") + figure("accepted") ==
                           figure("delivered") + figure("dead_letter") + figure("counted_lost");
            },
            seconds(30));
    }

    Host host_;
    SharedPage* page_ = nullptr;
    std::vector<pid_t> children_;
};

TEST_F(ExposuresTest, ManyProcessesStoreOneExposureAUnit) {
    ASSERT_TRUE(all_met(200));
    page_->user_count = 1'000;
    ASSERT_TRUE(all_met(1'000));
    end_processes();
    expect_stored_once();
    EXPECT_TRUE(accounts_agree());
    EXPECT_TRUE(wait_until(
        [&] {
            return figure("exposures_repeated") == (kProcesses - 1) * 1'000 &&
                   figure("accepted") + figure("exposures_repeated") ==
                       sum(&SharedPage::Process::acknowledged);
        },
        seconds(30)))
        << read_file(host_.run_directory() + "/status.json");
}

TEST_F(ExposuresTest, AKillDoublesNoneAndLosesNone) {
    ASSERT_TRUE(all_met(200));
    for (int kill = 0; kill < 8; ++kill) {
        const std::uint64_t before = page_->user_count;
        page_->user_count = before + 300;
        // As soon as one process has met the new users, theirs are on every way there is.
        ASSERT_TRUE(
            wait_until([&] { return sum(&SharedPage::Process::users_met) > kProcesses * before; },
                       seconds(60)));
        host_.kill_daemon();
        host_.start_daemon();
    }
    ASSERT_TRUE(all_met(page_->user_count));
    end_processes();
    expect_stored_once();
    EXPECT_TRUE(accounts_agree());
}

}  // namespace
}  // namespace burgee::test
