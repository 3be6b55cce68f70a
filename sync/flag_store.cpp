#include "sync/flag_store.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "sync/flag_check.hpp"
#include "sync/flag_queries.hpp"
#include "sync/flag_store_sql.hpp"
#include "sync/flag_text.hpp"
#include "sync/migrations.hpp"

namespace burgee::sync {
namespace {

std::string number_text(double number) {
    std::array<char, 32> text{};
    const auto written = std::to_chars(text.data(), text.data() + text.size(), number);
    return {text.data(), written.ptr};
}

PgValue number_text(const std::optional<double>& number) {
    return number ? PgValue(number_text(*number)) : PgValue();
}

FlagRow flag_row(const PgRows& rows, std::size_t row) {
    FlagRow flag;
    flag.name = rows.value(row, 0).value_or("");
    flag.description = rows.value(row, 1);
    flag.status = rows.value(row, 2).value_or("");
    flag.rollout_percentage = rows.number(row, 3);
    flag.segments_json = rows.text(row, 4);
    flag.variants_json = rows.text(row, 5);
    flag.metadata_json = rows.text(row, 6);
    flag.expires_at = rows.value(row, 7);
    flag.created_at = rows.value(row, 8).value_or("");
    flag.updated_at = rows.value(row, 9).value_or("");
    flag.revision = static_cast<std::uint64_t>(rows.integer(row, 10));
    if (!rows.is_null(row, 11)) {
        flag.changed_seconds_ago = rows.integer(row, 11);
    }
    flag.is_expired = rows.boolean(row, 12);
    return flag;
}

std::optional<FlagRow> find_row(PgTransaction& open, const std::string& name) {
    const PgRows rows = open.query(kRows, {name});
    return rows.empty() ? std::nullopt : std::optional(flag_row(rows, 0));
}

/// Says of each row whether hosts take it. `names`: those of the rows; nothing: all rows.
void judge(PgTransaction& open, std::vector<FlagRow>& flags,
           const std::optional<std::vector<std::string>>& names) {
    const FlagSettings settings = read_settings(open);
    std::map<std::string, FlagVerdict> verdicts;
    for (const RawFlag& row : read_flags(open, names)) {
        verdicts.emplace(row.name.value_or(""), check_flag(row, settings));
    }
    for (FlagRow& flag : flags) {
        const auto found = verdicts.find(flag.name);
        if (found != verdicts.end()) {
            flag.is_refused = !found->second.flag;
            flag.has_warnings = !found->second.problems.empty();
        }
    }
}

[[noreturn]] void throw_not_found(const std::string& name) {
    throw SyncFailure(SyncErrorKind::kNotFound, "there is no flag \"" + shown_name(name) + "\"");
}

[[noreturn]] void throw_refused(std::vector<FlagProblem> problems) {
    std::erase_if(problems, [](const FlagProblem& problem) { return !problem.is_refused; });
    throw SyncFailure(SyncErrorKind::kInvalid, to_line(problems));
}

void note_reason(PgTransaction& open, const std::string& why) {
    open.query("SELECT set_config('burgee.why', $1, true)", {why});
}

/// "" and "never" mean no expiry.
PgValue expiry_of(const std::optional<std::string>& written) {
    return written && written->empty() ? PgValue("never") : written;
}

/// The server's word about a time that it cannot read, in ours: the only time we send is this one.
SyncResult<FlagWritten> with_time_named(SyncResult<FlagWritten> result,
                                        const std::optional<std::string>& expires_at) {
    const bool is_about_time = result.has_error() && (result.error().sqlstate == "22007" ||
                                                      result.error().sqlstate == "22008");
    if (!is_about_time) {
        return result;
    }
    SyncError error = result.error();
    error.message = "expires_at is no time: \"" + shown_text(expires_at.value_or("")) +
                    "\"; write one such as 2027-01-31T12:00:00Z, or never";
    return error;
}

/// Checks values before the database sees them, because we name the field and it names a
/// constraint.
void check_before(PgTransaction& open, const FlagRow& row) {
    RawFlag raw;
    raw.name = row.name;
    raw.status = row.status;
    raw.rollout_percentage = number_text(row.rollout_percentage);
    raw.segments = row.segments_json;
    raw.variants = row.variants_json;
    raw.metadata = row.metadata_json;
    FlagVerdict verdict = check_flag(raw, read_settings(open));
    if (!verdict.flag) {
        throw_refused(std::move(verdict.problems));
    }
}

/// Checks the row as hosts will read it; throws, and so undoes the change, when they would refuse
/// it.
std::vector<FlagProblem> check_after(PgTransaction& open, const std::string& name) {
    const std::vector<RawFlag> rows = read_flags(open, std::vector<std::string>{name});
    if (rows.empty()) {
        throw_not_found(name);
    }
    FlagVerdict verdict = check_flag(rows.front(), read_settings(open));
    if (!verdict.flag) {
        throw_refused(std::move(verdict.problems));
    }
    if (verdict.flag->strategy == Strategy::kRandom &&
        is_random_with_experiment(*verdict.flag, read_experiments(open).experiments)) {
        throw_refused({random_with_experiment(*verdict.flag)});
    }
    return std::move(verdict.problems);
}

/// Runs the deferred triggers now, so that the revision of this change is known before the commit.
FlagWritten finish(PgTransaction& open, const std::string& name,
                   std::vector<FlagProblem> warnings) {
    open.script("SET CONSTRAINTS ALL IMMEDIATE");
    const PgRows rows = open.query(kRevisionAndExpiry, {name});
    FlagWritten written;
    written.revision = rows.empty() ? 0 : static_cast<std::uint64_t>(rows.integer(0, 0));
    written.is_changed = !rows.empty() && rows.boolean(0, 1);
    written.warnings = std::move(warnings);
    if (!rows.empty() && rows.boolean(0, 2)) {
        written.warnings.push_back(
            {shown_name(name), "expires_at",
             "has passed: hosts answer off with reason EXPIRED until it is set anew", false});
    }
    return written;
}

/// The whole row as JSON text that `name` is to have again.
std::string former_state(PgTransaction& open, const std::string& name,
                         std::optional<std::uint64_t> revision) {
    const PgRows rows = revision ? open.query(kStateAt, {name, std::to_string(*revision)})
                                 : open.query(kStateBeforeLast, {name});
    if (rows.empty()) {
        throw SyncFailure(SyncErrorKind::kNotFound,
                          "the history knows no flag \"" + shown_name(name) + "\"" +
                              (revision ? " at revision " + std::to_string(*revision) : ""));
    }
    if (rows.is_null(0, 0)) {
        throw SyncFailure(
            SyncErrorKind::kNotFound,
            "flag \"" + shown_name(name) + "\" did not exist " +
                (revision ? "at revision " + std::to_string(*revision) : "before its last change") +
                ": delete it to go back there");
    }
    return std::string(rows.text(0, 0));
}

}  // namespace

SyncResult<std::vector<FlagRow>> FlagStore::list() {
    return session_.transaction(PgAccess::kReadOnly, [](PgTransaction& open) {
        require_schema(open);
        const PgRows rows = open.query(kRows, {PgValue()});
        std::vector<FlagRow> flags;
        for (std::size_t row = 0; row < rows.size(); ++row) {
            flags.push_back(flag_row(rows, row));
        }
        judge(open, flags, std::nullopt);
        return flags;
    });
}

SyncResult<FlagRow> FlagStore::show(const std::string& name) {
    return session_.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        require_schema(open);
        const PgRows rows = open.query(kRows, {name});
        if (rows.empty()) {
            throw_not_found(name);
        }
        std::vector<FlagRow> flags{flag_row(rows, 0)};
        judge(open, flags, std::vector<std::string>{name});
        return flags.front();
    });
}

