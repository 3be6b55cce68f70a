#include "sync/experiment_store.hpp"

#include <simdjson.h>
#include <cmath>
#include <string_view>
#include <utility>

#include "sync/metric_rows.hpp"

namespace burgee::sync {
namespace {

constexpr double kDaysMax = 3'650;
constexpr std::size_t kNameSizeMax = 256;  // as for flags

// A flag without a list of variants has none; one without a name is called by an empty text.
#define BURGEE_SELECT_EXPERIMENTS                                                      \
    "SELECT e.id, e.name, f.name, coalesce(e.hypothesis, ''),"                         \
    "  coalesce(e.success_metrics, '[]')::text, coalesce(e.status, 'active'),"         \
    "  (extract(epoch FROM e.start_date) * 1000)::bigint,"                             \
    "  (extract(epoch FROM e.end_date) * 1000)::bigint,"                               \
    "  (extract(epoch FROM e.created_at) * 1000)::bigint,"                             \
    "  coalesce((SELECT max(p.phase) FROM burgee.experiment_phases p"                  \
    "            WHERE p.experiment_id = e.id), 1),"                                   \
    "  f.status,"                                                                      \
    "  CASE WHEN jsonb_typeof(f.variants) = 'array'"                                   \
    "       THEN jsonb_path_query_array(f.variants, '$[*].name')::text ELSE '[]' END " \
    "FROM public.ab_test_experiments e JOIN public.feature_flags f ON f.id = e.feature_flag_id "

constexpr const char* kSelectAll = BURGEE_SELECT_EXPERIMENTS
    "WHERE $1 = '' OR e.status = $1 ORDER BY e.created_at DESC NULLS LAST, e.name, e.id";
constexpr const char* kSelectByName = BURGEE_SELECT_EXPERIMENTS "WHERE e.name = $1";
constexpr const char* kSelectById = BURGEE_SELECT_EXPERIMENTS "WHERE e.id = $1";
#undef BURGEE_SELECT_EXPERIMENTS

// Locks the flag, so that two people cannot start two experiments on it at the same time.
constexpr const char* kSelectFlag =
    "SELECT f.id, f.status, CASE WHEN jsonb_typeof(f.variants) = 'array'"
    "                            THEN jsonb_array_length(f.variants) ELSE 0 END"
    " FROM public.feature_flags f WHERE f.name = $1 FOR UPDATE";
constexpr const char* kSelectActive =
    "SELECT name FROM public.ab_test_experiments"
    " WHERE feature_flag_id = $1 AND status = 'active' AND (end_date IS NULL OR end_date > now())"
    "  AND ($2::uuid IS NULL OR id <> $2)";
constexpr const char* kInsert =
    "INSERT INTO public.ab_test_experiments"
    " (feature_flag_id, name, hypothesis, success_metrics, start_date, end_date, status) "
    "VALUES ($1, $2, nullif($3, ''), $4, now(), now() + $5 * interval '1 day', 'active') RETURNING "
    "id";
constexpr const char* kSetStatus =
    "UPDATE public.ab_test_experiments SET status = $2 WHERE id = $1";
constexpr const char* kEnd =
    "UPDATE public.ab_test_experiments"
    " SET status = $2, end_date = least(coalesce(end_date, now()), now()) WHERE id = $1";
constexpr const char* kLockExperiment =
    "SELECT status, feature_flag_id FROM public.ab_test_experiments WHERE id = $1 FOR UPDATE";
constexpr const char* kSetWhy = "SELECT set_config('burgee.why', $1, true)";

[[noreturn]] void refuse(SyncErrorKind kind, std::string message) {
    throw SyncFailure(kind, std::move(message));
}

std::vector<std::string> names_of(std::string_view json) {
    std::vector<std::string> names;
    simdjson::dom::parser parser;
    simdjson::dom::array array;
    if (parser.parse(simdjson::padded_string(json)).get(array) != simdjson::SUCCESS) {
        return names;
    }
    for (const simdjson::dom::element element : array) {
        std::string_view name;
        if (element.get(name) == simdjson::SUCCESS) {
            names.emplace_back(name);
        }
    }
    return names;
}

ExperimentRow experiment_at(const PgRows& rows, std::size_t row) {
    const auto optional_integer = [&](std::size_t column) {
        return rows.is_null(row, column) ? std::nullopt : std::optional(rows.integer(row, column));
    };
    ExperimentRow experiment;
    experiment.id = parse_uuid(rows.text(row, 0)).value_or(Uuid{});
    experiment.name = rows.text(row, 1);
    experiment.flag_name = rows.text(row, 2);
    experiment.hypothesis = rows.text(row, 3);
    experiment.success_metrics_json = rows.text(row, 4);
    experiment.status = rows.text(row, 5);
    experiment.start_unix_ms = optional_integer(6).value_or(0);
    experiment.end_unix_ms = optional_integer(7);
    experiment.created_unix_ms = optional_integer(8).value_or(0);
    experiment.phase = static_cast<std::uint32_t>(rows.integer(row, 9));
    experiment.flag_status = rows.text(row, 10);
    experiment.variants = names_of(rows.text(row, 11));
    return experiment;
}

ExperimentRow find(PgTransaction& open, const std::string& name_or_id) {
    const bool is_id = parse_uuid(name_or_id).has_value();
    const PgRows rows = open.query(is_id ? kSelectById : kSelectByName, {name_or_id});
    if (rows.empty()) {
        refuse(SyncErrorKind::kNotFound,
               "no experiment is called '" + name_or_id + "' (see `burgee experiment list`)");
    }
    if (rows.size() > 1) {
        refuse(SyncErrorKind::kInvalid, std::to_string(rows.size()) + " experiments are called '" +
                                            name_or_id + "': name one by its id");
    }
    return experiment_at(rows, 0);
}

void check(const NewExperiment& wanted) {
    if (wanted.name.empty() || wanted.name.size() > kNameSizeMax) {
        refuse(SyncErrorKind::kInvalid, "an experiment's name has 1 to 256 bytes");
    }
    if (!(wanted.days > 0 && wanted.days <= kDaysMax)) {
        refuse(SyncErrorKind::kInvalid, "an experiment runs for more than 0 and at most 3650 days");
    }
    simdjson::dom::parser parser;
    simdjson::dom::array metrics;
    if (parser.parse(simdjson::padded_string(wanted.success_metrics_json)).get(metrics) !=
        simdjson::SUCCESS) {
        refuse(SyncErrorKind::kInvalid, "success metrics are a JSON array, not " +
                                            wanted.success_metrics_json.substr(0, 80));
    }
}

void refuse_second_active(PgTransaction& open, const std::string& flag_id, const PgValue& except) {
    const PgRows active = open.query(kSelectActive, {flag_id, except});
    if (!active.empty()) {
        refuse(SyncErrorKind::kInvalid, "the flag has an active experiment already: '" +
                                            std::string(active.text(0, 0)) +
                                            "'; complete or pause it first");
    }
}

std::string status_after(ExperimentChange change) {
    switch (change) {
        case ExperimentChange::kPause:
            return "paused";
        case ExperimentChange::kResume:
            return "active";
        case ExperimentChange::kComplete:
            return "completed";
        case ExperimentChange::kCancel:
            return "cancelled";
    }
    return "";
}

bool is_possible(ExperimentChange change, std::string_view status) {
    switch (change) {
        case ExperimentChange::kPause:
            return status == "active";
        case ExperimentChange::kResume:
            return status == "paused";
        case ExperimentChange::kComplete:
        case ExperimentChange::kCancel:
            return status == "active" || status == "paused";
    }
    return false;
}

}  // namespace

std::string to_text(const Uuid& id) {
    std::string text;
    append_uuid(text, id);
    return text;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
    if (text.size() != 36) {
        return std::nullopt;
    }
    Uuid id{};
    std::size_t digit = 0;
    for (std::size_t index = 0; index < text.size(); ++index) {
        const char symbol = text[index];
        if (index == 8 || index == 13 || index == 18 || index == 23) {
            if (symbol != '-') {
                return std::nullopt;
            }
            continue;
        }
        int value = 0;
        if (symbol >= '0' && symbol <= '9') {
            value = symbol - '0';
        } else if (symbol >= 'a' && symbol <= 'f') {
            value = symbol - 'a' + 10;
        } else if (symbol >= 'A' && symbol <= 'F') {
            value = symbol - 'A' + 10;
        } else {
            return std::nullopt;
        }
        id[digit / 2] = static_cast<std::uint8_t>(id[digit / 2] * 16 + value);
        ++digit;
    }
    return id;
}

SyncResult<ExperimentRow> create_experiment(PgSession& session, const NewExperiment& wanted,
                                            WriteMode mode) {
    return session.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        check(wanted);
        begin_write(open, mode);
        open.query(kSetWhy, {wanted.why});
        const PgRows flag = open.query(kSelectFlag, {wanted.flag_name});
        if (flag.empty()) {
            refuse(SyncErrorKind::kNotFound, "no flag is called '" + wanted.flag_name + "'");
        }
        if (flag.text(0, 1) != "ab_test" || flag.integer(0, 2) < 2) {
            refuse(SyncErrorKind::kInvalid,
                   "an experiment needs a flag with status ab_test and two variants or more; '" +
                       wanted.flag_name + "' is " + std::string(flag.text(0, 1)) + " with " +
                       std::string(flag.text(0, 2)));
        }
        const std::string flag_id(flag.text(0, 0));
        refuse_second_active(open, flag_id, std::nullopt);
        const PgRows inserted =
            open.query(kInsert, {flag_id, wanted.name, wanted.hypothesis,
                                 wanted.success_metrics_json, std::to_string(wanted.days)});
        ExperimentRow row = find(open, std::string(inserted.text(0, 0)));
        end_write(open, mode);
        return row;
    });
}

