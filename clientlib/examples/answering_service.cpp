// A small service that answers questions, as a user of burgee would write it: it asks which model
// to use, answers, and tells what happened. scripts/demo runs it and then checks what burgee made
// of it, for this service knows the truth: with `--effect 0.05` a treated user converts with
// probability 0.35 instead of 0.30, scores 0.05 better and waits 10 % longer; with 0 both variants
// are alike. What happens to a user is drawn from (seed, user) alone, so every run can be repeated.
//
// The last line on stdout is a JSON summary. Its counts of events are those that the client saw
// acknowledged, which makes them an oracle independent of daemon and database.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <burgee/client.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr const char* kWatchedFlag = "search.enhanced";
constexpr std::size_t kProcessCountMax = 64;  // chosen by feel: more than any demo machine runs
constexpr std::size_t kThreadCountMax = 64;
constexpr std::uint64_t kWaitingEventsMax = 3'000;  // about half of what the ring takes of these
constexpr auto kFlushDeadline = std::chrono::seconds(20);  // a daemon's restart fits in easily

struct Options {
    std::string directory = "/run/burgee";
    std::string flag = "model_comparison";
    std::uint64_t users = 20'000;
    std::size_t processes = 1;
    std::size_t threads = 2;
    std::uint64_t users_per_second = 1'000;  // of each thread: a service has callers, not a loop
    std::uint64_t seed = 1;
    double effect = 0.05;
    bool is_endless = false;  // --loop: start again with the first user until a signal comes
};

constexpr std::array<const char*, 5> kMetrics{"impression", "conversion", "error",
                                              "response_time_ms", "quality_score"};
enum Metric : std::size_t { kImpression, kConversion, kError, kResponseTime, kQualityScore };

// Plain counts: threads add theirs up, processes send theirs through a pipe.
struct Tally {
    std::uint64_t checks = 0;
    std::uint64_t failed_checks = 0;  // nobody could say: NOT_READY or FLAG_NOT_FOUND
    std::uint64_t enhanced = 0;
    std::uint64_t gpt4 = 0;
    std::array<std::uint64_t, kMetrics.size()> taken{};
    std::uint64_t offered = 0;
    std::uint64_t accepted = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t dropped = 0;

    void add(const Tally& other) {
        checks += other.checks;
        failed_checks += other.failed_checks;
        enhanced += other.enhanced;
        gpt4 += other.gpt4;
        for (std::size_t metric = 0; metric < taken.size(); ++metric) {
            taken[metric] += other.taken[metric];
        }
        offered += other.offered;
        accepted += other.accepted;
        acknowledged += other.acknowledged;
        in_flight += other.in_flight;
        dropped += other.dropped;
    }
};

volatile sig_atomic_t stop_requested = 0;
std::array<pid_t, kProcessCountMax> children{};  // for the signal handler, which passes signals on

void request_stop(int signal_number) {
    stop_requested = 1;
    for (const pid_t child : children) {
        if (child > 0) {
            kill(child, signal_number);
        }
    }
}

bool has_answer(burgee::Reason reason) {
    return reason != burgee::Reason::kNotReady && reason != burgee::Reason::kFlagNotFound;
}

std::int64_t unix_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// One thread of the service: the users whose number is `first`, `first + step`, ...
class Worker {
public:
    Worker(burgee::Client& client, const Options& options) : client_(client), options_(options) {}

    /// `is_watching`: says on stdout when the answer of kWatchedFlag changes its reason.
    void run(std::uint64_t first, std::uint64_t step, bool is_watching) {
        const auto interval = std::chrono::nanoseconds(std::chrono::seconds(1)) /
                              static_cast<std::int64_t>(options_.users_per_second);
        auto next = std::chrono::steady_clock::now();
        for (std::uint64_t user = first; stop_requested == 0; user += step) {
            if (user >= options_.users) {
                if (!options_.is_endless) {
                    break;
                }
                user = first;
            }
            serve(user, is_watching);
            // Callers do not come in a crowd because the machine was busy: what is late stays late.
            next = std::max(next + interval, std::chrono::steady_clock::now());
            std::this_thread::sleep_until(next);
            // A real service would rather lose a response time than wait for a slow disk; this one
            // is here to be counted.
            if (client_.counters().in_flight > kWaitingEventsMax) {
                client_.flush(kFlushDeadline);
            }
        }
    }