/// What every change has in common; `change(PgTransaction&)` makes it and gives a FlagWritten.
template <class Change>
SyncResult<FlagWritten> FlagStore::write(const std::string& name, const std::string& why,
                                         Change&& change) {
    return session_.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        require_schema(open);
        begin_write(open, mode_);
        const bool is_dry = mode_ == WriteMode::kDryRun;
        const std::optional<FlagRow> before = is_dry ? find_row(open, name) : std::nullopt;
        note_reason(open, why);
        FlagWritten written = change(open);
        if (is_dry) {
            written.before = before;
            written.after = find_row(open, name);
        }
        end_write(open, mode_);
        return written;
    });
}

SyncResult<FlagWritten> FlagStore::create(const FlagRow& row, const std::string& why) {
    auto result = write(row.name, why, [&](PgTransaction& open) {
        check_before(open, row);
        const PgRows written =
            open.query(kCreate, {row.name, row.description, row.status,
                                 number_text(row.rollout_percentage), row.segments_json,
                                 row.variants_json, row.metadata_json, expiry_of(row.expires_at)});
        if (written.affected() == 0) {
            throw SyncFailure(
                SyncErrorKind::kAlreadyExists,
                "there is a flag \"" + shown_name(row.name) + "\" already: change it instead");
        }
        return finish(open, row.name, check_after(open, row.name));
    });
    return with_time_named(std::move(result), row.expires_at);
}

