#pragma once

// The program `burgee` as a person runs it, on a database of the suite's own, and a host that
// publishes that database's flags through the real reader, builder and publisher.

#include <gtest/gtest.h>
#include <simdjson.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "shm/publisher.hpp"
#include "shm/snapshot_builder.hpp"
#include "sync/flag_reader.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

/// Publishes what the database holds into a directory, until it goes away.
class PublishingHost {
public:
    PublishingHost(const std::string& dsn, const std::string& directory);
    ~PublishingHost() { stop_following(); }

    /// One poll and one snapshot; throws when either fails.
    void publish();

    /// Publishes every change at once from a thread of its own, as burgeed does.
    void follow();
    void stop_following();

private:
    sync::PgSession session_;
    sync::FlagReader reader_;
    SnapshotBuilder builder_;
    Publisher publisher_;
    std::uint64_t published_revision_ = UINT64_MAX;
    std::atomic<bool> is_stopping_{false};
    std::thread thread_;
};

/// One server and one schema a suite; each case uses names of its own.
class CommandLineTest : public testing::Test {
protected:
    static void SetUpTestSuite();
    static void TearDownTestSuite();

    static PostgresCluster& postgres() { return *postgres_; }
    static const std::string& directory() { return directory_->path(); }

    /// Runs `burgee WORDS...` against the suite's database and directory.
    static ChildOutcome burgee(const std::vector<std::string>& words);
    /// The same; expects exit code 0 and returns stdout.
    static std::string ok(const std::vector<std::string>& words);
    /// The same; expects `code`, nothing on stdout, one line on stderr, and returns that line.
    static std::string refused(int code, const std::vector<std::string>& words);
    /// `ok` with -o json, read by a JSON parser.
    simdjson::dom::element json(std::vector<std::string> words);
    /// The revision that the newest change of a flag has.
    std::uint64_t revision_of(const std::string& flag);

private:
    static std::unique_ptr<PostgresCluster> postgres_;
    static std::unique_ptr<TemporaryDirectory> directory_;
    simdjson::dom::parser parser_;
};

/// The column that begins at `title`, row by row below the header; checks that nothing but spaces
/// stands right before it, which is what "aligned" means.
std::vector<std::string> column(const std::string& table, const std::string& title);

}  // namespace burgee::test
