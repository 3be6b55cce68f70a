// burgee db adopt: takes over a database of the former system in place, and says what was found.

#include <chrono>
#include <memory>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/findings.hpp"
#include "sync/adoption.hpp"
#include "sync/database_audit.hpp"

namespace burgee::cli {
namespace {

// A look at all rows: 100 million take about two minutes.
constexpr std::chrono::milliseconds kCensusTimeLimit{600'000};
constexpr std::uint64_t kProgressRows = 1'000'000;

/// Everything that one run has to say.
struct Report {
    bool is_dry_run = false;
    sync::AdoptionFacts facts;
    std::optional<sync::AdoptionReport> adopted;  ///< nothing in a dry run
    std::optional<sync::MetricCensus> census;     ///< nothing: too many rows to count
    sync::Findings findings;
};

std::string count_text(std::uint64_t count, const char* what) {
    return std::to_string(count) + " " + what;
}

void append(sync::Findings& all, sync::Findings more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
}

void write_counts(JsonWriter& json, const sync::BackfillState& state) {
    const sync::BackfillCounts& counts = state.counts;
    json.begin_object().key("round").value(state.round).key("rows").value(counts.row_count);
    json.key("counted").value(counts.folded).key("unknown").value(counts.unknown);
    json.key("without_unit").value(counts.without_unit);
    json.key("outside_dates").value(counts.outside_dates);
    json.key("unusable").value(counts.unusable);
    json.key("live").value(state.folds_later_rows).end_object();
}

void write_counts(JsonWriter& json, const sync::MetricCensus& census) {
    json.begin_object().key("rows").value(census.row_count);
    json.key("counted").value(census.countable);
    json.key("unknown").value(census.unknown_experiment + census.unknown_variant);
    json.key("without_unit").value(census.without_unit);
    json.key("outside_dates").value(census.outside_dates).end_object();
}

std::string report_json(const Report& report) {
    JsonWriter json;
    json.begin_object().key("is_dry_run").value(report.is_dry_run);
    json.key("schema_before").value(report.facts.schema_version);
    json.key("flags").value(report.facts.flag_count);
    json.key("experiments").value(report.facts.experiment_count);
    json.key("metrics");
    if (report.adopted) {
        write_counts(json, report.adopted->backfill);
        json.key("schema_after").value(report.adopted->migrations.version_after);
        json.key("settings").begin_object();
        for (const auto& [name, value] : report.adopted->settings) {
            json.key(name).value(value);
        }
        json.end_object();
    } else if (report.census) {
        write_counts(json, *report.census);
    } else {
        json.null();
    }
    json.key("findings");
    write_findings(json, report.findings);
    return json.end_object().take();
}

std::string what_was_found(const sync::AdoptionFacts& facts) {
    return "found     " + count_text(facts.flag_count, "flags, ") +
           count_text(facts.experiment_count, "experiments, about ") +
           count_text(facts.metric_rows_about, "metric rows; schema of burgee: ") +
           (facts.schema_version == 0 ? "none" : std::to_string(facts.schema_version)) + "\n";
}

std::string what_would_happen(const Report& report) {
    std::string text;
    if (report.facts.schema_version < sync::newest_schema_version()) {
        text +=
            "would     create the schema burgee, three columns of ab_test_metrics and the "
            "triggers (burgee db migrate --dry-run prints the SQL)\n";
    }
    text +=
        "would     set default_bucketing = legacy_md5 and legacy_canary = off where they are "
        "not set; change no row of yours\n";
    if (report.census) {
        const sync::MetricCensus& census = *report.census;
        text += "would     count " + count_text(census.countable, "of ") +
                count_text(census.row_count, "metric rows; ") +
                count_text(census.outside_dates, "lie outside the dates, ") +
                count_text(census.without_unit, "have no unit, ") +
                count_text(census.unknown_experiment + census.unknown_variant,
                           "no known experiment or variant\n");
    }
    return text;
}

std::string what_was_done(const sync::AdoptionReport& adopted) {
    const sync::MigrationReport& migrations = adopted.migrations;
    std::string text = "schema    " + std::to_string(migrations.version_after) +
                       (migrations.applied.empty() ? ", as it was\n" : ", created\n");
    for (const auto& [name, value] : adopted.settings) {
        text += "setting   " + name + " = " + value + "\n";
    }
    const sync::BackfillCounts& counts = adopted.backfill.counts;
    return text + "metrics   round " + std::to_string(adopted.backfill.round) + ": counted " +
           count_text(counts.folded, "of ") + count_text(counts.row_count, "rows; ") +
           count_text(counts.outside_dates, "lie outside the dates, ") +
           count_text(counts.without_unit, "have no unit, ") +
           count_text(counts.unknown, "no known experiment or variant, ") +
           count_text(counts.unusable, "no usable value\n") +
           (adopted.backfill.folds_later_rows ? "later     rows that others write count at once\n"
                                              : "");
}

/// Which rows count for nothing, and what is wrong with flags and experiments.
void look_at_rows(sync::PgSession& session, Report& report) {
    report.census = take(sync::count_metric_rows(session, kCensusTimeLimit));
    if (report.census) {
        append(report.findings, report.census->findings);
    }
    append(report.findings, take(sync::audit_flags(session)));
}

void adopt_now(Report& report, const std::string& live, const Terminal& terminal) {
    std::uint64_t next_line = kProgressRows;
    const auto progress = [&](const sync::BackfillState& state) {
        if (state.counts.row_count >= next_line) {
            terminal.advise(count_text(state.counts.row_count, "rows of about ") +
                            count_text(report.facts.metric_rows_about, "done"));
            next_line += kProgressRows;
        }
    };
    const auto folds_later_rows = live.empty() ? std::nullopt : std::optional(live == "on");
    report.adopted = take(sync::adopt(database_options(terminal), progress, folds_later_rows));
    for (const auto& [name, value] : report.adopted->settings) {
        if (name == "default_bucketing" && value != "legacy_md5") {
            report.findings.push_back(
                {sync::Severity::kWarn, "setting " + name,
                 "is " + value +
                     ": flags that name no bucketing give their users other variants "
                     "than the former system",
                 "UPDATE burgee.settings SET value = 'legacy_md5' WHERE name = "
                 "'default_bucketing'"});
        }
    }
}

ExitCode adopt(bool is_dry_run, const std::string& live, Terminal& terminal) {
    Report report;
    report.is_dry_run = is_dry_run;
    sync::PgOptions options = database_options(terminal);
    options.statement_timeout = kCensusTimeLimit;
    sync::PgSession session(options);
    report.facts = take(sync::look_before_adopting(session));
    append(report.findings, report.facts.findings);
    const bool is_possible = is_well(report.findings);
    if (is_possible) {
        if (!is_dry_run) {
            adopt_now(report, live, terminal);
        }
        look_at_rows(session, report);
    }
    if (terminal.is_json()) {
        terminal.print_line(report_json(report));
    } else if (!terminal.is_name()) {
        terminal.print(what_was_found(report.facts));
        if (is_possible) {
            terminal.print(is_dry_run ? what_would_happen(report) : what_was_done(*report.adopted));
        }
        terminal.print("\n" + findings_text(report.findings, terminal));
    }
    if (!is_possible) {
        throw Failure(ExitCode::kFailed,
                      "this database cannot be adopted as it is; nothing was "
                      "changed");
    }
    terminal.advise(is_dry_run ? "nothing was changed; next: burgee db adopt"
                               : "next: start burgeed on a host, then burgee doctor");
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> db_adopt_commands() {
    const auto is_dry_run = std::make_shared<bool>(false);
    const auto live = std::make_shared<std::string>();
    return {
        {"db",
         "adopt",
         "Takes over a database of the Python system in place; nobody's variant changes",
         {"burgee db adopt --dry-run", "burgee db adopt --dsn 'host=db.example dbname=app'"},
         {{"--dry-run", is_dry_run.get(), "says what was found and would be done"},
          {.name = "--live",
           .target = live.get(),
           .help = "whether rows that others write later count at once, by a trigger",
           .choices = {"on", "off"}}},
         [is_dry_run, live](Terminal& terminal) { return adopt(*is_dry_run, *live, terminal); }}};
}

}  // namespace burgee::cli