SyncResult<FlagWritten> FlagStore::update(const std::string& name, const FlagEdit& edit,
                                          const std::string& why) {
    auto result = write(name, why, [&](PgTransaction& open) {
        if (open.query(kLock, {name}).empty()) {
            throw_not_found(name);
        }
        FlagRow row = flag_row(open.query(kRows, {name}), 0);
        row.status = edit.status.value_or(row.status);
        row.rollout_percentage = edit.rollout_percentage.value_or(row.rollout_percentage);
        row.segments_json = edit.segments_json.value_or(row.segments_json);
        row.variants_json = edit.variants_json.value_or(row.variants_json);
        row.metadata_json = edit.metadata_json.value_or(row.metadata_json);
        check_before(open, row);
        open.query(kUpdate, {name, edit.description, edit.status,
                             number_text(edit.rollout_percentage), edit.segments_json,
                             edit.variants_json, edit.metadata_json, expiry_of(edit.expires_at)});
        return finish(open, name, check_after(open, name));
    });
    return with_time_named(std::move(result), edit.expires_at);
}

SyncResult<FlagWritten> FlagStore::remove(const std::string& name, const std::string& why) {
    return write(name, why, [&](PgTransaction& open) {
        open.query(kLock, {name});
        const PgRows experiments = open.query(kLockExperiments, {name});
        std::vector<std::string> removed;
        for (std::size_t row = 0; row < experiments.size(); ++row) {
            removed.emplace_back(experiments.text(row, 0));
            if (experiments.boolean(row, 1)) {
                throw SyncFailure(
                    SyncErrorKind::kInvalid,
                    "flag \"" + shown_name(name) + "\" has the active experiment \"" +
                        shown_text(removed.back()) +
                        "\", which would be deleted with it for good: complete it first (burgee "
                        "experiment complete), or switch the flag off instead");
            }
        }
        if (open.query(kRemove, {name}).affected() == 0) {
            throw_not_found(name);
        }
        FlagWritten written = finish(open, name, {});
        written.experiments_removed = std::move(removed);
        return written;
    });
}

SyncResult<std::vector<FlagHistoryEntry>> FlagStore::history(const std::string& name) {
    return session_.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        require_schema(open);
        const PgRows rows = open.query(kHistory, {name});
        if (rows.empty() && open.query(kRows, {name}).empty()) {
            throw SyncFailure(SyncErrorKind::kNotFound,
                              "there is no flag \"" + shown_name(name) + "\" and never was");
        }
        std::vector<FlagHistoryEntry> entries;
        for (std::size_t row = 0; row < rows.size(); ++row) {
            entries.push_back({static_cast<std::uint64_t>(rows.integer(row, 0)),
                               std::string(rows.text(row, 1)), std::string(rows.text(row, 2)),
                               std::string(rows.text(row, 3)), rows.value(row, 4),
                               rows.value(row, 5), rows.value(row, 6)});
        }
        return entries;
    });
}

SyncResult<FlagWritten> FlagStore::rollback(const std::string& name,
                                            std::optional<std::uint64_t> to_revision,
                                            const std::string& why) {
    return write(name, why, [&](PgTransaction& open) {
        open.query(kLock, {name});
        open.query(kRestore, {former_state(open, name, to_revision)});
        return finish(open, name, check_after(open, name));
    });
}

SyncResult<std::vector<FlagProblem>> FlagStore::problems() {
    return session_.transaction(PgAccess::kReadOnly, [](PgTransaction& open) {
        require_schema(open);
        const FlagSettings settings = read_settings(open);
        std::vector<FlagProblem> problems = read_experiments(open).problems;
        for (const RawFlag& row : read_flags(open, std::nullopt)) {
            FlagVerdict verdict = check_flag(row, settings);
            problems.insert(problems.end(), verdict.problems.begin(), verdict.problems.end());
        }
        return problems;
    });
}

}  // namespace burgee::sync
