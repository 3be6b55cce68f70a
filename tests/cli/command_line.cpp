#include "tests/cli/command_line.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace burgee::test {

std::unique_ptr<PostgresCluster> CommandLineTest::postgres_;
std::unique_ptr<TemporaryDirectory> CommandLineTest::directory_;

namespace {

/// The value; a test that gets an error instead ends with its text.
template <typename Result>
auto value_of(Result result) {
    if (result.has_error()) {
        throw std::runtime_error(result.error().message);
    }
    return *std::move(result);
}

}  // namespace

PublishingHost::PublishingHost(const std::string& dsn, const std::string& directory)
    : session_({.dsn = dsn}), reader_(session_), publisher_(value_of(Publisher::open(directory))) {}

void PublishingHost::publish() {
    const FlagChanges changes = value_of(reader_.poll());
    builder_.apply(changes);
    if (builder_.revision() == published_revision_) {
        publisher_.beat();
        return;
    }
    const auto image = builder_.build({publisher_.next_generation(), changes.database_unix_ms});
    value_of(publisher_.publish(image, builder_.take_read_back()));
    publisher_.beat();
    published_revision_ = builder_.revision();
}

void PublishingHost::follow() {
    thread_ = std::thread([this] {
        while (!is_stopping_) {
            publish();
            std::this_thread::sleep_for(std::chrono::milliseconds(5));  // a poll interval
        }
    });
}

void PublishingHost::stop_following() {
    is_stopping_ = true;
    if (thread_.joinable()) {
        thread_.join();
    }
    is_stopping_ = false;
}

void CommandLineTest::SetUpTestSuite() {
    postgres_ = std::make_unique<PostgresCluster>();
    directory_ = std::make_unique<TemporaryDirectory>();
    ok({"db", "migrate"});
}

void CommandLineTest::TearDownTestSuite() {
    postgres_.reset();
    directory_.reset();
}

ChildOutcome CommandLineTest::burgee(const std::vector<std::string>& words) {
    std::vector<std::string> arguments{BURGEE_CLI_PROGRAM};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return run_child(
        arguments, std::chrono::seconds(60),
        {"BURGEE_DATABASE_DSN=" + postgres_->dsn(), "BURGEE_SHM_DIRECTORY=" + directory_->path()});
}

std::string CommandLineTest::ok(const std::vector<std::string>& words) {
    const ChildOutcome outcome = burgee(words);
    EXPECT_EQ(outcome.exit.code, 0) << outcome.error;
    return outcome.output;
}

std::string CommandLineTest::refused(int code, const std::vector<std::string>& words) {
    const ChildOutcome outcome = burgee(words);
    EXPECT_EQ(outcome.exit.code, code) << outcome.output << outcome.error;
    EXPECT_EQ(outcome.output, "");
    EXPECT_TRUE(outcome.error.starts_with("burgee: ")) << outcome.error;
    EXPECT_EQ(std::count(outcome.error.begin(), outcome.error.end(), '\n'), 1) << outcome.error;
    return outcome.error;
}

simdjson::dom::element CommandLineTest::json(std::vector<std::string> words) {
    words.insert(words.end(), {"-o", "json"});
    return parser_.parse(ok(words));
}

std::uint64_t CommandLineTest::revision_of(const std::string& flag) {
    return json({"flag", "show", flag})["revision"].get_uint64();
}

std::vector<std::string> column(const std::string& table, const std::string& title) {
    std::istringstream lines(table);
    std::string line;
    std::getline(lines, line);
    const std::size_t begin = line.find(title);
    if (begin == std::string::npos) {
        throw std::runtime_error("no column " + title + " in: " + line);
    }
    std::vector<std::string> cells;
    while (std::getline(lines, line)) {
        EXPECT_TRUE(begin == 0 || line.substr(begin - 2, 2) == "  ") << line;
        const std::string rest = line.size() > begin ? line.substr(begin) : "";
        cells.push_back(rest.substr(0, rest.find("  ")));
    }
    return cells;
}

}  // namespace burgee::test