    const Tally& tally() const { return tally_; }

private:
    void serve(std::uint64_t user, bool is_watching) {
        const std::string id = "user-" + std::to_string(user);
        const burgee::Context context{{"user_id", id},
                                      {"subscription_tier", user % 10 == 0 ? "pro" : "free"}};
        const auto search = client_.evaluate(kWatchedFlag, context);
        count_check(search.reason());
        tally_.enhanced += search.enabled() ? 1 : 0;
        if (is_watching) {
            watch(search.reason());
        }
        const auto chat = client_.evaluate(options_.flag, context);
        count_check(chat.reason());
        if (!chat.enabled()) {
            return;
        }
        const auto config = chat.config();
        tally_.gpt4 += config.string("model", "gpt-3.5") == "gpt-4" ? 1 : 0;
        answer(user, chat, context);
    }

    // What the service would measure, drawn instead of measured so that the truth is known.
    void answer(std::uint64_t user, const burgee::Evaluation& chat,
                const burgee::Context& context) {
        std::seed_seq seeds{options_.seed & 0xFFFFFFFFU, options_.seed >> 32U, user & 0xFFFFFFFFU,
                            user >> 32U};
        std::mt19937_64 random(seeds);
        const double effect = chat.variant() == "treatment" ? options_.effect : 0.0;
        std::uniform_real_distribution<double> uniform(0.0, 1.0);
        std::normal_distribution<double> normal(0.0, 1.0);
        track(kImpression, 1, chat, context);
        const double response_ms = 120 * (1 + 2 * effect) * std::exp(0.25 * normal(random));
        track(kResponseTime, response_ms, chat, context);
        track(kQualityScore, 0.70 + effect + 0.15 * normal(random), chat, context);
        if (uniform(random) < 0.30 + effect) {
            track(kConversion, 1, chat, context);
        }
        if (uniform(random) < 0.01) {
            track(kError, 1, chat, context);
        }
    }

    void track(Metric metric, double value, const burgee::Evaluation& chat,
               const burgee::Context& context) {
        const char* metadata = metric == kQualityScore ? R"({"query_type":"technical"})" : "";
        if (client_.track(chat, kMetrics[metric], value, context, metadata)) {
            ++tally_.taken[metric];
        }
    }

    void count_check(burgee::Reason reason) {
        ++tally_.checks;
        tally_.failed_checks += has_answer(reason) ? 0 : 1;
    }

    // SPLIT and STATIC come and go with the users; only a switch-off is worth a line.
    void watch(burgee::Reason reason) {
        const bool is_disabled = reason == burgee::Reason::kDisabled;
        if (is_disabled != was_disabled_) {
            std::printf(
                "{\"kind\":\"switch\",\"process\":%d,\"flag\":\"%s\",\"disabled\":%s,"
                "\"at_unix_ms\":%lld}\n",
                static_cast<int>(getpid()), kWatchedFlag, is_disabled ? "true" : "false",
                static_cast<long long>(unix_ms()));
            std::fflush(stdout);
        }
        was_disabled_ = is_disabled;
    }

    burgee::Client& client_;
    const Options& options_;
    Tally tally_;
    bool was_disabled_ = false;
};

/// One process: its threads, its client, its share of the users.
Tally run_process(const Options& options, std::size_t process) {
    burgee::ClientOptions client_options;
    client_options.directory = options.directory;
    burgee::Client client(client_options);
    std::vector<Worker> workers(options.threads, Worker(client, options));
    std::vector<std::thread> threads;
    const std::uint64_t step = options.processes * options.threads;
    for (std::size_t index = 0; index < options.threads; ++index) {
        const std::uint64_t first = process * options.threads + index;
        threads.emplace_back(
            [&workers, index, first, step] { workers[index].run(first, step, index == 0); });
    }
    Tally sum;
    for (std::size_t index = 0; index < options.threads; ++index) {
        threads[index].join();
        sum.add(workers[index].tally());
    }
    client.flush(kFlushDeadline);
    const burgee::EventCounters counters = client.counters();
    sum.offered = counters.offered;
    sum.accepted = counters.accepted;
    sum.acknowledged = counters.acknowledged;
    sum.in_flight = counters.in_flight;
    sum.dropped = burgee::total(counters.refused) + burgee::total(counters.lost);
    return sum;
}

