#include "sync/database_health.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <utility>
#include <vector>

#include "sync/flag_queries.hpp"
#include "sync/housekeeping_audit.hpp"
#include "sync/migrations.hpp"

namespace burgee::sync {
namespace {

// Every feature we use is in 14; 15 is what is tested.
constexpr int kServerVersionMin = 140'000;
constexpr int kServerVersionTested = 150'000;

constexpr int kPollCount = 5;        // the median is shown; chosen by feel
constexpr double kSlowPollMs = 100;  // a poll is one row; chosen by feel
// A second moves a few events across the dates of an experiment; beyond the daemon's five minutes
// (kEventAheadMaxMs) times are changed when they come in.
constexpr double kSkewWarnMs = 1'000;
constexpr double kSkewFailMs = 300'000;

constexpr const char* kServer =
    "SELECT current_setting('server_version_num')::int, split_part(current_setting("
    "'server_version'), ' ', 1), pg_is_in_recovery(),"
    " coalesce((SELECT relkind = 'r' FROM pg_class"
    "           WHERE oid = to_regclass('public.ab_test_metrics')), false)";
constexpr const char* kClock = "SELECT extract(epoch FROM clock_timestamp())::float8 * 1000";

// What migrations 005, 006 and 009 create. O and A fire for ordinary sessions, R and D do not.
constexpr const char* kTriggers =
    "SELECT w.relation, w.name, t.tgenabled IS NOT NULL, t.tgenabled IN ('O', 'A') FROM (VALUES"
    " ('public.feature_flags', 'burgee_record_row'),"
    " ('public.feature_flags', 'burgee_record_truncate'),"
    " ('public.ab_test_experiments', 'burgee_record_row'),"
    " ('public.ab_test_experiments', 'burgee_record_truncate'),"
    " ('burgee.settings', 'burgee_record_row'), ('burgee.experiment_phases', 'burgee_record_row'),"
    " ('burgee.segments', 'burgee_record_row'), ('burgee.segments', 'burgee_record_truncate'),"
    " ('burgee.layer_slots', 'burgee_note_insert'), ('burgee.layer_slots', 'burgee_note_update'),"
    " ('burgee.layer_slots', 'burgee_note_delete'),"
    " ('burgee.layer_slots', 'burgee_record_truncate'),"
    " ('burgee.layer_changes', 'burgee_record_row'))"
    " AS w (relation, name) LEFT JOIN pg_trigger t ON t.tgrelid = to_regclass(w.relation)"
    " AND t.tgname = w.name AND NOT t.tgisinternal";

// Asked by oid, so that a table that is not there gives NULL and not an error. The roles are those
// of docs/database.md.
constexpr const char* kRights =
    "SELECT w.role, w.relation || ' (' || w.privilege || ')' FROM (VALUES"
    " ('burgee_reader', 'public.feature_flags', 'SELECT'),"
    " ('burgee_reader', 'public.ab_test_experiments', 'SELECT'),"
    " ('burgee_reader', 'burgee.revision', 'SELECT'),"
    " ('burgee_reader', 'burgee.flag_history', 'SELECT'),"
    " ('burgee_reader', 'burgee.settings', 'SELECT'),"
    " ('burgee_reader', 'burgee.segments', 'SELECT'),"
    " ('burgee_reader', 'burgee.layer_slots', 'SELECT'),"
    " ('burgee_reader', 'burgee.experiment_phases', 'SELECT'),"
    " ('burgee_writer', 'public.ab_test_metrics', 'INSERT'),"
    " ('burgee_writer', 'burgee.unit_metrics', 'INSERT'),"
    " ('burgee_writer', 'burgee.unit_metrics', 'UPDATE'),"
    " ('burgee_writer', 'burgee.cells', 'INSERT'),"
    " ('burgee_writer', 'burgee.spool_cursor', 'UPDATE'),"
    " ('burgee_writer', 'burgee.dead_letter', 'INSERT'),"
    " ('burgee_writer', 'burgee.hosts', 'UPDATE'),"
    " ('burgee_owner', 'public.feature_flags', 'UPDATE'),"
    " ('burgee_owner', 'public.ab_test_experiments', 'UPDATE'),"
    " ('burgee_owner', 'burgee.settings', 'UPDATE'),"
    " ('burgee_owner', 'burgee.experiment_phases', 'INSERT')) AS w (role, relation, privilege)"
    " WHERE NOT coalesce(has_table_privilege(to_regclass(w.relation), w.privilege), false)"
    " ORDER BY w.role DESC, 2";
constexpr const char* kHiddenRows =
    "SELECT w.name FROM (VALUES ('public.feature_flags'), ('public.ab_test_experiments'))"
    " AS w (name) WHERE coalesce(row_security_active(to_regclass(w.name)), false)";
constexpr const char* kMayUseSchema =
    "SELECT coalesce(has_schema_privilege(to_regnamespace('burgee'), 'USAGE'), true)";

std::string ms_text(double ms) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), ms < 10 ? "%.1f ms" : "%.0f ms", ms);
    return text.data();
}

