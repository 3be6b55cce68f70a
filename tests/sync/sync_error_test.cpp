// Promise: each SQLSTATE means one thing here: try again, a value to blame, or a person to call.
// What is wrongly tried again never ends; what is wrongly blamed on a value fills
// burgee.dead_letter. Method: a table, one row a state that a server has been seen to send.

#include "sync/sync_error.hpp"

#include <gtest/gtest.h>

namespace burgee::sync {
namespace {

struct StateCase {
    const char* sqlstate;
    SyncErrorKind kind;
    bool is_transient;
    const char* meaning;
};

constexpr StateCase kStates[] = {
    {"", SyncErrorKind::kUnreachable, true, "the connection broke, nobody said why"},
    {"08006", SyncErrorKind::kUnreachable, true, "connection failure"},
    {"57P01", SyncErrorKind::kUnreachable, true, "the server is stopped"},
    {"57P02", SyncErrorKind::kUnreachable, true, "another process of the server crashed"},
    {"57P03", SyncErrorKind::kUnreachable, true, "the server is starting"},
    {"57014", SyncErrorKind::kBusy, true, "statement_timeout, or somebody cancelled it"},
    {"55P03", SyncErrorKind::kBusy, true, "lock_timeout"},
    {"40001", SyncErrorKind::kBusy, true, "serialization failure"},
    {"40P01", SyncErrorKind::kBusy, true, "deadlock"},
    {"53100", SyncErrorKind::kBusy, true, "the server's disk is full"},
    {"53200", SyncErrorKind::kBusy, true, "the server has no memory"},
    {"53300", SyncErrorKind::kBusy, true, "too many connections"},
    {"58030", SyncErrorKind::kBusy, true, "the server's disk fails"},
    {"25006", SyncErrorKind::kBusy, true, "a standby, which may be promoted"},
    {"25P03", SyncErrorKind::kBusy, true, "idle_in_transaction_session_timeout"},
    {"22P02", SyncErrorKind::kRejected, false, "no valid text of that type"},
    {"22021", SyncErrorKind::kRejected, false, "bytes that are no UTF-8"},
    {"22001", SyncErrorKind::kRejected, false, "too long for the column"},
    {"22003", SyncErrorKind::kRejected, false, "number out of range"},
    {"22008", SyncErrorKind::kRejected, false, "time out of range"},
    {"23502", SyncErrorKind::kRejected, false, "NOT NULL"},
    {"23503", SyncErrorKind::kRejected, false, "foreign key"},
    {"23505", SyncErrorKind::kRejected, false, "unique"},
    {"23514", SyncErrorKind::kRejected, false,
     "CHECK; the writer knows a missing partition by its words"},
    {"42P01", SyncErrorKind::kMissingSchema, false, "no such table"},
    {"3F000", SyncErrorKind::kMissingSchema, false, "no such schema"},
    {"42501", SyncErrorKind::kConfiguration, false, "no right"},
    {"28P01", SyncErrorKind::kConfiguration, false, "wrong password"},
    {"3D000", SyncErrorKind::kConfiguration, false, "no such database"},
    {"42703", SyncErrorKind::kConfiguration, false, "no such column"},
    {"P0001", SyncErrorKind::kConfiguration, false, "a trigger of somebody else says no"},
    {"XX001", SyncErrorKind::kConfiguration, false, "the server's data is damaged"},
};

TEST(SyncErrorTest, EachStateMeansOneThing) {
    for (const StateCase& each : kStates) {
        SCOPED_TRACE(std::string(each.sqlstate) + ": " + each.meaning);
        const SyncError error = classify(each.sqlstate, "words");
        EXPECT_EQ(error.kind, each.kind) << to_string(error.kind);
        EXPECT_EQ(error.is_transient(), each.is_transient);
        EXPECT_EQ(error.sqlstate, each.sqlstate);
        EXPECT_NE(error.message.find("words"), std::string::npos) << "what the server said stays";
    }
}

TEST(SyncErrorTest, SaysWhatToDo) {
    EXPECT_NE(classify("42P01", "").message.find("burgee db migrate"), std::string::npos);
    EXPECT_NE(classify("42501", "").message.find("burgee_writer"), std::string::npos);
    EXPECT_NE(classify("25006", "").message.find("target_session_attrs"), std::string::npos);
}

}  // namespace
}  // namespace burgee::sync