/// Starts all processes and adds up what they send. Returns false when one died unheard.
bool run_all(const Options& options, Tally& sum) {
    std::vector<int> pipes;
    for (std::size_t process = 0; process < options.processes; ++process) {
        int ends[2] = {-1, -1};
        const pid_t child = pipe(ends) == 0 ? fork() : -1;
        if (child < 0) {
            std::perror("answering_service: cannot start a process");
            request_stop(SIGTERM);
            return false;
        }
        if (child == 0) {
            children.fill(0);  // a child passes no signals on
            close(ends[0]);
            const Tally tally = run_process(options, process);
            const bool is_sent = write(ends[1], &tally, sizeof(tally)) == ssize_t{sizeof(tally)};
            std::_Exit(is_sent ? 0 : 1);
        }
        children[process] = child;
        close(ends[1]);
        pipes.push_back(ends[0]);
    }
    bool is_complete = true;
    for (std::size_t process = 0; process < options.processes; ++process) {
        Tally tally;
        ssize_t size = 0;
        do {
            size = read(pipes[process], &tally, sizeof(tally));
        } while (size < 0 && errno == EINTR);
        is_complete = is_complete && size == ssize_t{sizeof(tally)};
        if (size == ssize_t{sizeof(tally)}) {
            sum.add(tally);
        }
        while (waitpid(children[process], nullptr, 0) < 0 && errno == EINTR) {
        }
        children[process] = 0;
    }
    return is_complete;
}

void print_summary(const Options& options, const Tally& sum) {
    const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf(
        "{\"kind\":\"summary\",\"processes\":%zu,\"threads\":%zu,\"users\":%llu,"
        "\"checks\":%llu,\"failed_checks\":%llu,\"enhanced\":%llu,\"gpt4\":%llu",
        options.processes, options.threads, number(options.users), number(sum.checks),
        number(sum.failed_checks), number(sum.enhanced), number(sum.gpt4));
    for (std::size_t metric = 0; metric < kMetrics.size(); ++metric) {
        std::printf(",\"%s\":%llu", kMetrics[metric], number(sum.taken[metric]));
    }
    std::printf(
        ",\"offered\":%llu,\"accepted\":%llu,\"acknowledged\":%llu,\"in_flight\":%llu,"
        "\"dropped\":%llu}\n",
        number(sum.offered), number(sum.accepted), number(sum.acknowledged), number(sum.in_flight),
        number(sum.dropped));
}

[[noreturn]] void refuse(const std::string& what) {
    std::fprintf(stderr,
                 "answering_service: %s\nusage: answering_service [--directory D] [--flag NAME] "
                 "[--users N] [--processes 1..64] [--threads 1..64] [--users-per-second N] "
                 "[--seed N] [--effect X] [--loop]\n",
                 what.c_str());
    std::exit(2);
}

Options read_options(int argument_count, char** arguments) {
    std::map<std::string, std::string> values;
    Options options;
    for (int index = 1; index < argument_count; ++index) {
        const std::string name = arguments[index];
        if (name == "--loop") {
            options.is_endless = true;
        } else if (index + 1 < argument_count) {
            values[name] = arguments[++index];
        } else {
            refuse(name + " needs a value");
        }
    }
    try {
        for (const auto& [name, value] : values) {
            if (name == "--directory") {
                options.directory = value;
            } else if (name == "--flag") {
                options.flag = value;
            } else if (name == "--users") {
                options.users = std::stoull(value);
            } else if (name == "--processes") {
                options.processes = std::stoull(value);
            } else if (name == "--threads") {
                options.threads = std::stoull(value);
            } else if (name == "--users-per-second") {
                options.users_per_second = std::stoull(value);
            } else if (name == "--seed") {
                options.seed = std::stoull(value);
            } else if (name == "--effect") {
                options.effect = std::stod(value);
            } else {
                refuse("unknown option " + name);
            }
        }
    } catch (const std::exception&) {
        refuse("a value is not a number");
    }
    const bool is_sane = options.processes - 1 < kProcessCountMax &&
                         options.threads - 1 < kThreadCountMax && options.users_per_second > 0 &&
                         options.users >= options.processes * options.threads;
    if (!is_sane) {
        refuse("a value is out of range");
    }
    return options;
}

}  // namespace

int main(int argument_count, char** arguments) {
    const Options options = read_options(argument_count, arguments);
    struct sigaction action {};
    action.sa_handler = request_stop;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    Tally sum;
    const bool is_complete = run_all(options, sum);
    print_summary(options, sum);
    if (!is_complete) {
        std::fprintf(stderr, "answering_service: a process died, its counts are missing\n");
    }
    return is_complete ? 0 : 1;
}
