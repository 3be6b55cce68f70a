#include "sync/cell_dictionary.hpp"

#include <algorithm>
#include <burgee/checksum.hpp>
#include <limits>
#include <pqxx/pqxx>

#include "shm/assertion.hpp"
#include "shm/json_text.hpp"
#include "sync/metric_rows.hpp"

namespace burgee::sync {
namespace {

// Experiments that can still get events: a client's clock may lag by at most seven days. One more
// day is for hosts that were offline. Older ones are read when an event names them. An unknown date
// is no bound; an infinite one is what the flag reader takes it for. Variants are those of the flag
// and those that ever had a cell, so that renaming one does not orphan events under way.
constexpr const char* kSelectExperiments =
    "SELECT e.id, coalesce((SELECT max(p.phase) FROM burgee.experiment_phases p"
    "                       WHERE p.experiment_id = e.id), 1),"
    "  CASE WHEN isfinite(e.start_date)"
    "       THEN floor(extract(epoch FROM e.start_date) * 1000)::bigint"
    "       WHEN e.start_date = 'infinity' THEN 9223372036854775807 END,"
    "  CASE WHEN isfinite(e.end_date)"
    "       THEN floor(extract(epoch FROM e.end_date) * 1000)::bigint"
    "       WHEN e.end_date = '-infinity' THEN -9223372036854775807 END "
    "FROM public.ab_test_experiments e "
    "WHERE CASE WHEN $1 = '' THEN e.status IN ('active', 'paused')"
    "                             OR e.end_date > now() - interval '8 days'"
    "           ELSE e.id = ANY ($1::uuid[]) END";
constexpr const char* kSelectVariants =
    "SELECT e.id, v.value ->> 'name' FROM public.ab_test_experiments e"
    " JOIN public.feature_flags f ON f.id = e.feature_flag_id"
    " CROSS JOIN LATERAL jsonb_array_elements(CASE WHEN jsonb_typeof(f.variants) = 'array'"
    "                                              THEN f.variants ELSE '[]' END) v"
    " WHERE e.id = ANY ($1::uuid[]) AND jsonb_typeof(v.value -> 'name') = 'string' "
    "UNION SELECT c.experiment_id, c.variant FROM burgee.cells c"
    " WHERE c.experiment_id = ANY ($1::uuid[])";
constexpr const char* kInsertCells =
    "INSERT INTO burgee.cells (experiment_id, phase, variant, metric, randomised) "
    "SELECT w.experiment_id, w.phase, w.variant, w.metric, w.randomised"
    " FROM jsonb_to_recordset($1::jsonb) AS w(place int, experiment_id uuid, phase int,"
    "   variant text, metric text, randomised boolean)"
    " ORDER BY w.experiment_id, w.phase, w.variant, w.metric, w.randomised "
    "ON CONFLICT DO NOTHING";
constexpr const char* kSelectCells =
    "SELECT w.place, c.cell FROM jsonb_to_recordset($1::jsonb) AS w(place int, experiment_id uuid,"
    "   phase int, variant text, metric text, randomised boolean)"
    " JOIN burgee.cells c ON c.experiment_id = w.experiment_id AND c.phase = w.phase"
    "  AND c.variant = w.variant AND c.metric = w.metric AND c.randomised = w.randomised";

Uuid uuid_of(const pqxx::field& field) {
    const std::string_view text = field.c_str();
    BURGEE_ASSERT(text.size() == 36);
    Uuid id{};
    std::size_t digit = 0;
    for (const char symbol : text) {
        if (symbol == '-') {
            continue;
        }
        const int value = symbol <= '9' ? symbol - '0' : symbol - 'a' + 10;
        id[digit / 2] = static_cast<std::uint8_t>(id[digit / 2] * 16 + value);
        ++digit;
    }
    return id;
}

std::string uuid_array(const std::vector<Uuid>& ids) {
    std::string text = "{";
    for (const Uuid& id : ids) {
        text += text.size() > 1 ? "," : "";
        append_uuid(text, id);
    }
    return text + "}";
}

std::uint64_t hash_of(const Uuid& experiment, std::uint32_t phase, bool is_randomised,
                      std::string_view variant, std::string_view metric) {
    const std::uint64_t seed = hash64(experiment.data(), experiment.size(),
                                      std::uint64_t{phase} * 2 + (is_randomised ? 1 : 0));
    return hash64(metric, hash64(variant, seed));
}

}  // namespace

const char* to_text(CellProblem problem) {
    switch (problem) {
        case CellProblem::kUnknownExperiment:
            return "unknown experiment";
        case CellProblem::kUnknownVariant:
            return "unknown variant";
        case CellProblem::kUnknownPhase:
            return "unknown phase";
    }
    return "unknown";
}

std::size_t CellDictionary::UuidHash::operator()(const Uuid& id) const {
    return hash64(id.data(), id.size());
}

void CellDictionary::forget() {
    cells_.clear();
    std::fill(slots_.begin(), slots_.end(), 0U);
    experiments_.clear();
    revision_ = -1;
}

void CellDictionary::refresh(pqxx::transaction_base& transaction) {
    const auto revision =
        transaction.exec("SELECT value FROM burgee.revision").at(0)[0].as<std::int64_t>();
    if (is_full()) {
        cells_.clear();
        std::fill(slots_.begin(), slots_.end(), 0U);
    }
    if (revision == revision_) {
        return;
    }
    revision_ = -1;  // stays so when reading fails half way
    std::vector<Uuid> known;
    for (const auto& [id, experiment] : experiments_) {
        known.push_back(id);
    }
    experiments_.clear();
    read_experiments(transaction, "");
    std::erase_if(known, [this](const Uuid& id) { return experiments_.contains(id); });
    load(transaction, known);
    for (Cell& cell : cells_) {
        if (const auto found = experiments_.find(cell.experiment); found != experiments_.end()) {
            cell.start_unix_ms = found->second.start_unix_ms;
            cell.end_unix_ms = found->second.end_unix_ms;
        }
    }
    revision_ = revision;
}

void CellDictionary::load(pqxx::transaction_base& transaction,
                          const std::vector<Uuid>& experiments) {
    if (!experiments.empty()) {
        read_experiments(transaction, uuid_array(experiments));
    }
}

void CellDictionary::read_experiments(pqxx::transaction_base& transaction, const std::string& ids) {
    std::vector<Uuid> found;
    for (const pqxx::row& row : transaction.exec_params(kSelectExperiments, ids)) {
        const Uuid id = uuid_of(row[0]);
        Experiment experiment;
        experiment.phase = row[1].as<std::uint32_t>();
        experiment.start_unix_ms = row[2].as(std::numeric_limits<std::int64_t>::min());
        experiment.end_unix_ms = row[3].as(std::numeric_limits<std::int64_t>::max());
        experiments_[id] = std::move(experiment);
        found.push_back(id);
    }
    for (const pqxx::row& row : transaction.exec_params(kSelectVariants, uuid_array(found))) {
        experiments_[uuid_of(row[0])].variants.emplace_back(row[1].c_str());
    }
}

std::optional<std::uint32_t> CellDictionary::find(const MetricEvent& event,
                                                  std::uint32_t phase) const {
    std::size_t slot =
        hash_of(event.experiment, phase, event.in_experiment, event.variant, event.metric) %
        slots_.size();
    for (; slots_[slot] != 0; slot = (slot + 1) % slots_.size()) {
        const Cell& cell = cells_[slots_[slot] - 1];
        if (cell.experiment == event.experiment && cell.phase == phase &&
            cell.is_randomised == event.in_experiment && cell.variant == event.variant &&
            cell.metric == event.metric) {
            return slots_[slot] - 1;
        }
    }
    return std::nullopt;
}

void CellDictionary::insert_slot(std::uint32_t index) {
    const Cell& cell = cells_[index];
    std::size_t slot =
        hash_of(cell.experiment, cell.phase, cell.is_randomised, cell.variant, cell.metric) %
        slots_.size();
    while (slots_[slot] != 0) {
        slot = (slot + 1) % slots_.size();
    }
    slots_[slot] = index + 1;
}

std::optional<CellDictionary::Place> CellDictionary::place(const MetricEvent& event) {
    std::uint32_t phase = event.phase;
    if (phase == 0) {
        const auto experiment = experiments_.find(event.experiment);
        if (experiment == experiments_.end()) {
            return std::nullopt;
        }
        phase = experiment->second.phase;
    }
    std::optional<std::uint32_t> index = find(event, phase);
    if (!index) {
        const auto found = experiments_.find(event.experiment);
        if (found == experiments_.end() || phase > found->second.phase) {
            return std::nullopt;
        }
        const Experiment& experiment = found->second;
        if (std::find(experiment.variants.begin(), experiment.variants.end(), event.variant) ==
            experiment.variants.end()) {
            return std::nullopt;
        }
        // A chunk may run over kCellsMax before the batch ends; the table has room for four times
        // that.
        BURGEE_ASSERT(2 * cells_.size() < slots_.size());
        Cell cell;
        cell.experiment = event.experiment;
        cell.phase = phase;
        cell.is_randomised = event.in_experiment;
        cell.variant = event.variant;
        cell.metric = event.metric;
        cell.start_unix_ms = experiment.start_unix_ms;
        cell.end_unix_ms = experiment.end_unix_ms;
        cells_.push_back(std::move(cell));
        index = static_cast<std::uint32_t>(cells_.size() - 1);
        insert_slot(*index);
    }
    const Cell& cell = cells_[*index];
    return Place{*index, event.created_unix_ms >= cell.start_unix_ms &&
                             event.created_unix_ms < cell.end_unix_ms};
}

CellProblem CellDictionary::problem(const MetricEvent& event) const {
    const auto found = experiments_.find(event.experiment);
    if (found == experiments_.end()) {
        return CellProblem::kUnknownExperiment;
    }
    return event.phase > found->second.phase ? CellProblem::kUnknownPhase
                                             : CellProblem::kUnknownVariant;
}

std::string CellDictionary::wanted_cells() const {
    JsonWriter json(JsonWriter::Style::kCompact);
    json.begin_array();
    bool is_empty = true;
    for (std::size_t index = 0; index < cells_.size(); ++index) {
        const Cell& cell = cells_[index];
        if (!cell.is_used || cell.number != 0) {
            continue;
        }
        std::string experiment;
        append_uuid(experiment, cell.experiment);
        json.begin_object().key("place").value(std::uint64_t{index});
        json.key("experiment_id").value(experiment).key("phase").value(std::uint64_t{cell.phase});
        json.key("variant").value(cell.variant).key("metric").value(cell.metric);
        json.key("randomised").value(cell.is_randomised).end_object();
        is_empty = false;
    }
    json.end_array();
    return is_empty ? std::string() : json.take();
}

void CellDictionary::read_numbers(pqxx::transaction_base& transaction, const std::string& wanted,
                                  bool is_new) {
    for (const pqxx::row& row : transaction.exec_params(kSelectCells, wanted)) {
        Cell& cell = cells_.at(row[0].as<std::size_t>());
        cell.number = row[1].as<std::uint32_t>();
        cell.is_number_new = is_new;
    }
}

std::vector<std::uint32_t> CellDictionary::numbers(pqxx::transaction_base& transaction) {
    // Reading first: an INSERT that finds a conflict uses up a number all the same, and there are
    // only two thousand million of them.
    if (const std::string wanted = wanted_cells(); !wanted.empty()) {
        read_numbers(transaction, wanted, false);
        if (const std::string missing = wanted_cells(); !missing.empty()) {
            transaction.exec_params(kInsertCells, missing);
            read_numbers(transaction, missing, true);
        }
    }
    std::vector<std::uint32_t> numbers;
    numbers.reserve(cells_.size());
    for (const Cell& cell : cells_) {
        BURGEE_ASSERT(!cell.is_used || cell.number != 0);
        numbers.push_back(cell.number);
    }
    return numbers;
}

void CellDictionary::settle(bool is_committed) {
    for (Cell& cell : cells_) {
        if (cell.is_number_new && !is_committed) {
            cell.number = 0;
        }
        cell.is_number_new = false;
        cell.is_used = false;
    }
}

}  // namespace burgee::sync