class HealthCheck {
public:
    HealthCheck(PgSession& session, const HostClock& clock) : session_(session), clock_(clock) {}

    SyncResult<DatabaseHealth> run() {
        for (const auto check : {&HealthCheck::check_server, &HealthCheck::check_clock}) {
            if (const SyncResult<void> done = (this->*check)(); !done) {
                return done.error();
            }
        }
        check_rights();
        if (check_schema()) {
            check_triggers();
            check_poll();
            check_housekeeping();
        }
        return std::move(health_);
    }

private:
    void add(Severity severity, std::string subject, std::string message,
             std::string command = "") {
        health_.findings.push_back(
            {severity, std::move(subject), std::move(message), std::move(command)});
    }
    void add_error(const std::string& subject, const SyncError& error) {
        add(Severity::kFail, subject, error.message);
    }

    template <class Body>
    auto read(Body body) {
        return session_.transaction(PgAccess::kReadOnly, body);
    }

    SyncResult<void> check_server() {
        return read([this](PgTransaction& open) {
            const PgRows row = open.query(kServer);
            const std::string server = "PostgreSQL " + std::string(row.text(0, 1));
            is_former_ = row.boolean(0, 3);
            const auto version = row.integer(0, 0);
            if (version < kServerVersionMin) {
                add(Severity::kFail, "server", server + " is too old: 15 or later is needed");
            } else if (row.boolean(0, 2)) {
                add(Severity::kWarn, "server",
                    server +
                        " is a read-only standby: name the primary, or every host with "
                        "target_session_attrs=read-write");
            } else {
                add(version < kServerVersionTested ? Severity::kWarn : Severity::kOk, "server",
                    server +
                        (version < kServerVersionTested ? " is older than what is tested" : ""));
            }
        });
    }

    // The database's clock is read between two looks at ours; of several tries the quickest counts.
    SyncResult<void> check_clock() {
        return read([this](PgTransaction& open) {
            double best_trip = 0;
            double skew = 0;
            for (int attempt = 0; attempt < kPollCount; ++attempt) {
                const double before = clock_();
                const double theirs = open.query(kClock).number(0, 0);
                const double trip = clock_() - before;
                if (attempt == 0 || trip < best_trip) {
                    best_trip = trip;
                    skew = theirs - (before + trip / 2);
                }
            }
            const double apart = std::abs(skew);
            const std::string words = "the database's is " + ms_text(apart) +
                                      (skew < 0 ? " behind" : " ahead of") + " this host's";
            if (apart >= kSkewWarnMs) {
                add(apart >= kSkewFailMs ? Severity::kFail : Severity::kWarn, "clock",
                    words + ": events get other times than the dates of experiments",
                    "timedatectl set-ntp true");
            } else {
                add(Severity::kOk, "clock", words);
            }
        });
    }

    /// False: there is no use asking our tables.
    bool check_schema() {
        const SyncResult<int> version = schema_version(session_);
        if (!version) {
            add_error("schema", version.error());
            return false;
        }
        const int newest = newest_schema_version();
        const std::string words = "version " + std::to_string(*version);
        if (*version == newest) {
            add(Severity::kOk, "schema", words);
        } else if (*version > newest) {
            add(Severity::kFail, "schema",
                words + " is newer than this program, which knows " + std::to_string(newest) +
                    ": update the program");
        } else {
            const bool is_to_adopt = *version == 0 && is_former_;
            add(Severity::kFail, "schema",
                *version == 0 ? "the tables of burgee are not in this database"
                              : words + ", " + std::to_string(newest) + " is needed",
                is_to_adopt ? "burgee db adopt" : "burgee db migrate");
        }
        return *version > 0;
    }

