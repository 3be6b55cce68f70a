// burgee doctor: looks at everything that can be wrong, and says what mends it. Changes nothing.

#include <chrono>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/findings.hpp"
#include "cli/host_health.hpp"
#include "sync/database_audit.hpp"
#include "sync/database_health.hpp"
#include "sync/listen_probe.hpp"

namespace burgee::cli {
namespace {

using sync::Findings;
using sync::Severity;

// What a person waits for. Chosen by feel.
constexpr std::chrono::milliseconds kListenTimeLimit{2'000};
constexpr std::chrono::milliseconds kCountTimeLimit{5'000};

constexpr std::string_view kInsufficientPrivilege = "42501";  // PostgreSQL, appendix A

void append(Findings& all, Findings more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
}

void check_listen(const sync::PgOptions& options, Findings& findings) {
    const auto elapsed = sync::probe_listen(options, kListenTimeLimit);
    if (elapsed) {
        findings.push_back(
            {Severity::kOk, "listen",
             "a notification arrived after " + std::to_string(elapsed->count()) + " us", ""});
    } else {
        findings.push_back({Severity::kWarn, "listen",
                            elapsed.error().message +
                                ": changes arrive with the next poll; give burgeed a connection "
                                "that is not pooled by transaction",
                            ""});
    }
}

/// Findings of a check that may fail as a whole.
template <class Value>
bool add_error(Findings& findings, const char* subject, const sync::SyncResult<Value>& result) {
    if (result.has_error()) {
        findings.push_back({Severity::kFail, subject, result.error().message, ""});
    }
    return result.has_error();
}

void check_metrics(sync::PgSession& session, Findings& findings) {
    const auto census = sync::count_metric_rows(session, kCountTimeLimit);
    if (census.has_error() && census.error().sqlstate == kInsufficientPrivilege) {
        findings.push_back(
            {Severity::kOk, "metric rows", "not looked at: this login may not read them", ""});
        return;
    }
    if (add_error(findings, "metric rows", census)) {
        return;
    }
    if (!*census) {
        findings.push_back({Severity::kOk, "metric rows",
                            "too many to count within " +
                                std::to_string(kCountTimeLimit.count() / 1'000) +
                                " s: not looked at",
                            ""});
        return;
    }
    append(findings, (*census)->findings);
    findings.push_back(
        {Severity::kOk, "metric rows", std::to_string((*census)->row_count) + " looked at", ""});
    const auto uncounted = sync::count_uncounted_rows(session, kCountTimeLimit);
    if (uncounted && *uncounted && **uncounted > 0) {
        findings.push_back({Severity::kWarn, "metric rows",
                            std::to_string(**uncounted) +
                                " were written by the former system since the adoption and are in "
                                "no result yet",
                            "burgee db adopt"});
    }
}

/// False: the database cannot be reached, and `findings` says so.
bool check_database(const Terminal& terminal, Findings& findings,
                    std::optional<std::uint64_t>& revision) {
    const sync::PgOptions options = database_options(terminal);
    sync::PgSession session(options);
    auto health = sync::check_database(session);
    if (health.has_error()) {
        findings.push_back({Severity::kFail, "database", failure_of(health.error()).what(), ""});
        return false;
    }
    revision = health->revision;
    append(findings, std::move(health->findings));
    check_listen(options, findings);
    const auto flags = sync::audit_flags(session);
    if (!add_error(findings, "flags", flags)) {
        append(findings, *flags);
        check_metrics(session, findings);
    }
    return true;
}

ExitCode run(Terminal& terminal) {
    Findings findings;
    std::optional<std::uint64_t> revision;
    const bool is_reachable = check_database(terminal, findings, revision);
    append(findings, check_host(terminal.options().directory, revision));
    if (terminal.is_json()) {
        JsonWriter json;
        json.begin_object().key("is_well").value(is_well(findings));
        json.key("findings");
        write_findings(json, findings);
        terminal.print_line(json.end_object().take());
    } else if (terminal.is_name()) {
        terminal.print_line(is_well(findings) ? "ok" : "FAIL");
    } else {
        terminal.print(findings_text(findings, terminal));
    }
    if (!is_reachable) {
        return ExitCode::kUnreachable;
    }
    return is_well(findings) ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

std::vector<Command> doctor_commands() {
    return {{"",
             "doctor",
             "Looks at the database, this host, flags and experiments, and says what mends them",
             {"burgee doctor", "burgee doctor -o json"},
             {},
             [](Terminal& terminal) { return run(terminal); }}};
}

}  // namespace burgee::cli
