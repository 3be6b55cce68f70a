// burgee db migrate: brings the database to the schema of this program.

#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/terminal.hpp"
#include "shm/json_text.hpp"
#include "sync/migrations.hpp"

namespace burgee::cli {
namespace {

std::string report_json(const sync::MigrationReport& report, bool is_dry_run) {
    JsonWriter json;
    json.begin_object().member("is_dry_run", is_dry_run);
    json.member("version_before", report.version_before);
    json.member("version_after", report.version_after).key("applied").begin_array();
    for (const sync::Migration& migration : report.applied) {
        json.begin_object().member("version", migration.version);
        json.member("file", migration.file_name);
        if (is_dry_run) {
            json.member("sql", migration.sql);
        }
        json.end_object();
    }
    return json.end_array().end_object().take();
}

ExitCode migrate(bool is_dry_run, Terminal& terminal) {
    sync::PgSession session(database_options(terminal));
    const sync::MigrationReport report = take(sync::migrate(
        session, is_dry_run ? sync::MigrateMode::kDryRun : sync::MigrateMode::kApply));
    if (terminal.is_json()) {
        terminal.print_line(report_json(report, is_dry_run));
        return ExitCode::kOk;
    }
    for (const sync::Migration& migration : report.applied) {
        const std::string name(migration.file_name);
        if (is_dry_run) {
            terminal.print_line("-- " + name + "\n" + std::string(migration.sql));
        } else {
            terminal.print_line(terminal.is_name() ? name : "applied " + name);
        }
    }
    if (report.applied.empty()) {
        terminal.advise("nothing to do: the schema is at version " +
                        std::to_string(report.version_before));
    } else if (is_dry_run) {
        terminal.advise("nothing was changed; next: burgee db migrate");
    } else {
        terminal.advise("the schema is at version " + std::to_string(report.version_after) +
                        "; next: burgee flag create NAME --status enabled");
    }
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> db_commands() {
    const auto is_dry_run = std::make_shared<bool>(false);
    return {
        {"db",
         "migrate",
         "Applies the migrations that the database lacks, in one transaction",
         {"burgee db migrate --dsn 'host=db.example dbname=app'", "burgee db migrate --dry-run"},
         {{"--dry-run", is_dry_run.get(), "prints the SQL and changes nothing"}},
         [is_dry_run](Terminal& terminal) { return migrate(*is_dry_run, terminal); }}};
}

}  // namespace burgee::cli