    void check_triggers() {
        const SyncResult<void> done = read([this](PgTransaction& open) {
            const PgRows rows = open.query(kTriggers);
            std::size_t good = 0;
            for (std::size_t row = 0; row < rows.size(); ++row) {
                const std::string relation(rows.text(row, 0));
                const std::string name(rows.text(row, 1));
                if (!rows.boolean(row, 2)) {
                    add(Severity::kFail, "trigger",
                        name + " on " + relation +
                            " is missing: changes reach hosts late and have no history",
                        "psql --single-transaction -f migrations/005_create_burgee_schema.sql -f "
                        "migrations/006_create_experiment_tables.sql");
                } else if (!rows.boolean(row, 3)) {
                    add(Severity::kFail, "trigger",
                        name + " on " + relation +
                            " is disabled: changes reach hosts late and have no history",
                        "ALTER TABLE " + relation + " ENABLE TRIGGER " + name);
                } else {
                    ++good;
                }
            }
            if (good == rows.size()) {
                add(Severity::kOk, "triggers", std::to_string(good) + " present and enabled");
            }
        });
        if (!done) {
            add_error("triggers", done.error());
        }
    }

    void check_rights() {
        const SyncResult<void> done = read([this](PgTransaction& open) {
            if (!open.query(kMayUseSchema).boolean(0, 0)) {
                add(Severity::kFail, "rights", "this login may not use the schema burgee",
                    "GRANT burgee_reader TO CURRENT_USER");
                return;
            }
            const PgRows hidden = open.query(kHiddenRows);
            for (std::size_t row = 0; row < hidden.size(); ++row) {
                add(Severity::kFail, "rights",
                    "row security hides rows of " + std::string(hidden.text(row, 0)) +
                        " from this login: add a policy for burgee_reader");
            }
            const PgRows missing = open.query(kRights);
            if (open.query("SELECT to_regclass('burgee.revision') IS NULL").boolean(0, 0)) {
                return;  // the schema's own line says so
            }
            report_rights(missing);
        });
        if (!done) {
            add_error("rights", done.error());
        }
    }

    // A login that only reads is enough for much: only what it cannot even read FAILs.
    void report_rights(const PgRows& missing) {
        for (const std::string_view role : {"burgee_reader", "burgee_writer", "burgee_owner"}) {
            std::string tables;
            for (std::size_t row = 0; row < missing.size(); ++row) {
                if (missing.text(row, 0) == role) {
                    tables += (tables.empty() ? "" : ", ") + std::string(missing.text(row, 1));
                }
            }
            const std::string purpose = role == "burgee_reader"   ? "read flags"
                                        : role == "burgee_writer" ? "store events"
                                                                  : "change flags";
            if (tables.empty()) {
                add(Severity::kOk, "rights", "this login may " + purpose);
            } else {
                add(role == "burgee_reader" ? Severity::kFail : Severity::kWarn, "rights",
                    "this login may not " + purpose + ", it lacks " + tables,
                    "GRANT " + std::string(role) + " TO CURRENT_USER");
            }
        }
    }

    void check_poll() {
        std::vector<double> elapsed_ms;
        for (int attempt = 0; attempt < kPollCount; ++attempt) {
            const auto start = std::chrono::steady_clock::now();
            const auto row = read([](PgTransaction& open) { return read_revision(open); });
            if (!row) {
                add_error("poll", row.error());
                return;
            }
            health_.revision = row->revision;
            elapsed_ms.push_back(
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
                    .count());
        }
        std::sort(elapsed_ms.begin(), elapsed_ms.end());
        const double median_ms = elapsed_ms[kPollCount / 2];
        add(median_ms > kSlowPollMs ? Severity::kWarn : Severity::kOk, "poll",
            "revision " + std::to_string(*health_.revision) + " read in " + ms_text(median_ms));
    }

    void check_housekeeping() {
        SyncResult<Findings> found = read(audit_housekeeping);
        if (!found) {
            add_error("housekeeping", found.error());
            return;
        }
        std::move(found->begin(), found->end(), std::back_inserter(health_.findings));
    }

    PgSession& session_;
    const HostClock& clock_;
    DatabaseHealth health_;
    bool is_former_ = false;  // the metrics table is an ordinary one
};

}  // namespace

double host_clock_ms() {
    return std::chrono::duration<double, std::milli>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

SyncResult<DatabaseHealth> check_database(PgSession& session, const HostClock& clock) {
    return HealthCheck(session, clock).run();
}

}  // namespace burgee::sync