SyncResult<std::vector<ExperimentRow>> list_experiments(PgSession& session,
                                                        const std::string& status) {
    return session.transaction(PgAccess::kReadOnly, [&](PgTransaction& open) {
        const PgRows rows = open.query(kSelectAll, {status});
        std::vector<ExperimentRow> experiments;
        experiments.reserve(rows.size());
        for (std::size_t row = 0; row < rows.size(); ++row) {
            experiments.push_back(experiment_at(rows, row));
        }
        return experiments;
    });
}

SyncResult<ExperimentRow> find_experiment(PgSession& session, const std::string& name_or_id) {
    return session.transaction(PgAccess::kReadOnly,
                               [&](PgTransaction& open) { return find(open, name_or_id); });
}

SyncResult<ExperimentRow> change_experiment(PgSession& session, const std::string& name_or_id,
                                            ExperimentChange change, const std::string& why,
                                            WriteMode mode) {
    return session.transaction(PgAccess::kReadWrite, [&](PgTransaction& open) {
        begin_write(open, mode);
        const std::string id = to_text(find(open, name_or_id).id);
        const PgRows locked = open.query(kLockExperiment, {id});
        const std::string status(locked.text(0, 0));
        const std::string wanted = status_after(change);
        if (!is_possible(change, status)) {
            refuse(SyncErrorKind::kInvalid,
                   status == wanted
                       ? "the experiment is " + status + " already"
                       : "the experiment is " + status + " and cannot become " + wanted);
        }
        open.query(kSetWhy, {why});
        if (change == ExperimentChange::kResume) {
            refuse_second_active(open, std::string(locked.text(0, 1)), id);
        }
        const bool is_end =
            change == ExperimentChange::kComplete || change == ExperimentChange::kCancel;
        open.query(is_end ? kEnd : kSetStatus, {id, wanted});
        ExperimentRow row = find(open, id);
        end_write(open, mode);
        return row;
    });
}

}  // namespace burgee::sync
