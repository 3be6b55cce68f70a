#pragma once

// A private server with the schema of this program, and a session as its superuser.

#include <gtest/gtest.h>

#include <string>

#include "sync/migrations.hpp"
#include "tests/support/postgres_cluster.hpp"

namespace burgee::test {

class MigratedCluster : public PostgresCluster {
public:
    MigratedCluster() : session_({.dsn = dsn()}) {
        const auto report = sync::migrate(session_);
        if (!report) {
            throw std::runtime_error("cannot migrate: " + report.error().message);
        }
    }

    sync::PgSession& session() { return session_; }

private:
    sync::PgSession session_;
};

/// A case with a server of its own.
class PostgresTest : public ::testing::Test {
protected:
    MigratedCluster cluster_;
    sync::PgSession& session_ = cluster_.session();

    void execute(const std::string& sql) { cluster_.execute(sql); }
    std::string value(const std::string& sql) { return cluster_.value(sql); }
};

}  // namespace burgee::test
