// Promise: a number of a session is taken once and in order, and what is not known is said to be.
// Method: the table alone, with times passed in.
#include "daemon/session_table.hpp"

#include "spool_events.hpp"

namespace burgee::test {
namespace {

using daemon::Session;
using daemon::SessionTable;
using Order = SessionTable::Order;

class SessionTableTest : public ::testing::Test {
protected:
    SessionTable table_{{.count_max = 4, .idle_max_ms = 1'000}};

    Session* begin(std::uint64_t number, std::int64_t now_ms) {
        const auto greeting = table_.greet(session_id(number), 1, now_ms);
        EXPECT_EQ(greeting.outcome, SessionOutcome::kNew);
        return greeting.session;
    }
    static void store(Session* session, std::uint64_t last_seq) {
        session->accepted_seq = last_seq;
        session->durable_seq = last_seq;
    }
    SessionOutcome greet(std::uint64_t number, std::uint64_t next_seq, std::int64_t now_ms) {
        return table_.greet(session_id(number), next_seq, now_ms).outcome;
    }
};

TEST_F(SessionTableTest, ResumesWhereTheSessionStands) {
    store(begin(1, 0), 10);
    const auto greeting = table_.greet(session_id(1), 8, 1);
    EXPECT_EQ(greeting.outcome, SessionOutcome::kResumed);
    EXPECT_EQ(greeting.session->durable_seq, 10U);
    EXPECT_EQ(greet(1, 11, 2), SessionOutcome::kResumed);
}

TEST_F(SessionTableTest, ExpiresWhatItDoesNotKnow) {
    EXPECT_EQ(greet(1, 2, 0), SessionOutcome::kExpired) << "a history that is not here";
    store(begin(2, 0), 10);
    EXPECT_EQ(greet(2, 12, 0), SessionOutcome::kExpired) << "acknowledged events we do not have";
    EXPECT_EQ(greet(2, 11, 0), SessionOutcome::kExpired) << "and it stays forgotten";
}

TEST_F(SessionTableTest, TrimsOverlapsAndSeesGaps) {
    Session* const session = begin(1, 0);
    store(session, 10);
    EXPECT_EQ(SessionTable::place(*session, 11, 5).order, Order::kTake);
    EXPECT_EQ(SessionTable::place(*session, 11, 5).skip, 0U);
    EXPECT_EQ(SessionTable::place(*session, 8, 5).order, Order::kTake);
    EXPECT_EQ(SessionTable::place(*session, 8, 5).skip, 3U);
    EXPECT_EQ(SessionTable::place(*session, 6, 5).order, Order::kDuplicate);
    EXPECT_EQ(SessionTable::place(*session, 12, 1).order, Order::kGap);
    EXPECT_EQ(SessionTable::place(*session, 0, 1).order, Order::kGap);
}

TEST_F(SessionTableTest, ForgetsTheLongestUnseenFirst) {
    for (std::uint64_t number = 1; number <= 4; ++number) {
        store(begin(number, static_cast<std::int64_t>(number)), 5);
    }
    EXPECT_EQ(greet(1, 6, 10), SessionOutcome::kResumed);
    store(begin(5, 11), 5);
    EXPECT_EQ(table_.size(), 4U);
    EXPECT_EQ(greet(2, 6, 12), SessionOutcome::kExpired);
    EXPECT_EQ(greet(1, 6, 12), SessionOutcome::kResumed);
}

TEST_F(SessionTableTest, ForgetsTheIdle) {
    store(begin(1, 0), 5);
    EXPECT_EQ(greet(1, 6, 1'000), SessionOutcome::kResumed);
    EXPECT_EQ(greet(1, 6, 2'001), SessionOutcome::kExpired);
}

TEST_F(SessionTableTest, KeepsWhatIsInUse) {
    Session* const connected = begin(1, 0);
    connected->connection_id = 7;
    Session* const on_its_way = begin(2, 0);
    on_its_way->accepted_seq = 3;
    for (std::uint64_t number = 3; number < 20; ++number) {
        store(begin(number, 5'000), 1);
    }
    EXPECT_LE(table_.size(), 4U) << "though two may not go";
    EXPECT_EQ(connected->connection_id, 7U);
    EXPECT_EQ(greet(1, 1, 5'001), SessionOutcome::kResumed);
    EXPECT_EQ(greet(2, 1, 5'001), SessionOutcome::kResumed);
}

TEST_F(SessionTableTest, ForgetsWithTheConnectionWhatLeftNothingDurable) {
    for (std::uint64_t number = 1; number <= 3; ++number) {
        store(begin(number, 0), 5);
    }
    // Whoever only comes and goes pushes nobody out.
    for (std::uint64_t number = 10; number < 50; ++number) {
        Session* const visitor = begin(number, 1);
        visitor->connection_id = number;
        table_.leave(visitor);
    }
    EXPECT_EQ(table_.size(), 3U);
    EXPECT_EQ(greet(1, 6, 2), SessionOutcome::kResumed);
    Session* const busy = begin(60, 3);
    busy->connection_id = 60;
    busy->accepted_seq = 2;
    busy->batches_under_way = 1;
    table_.leave(busy);
    EXPECT_EQ(greet(60, 1, 4), SessionOutcome::kResumed) << "its batch is on its way";
    Session* const lossy = begin(61, 5);
    lossy->connection_id = 61;
    lossy->drops = std::make_unique<daemon::SessionDrops>();
    lossy->drops->queued[0] = lossy->drops->durable[0] = 7;
    table_.leave(lossy);
    EXPECT_EQ(greet(61, 1, 6), SessionOutcome::kResumed) << "its drops were counted";
}

TEST_F(SessionTableTest, KeepsWhoseDropsAreOnTheirWay) {
    Session* const session = begin(1, 0);
    session->drops = std::make_unique<daemon::SessionDrops>();
    session->drops->queued[0] = 1;
    for (std::uint64_t number = 2; number < 20; ++number) {
        store(begin(number, 5'000), 1);
    }
    EXPECT_EQ(greet(1, 1, 5'001), SessionOutcome::kResumed);
}

TEST_F(SessionTableTest, TakesOverWhatTheSpoolRemembers) {
    const daemon::SessionPosition positions[] = {{session_id(1), 10, 100}, {session_id(2), 20, 50}};
    table_.load(positions);
    EXPECT_EQ(table_.greet(session_id(2), 15, 200).session->durable_seq, 20U);
    EXPECT_EQ(table_.greet(session_id(1), 11, 200).session->durable_seq, 10U);
}

}  // namespace
}  // namespace burgee::test
