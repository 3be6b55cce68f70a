// Promise: a change of a layer's slots is one line of history a flag, whatever the number of slots,
// and takes the revision at the commit only; no writer fails because of it. Method: plain SQL on a
// real server.
#include <pqxx/pqxx>

#include "tests/sync/migrated_cluster.hpp"

namespace burgee::sync {
namespace {

class LayerTriggersTest : public test::PostgresTest {
protected:
    LayerTriggersTest() {
        execute(
            "INSERT INTO burgee.layers (name) VALUES ('l'), ('m');"
            "INSERT INTO feature_flags (name, status) VALUES ('a', 'enabled'), ('b', 'enabled');"
            "CREATE FUNCTION give(flag text, layer text, first int, last int) RETURNS void "
            "LANGUAGE "
            "sql AS 'INSERT INTO burgee.layer_slots SELECT $2, slot, id FROM feature_flags,"
            " generate_series($3, $4) AS slot WHERE name = $1'");
    }

    std::string revision() { return value("SELECT value FROM burgee.revision"); }

    /// "2 l a: - > [[0, 99]]": revision, layer, flag, lost and gained slots of every line.
    std::string lines() {
        return value(
            "SELECT coalesce(string_agg(revision || ' ' || h.name || ' ' || coalesce(f.name, '?') "
            "||"
            " ': ' || coalesce(before ->> 'slots', '-') || ' > ' || coalesce(after ->> 'slots', "
            "'-'),"
            " '; ' ORDER BY revision, h.name, f.name), '') FROM burgee.flag_history h"
            " LEFT JOIN feature_flags f"
            " ON f.id = coalesce(before ->> 'flag_id', after ->> 'flag_id')::uuid"
            " WHERE kind = 'layer'");
    }

    std::string notes() { return value("SELECT count(*) FROM burgee.layer_changes"); }
};

TEST_F(LayerTriggersTest, WritesOneLineAFlag) {
    execute("SELECT give('a', 'l', 0, 4999), give('b', 'l', 5000, 9999)");
    EXPECT_EQ(lines(), "2 l a: - > [[0, 4999]]; 2 l b: - > [[5000, 9999]]");
    execute("DELETE FROM burgee.layer_slots WHERE slot IN (1, 2, 4998, 4999, 5000)");
    execute(
        "UPDATE burgee.layer_slots SET flag_id = (SELECT id FROM feature_flags WHERE name = 'b')"
        " WHERE slot = 0");
    execute("UPDATE burgee.layer_slots SET layer = 'm' WHERE slot = 3");
    EXPECT_EQ(lines(),
              "2 l a: - > [[0, 4999]]; 2 l b: - > [[5000, 9999]]; "
              "3 l a: [[1, 2], [4998, 4999]] > -; 3 l b: [[5000, 5000]] > -; "
              "4 l a: [[0, 0]] > -; 4 l b: - > [[0, 0]]; 5 l a: [[3, 3]] > -; 5 m a: - > [[3, 3]]");
    EXPECT_EQ(revision(), "5");
    EXPECT_EQ(notes(), "0");
}

TEST_F(LayerTriggersTest, WhatChangesNothingTakesNoRevision) {
    execute("SELECT give('a', 'l', 0, 9)");
    execute("UPDATE burgee.layer_slots SET slot = slot");
    execute("DELETE FROM burgee.layer_slots WHERE slot = 5000");
    EXPECT_EQ(revision(), "2");
}

TEST_F(LayerTriggersTest, AnOpenTransactionOnSlotsDelaysNobodysSwitch) {
    execute("SELECT give('a', 'l', 0, 9)");
    pqxx::connection idle(cluster_.dsn());
    pqxx::work open(idle);
    open.exec("DELETE FROM feature_flags WHERE name = 'a'");  // its slots go with it
    EXPECT_EQ(open.exec1("SELECT count(*) FROM burgee.layer_slots")[0].as<int>(), 0);
    // With a lock taken before the commit this would wait for ever: it fails instead. No timeout
    // counts while committing, so the deferred trigger runs before.
    execute(
        "BEGIN; SET LOCAL statement_timeout = '10s'; UPDATE feature_flags SET status = 'disabled' "
        "WHERE name = 'b'; SET CONSTRAINTS ALL IMMEDIATE; COMMIT");
    EXPECT_EQ(revision(), "3");
    open.commit();
    EXPECT_EQ(revision(), "4");
    EXPECT_EQ(lines(), "2 l ?: - > [[0, 9]]; 4 l ?: [[0, 9]] > -");
    EXPECT_EQ(notes(), "0");
}

TEST_F(LayerTriggersTest, AWriterIsNeverFailedByTheHistory) {
    execute("ALTER TABLE burgee.layer_changes RENAME TO gone");
    execute("SELECT give('a', 'l', 0, 9)");
    execute("ALTER TABLE burgee.gone RENAME TO layer_changes");
    execute("ALTER TABLE burgee.flag_history RENAME TO gone");
    execute("SELECT give('a', 'l', 10, 19)");
    execute("ALTER TABLE burgee.gone RENAME TO flag_history");
    EXPECT_EQ(value("SELECT count(*) FROM burgee.layer_slots"), "20");
    EXPECT_EQ(notes(), "0");
}

TEST_F(LayerTriggersTest, OwnersMayWriteLayersAndHostsMayNot) {
    execute(
        "CREATE ROLE owner LOGIN IN ROLE burgee_owner; CREATE ROLE host LOGIN IN ROLE "
        "burgee_reader,"
        " burgee_writer");
    const auto may = [&](const char* role, const std::string& sql) {
        pqxx::connection login(cluster_.dsn(role));
        try {
            pqxx::work attempt(login);
            attempt.exec(sql);
            attempt.commit();
            return true;
        } catch (const pqxx::insufficient_privilege&) {
            return false;
        }
    };
    const std::string slot =
        "INSERT INTO burgee.layer_slots SELECT 'l', 7, id FROM feature_flags WHERE name = 'a'";
    const std::string segment = "INSERT INTO burgee.segments (name) VALUES ('s')";
    EXPECT_FALSE(may("host", slot));
    EXPECT_FALSE(may("host", segment));
    EXPECT_TRUE(may("host", "SELECT FROM burgee.layer_slots, burgee.layers, burgee.segments"));
    EXPECT_TRUE(may("owner", slot));
    EXPECT_TRUE(may("owner", segment));
    EXPECT_FALSE(may("owner", "INSERT INTO burgee.layer_changes (layer) VALUES ('l')"));
    EXPECT_EQ(lines(), "2 l a: - > [[7, 7]]");
}

}  // namespace
}  // namespace burgee::sync
