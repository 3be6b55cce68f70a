// Runs the benchmarks and holds each against its budget: `scripts/bench` is the way to call it.
//
//   burgee_bench [--quick] [--json] [--list] [FILTER]
//
// FILTER is a regular expression over benchmark names. Every row is the median of the repetitions of
// one run on one machine; absolute figures move with the machine, so ratios decide.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <set>

#include "shm/json_text.hpp"
#include "tests/bench/budget.hpp"

namespace burgee::bench {

double Measured::median() const {
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t middle = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double Measured::minimum() const { return *std::min_element(values.begin(), values.end()); }
double Measured::maximum() const { return *std::max_element(values.begin(), values.end()); }

bool Measured::is_kept() const {
    return !values.empty() && error.empty() &&
           (budget->better == Better::kLower ? median() <= budget->figure
                                             : median() >= budget->figure);
}

namespace {

double from_seconds(std::string_view unit) {
    static const std::map<std::string_view, double> kFactors{
        {"s", 1.0}, {"ms", 1e3}, {"us", 1e6}, {"ns", 1e9}};
    return kFactors.at(unit);
}

/// Keeps what each repetition measured; says on stderr how far it is.
class BudgetReporter : public benchmark::BenchmarkReporter {
public:
    bool ReportContext(const Context&) override { return true; }

    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs) {
            if (run.run_type == Run::RT_Iteration) {
                keep(run);
            }
        }
    }

    /// A row for each budget whose benchmark ran.
    std::vector<Measured> rows() const {
        std::vector<Measured> rows;
        for (const Budget& budget : budgets()) {
            const auto benchmark = results_.find(std::string(budget.benchmark));
            if (benchmark != results_.end()) {
                rows.push_back(row_of(budget, benchmark->second));
            }
        }
        return rows;
    }

    std::set<std::string> failures;

private:
    struct Result {
        std::map<std::string, std::vector<double>> counters;  // "" = seconds an iteration
        std::string error;
    };

    void keep(const Run& run) {
        benchmark::BenchmarkName name = run.run_name;
        name.repetitions.clear();
        const std::string text = name.str();
        std::fprintf(stderr, "  %-60s %.4g %s", text.c_str(), run.GetAdjustedRealTime(),
                     benchmark::GetTimeUnitString(run.time_unit));
        for (const auto& [counter, value] : run.counters) {
            std::fprintf(stderr, "  %s=%.4g", counter.c_str(), value.value);
        }
        std::fputc('\n', stderr);
        Result& result = results_[text];
        if (run.error_occurred) {
            result.error = run.error_message;
            failures.insert(text + ": " + run.error_message);
            return;
        }
        result.counters[""].push_back(run.GetAdjustedRealTime() /
                                      benchmark::GetTimeUnitMultiplier(run.time_unit));
        for (const auto& [counter, value] : run.counters) {
            result.counters[counter].push_back(value.value);
        }
    }

    Measured row_of(const Budget& budget, const Result& result) const {
        Measured row{&budget, {}, result.error};
        const auto values = result.counters.find(std::string(budget.counter));
        if (values == result.counters.end()) {
            row.error = row.error.empty() ? "no such counter" : row.error;
            return row;
        }
        row.values = values->second;
        if (!budget.relative_to.empty()) {
            const auto other = results_.find(std::string(budget.relative_to));
            const Measured base = other == results_.end()
                                      ? Measured{}
                                      : Measured{nullptr, other->second.counters.at(
                                                              std::string(budget.counter)), ""};
            if (base.values.empty()) {
                row.values.clear();
                row.error = "needs " + std::string(budget.relative_to);
                return row;
            }
            for (double& value : row.values) {
                value /= base.median();
            }
        } else if (budget.counter.empty()) {
            for (double& value : row.values) {
                value *= from_seconds(budget.unit);
            }
        }
        return row;
    }

    std::map<std::string, Result> results_;
};

void print_table(const std::vector<Measured>& rows) {
    std::printf("%-62s %12s %25s %16s  %s\n", "WHAT", "MEDIAN", "(MIN - MAX)", "BUDGET", "OK");
    for (const Measured& row : rows) {
        const Budget& budget = *row.budget;
        char figure[48];
        std::snprintf(figure, sizeof figure, "%s %.6g %s",
                      budget.better == Better::kLower ? "<=" : ">=", budget.figure,
                      std::string(budget.unit).c_str());
        if (row.values.empty()) {
            std::printf("%-62s %12s %25s %16s  no: %s\n", std::string(budget.row).c_str(), "-", "-",
                        figure, row.error.c_str());
            continue;
        }
        char span[48];
        std::snprintf(span, sizeof span, "(%.4g - %.4g)", row.minimum(), row.maximum());
        std::printf("%-62s %12.4g %25s %16s  %s\n", std::string(budget.row).c_str(), row.median(),
                    span, figure, row.is_kept() ? "ok" : "no");
    }
}

void print_json(const std::vector<Measured>& rows) {
    JsonWriter json;
    json.begin_array();
    for (const Measured& row : rows) {
        json.begin_object().key("name").value(row.budget->row);
        json.key("value");
        if (row.values.empty()) {
            json.null();
        } else {
            json.value(row.median());
        }
        json.key("unit").value(row.budget->unit).key("budget").value(row.budget->figure);
        json.key("ok").value(row.is_kept()).end_object();
    }
    std::printf("%s\n", json.end_array().take().c_str());
}

}  // namespace
}  // namespace burgee::bench

int main(int count, char** values) {
    bool is_quick = false;
    bool is_json = false;
    std::string filter = "all";
    for (int i = 1; i < count; ++i) {
        const std::string argument = values[i];
        if (argument == "--quick") {
            is_quick = true;
        } else if (argument == "--json") {
            is_json = true;
        } else if (argument.rfind("--", 0) == 0) {
            std::cerr << "burgee_bench [--quick] [--json] [FILTER]\n";
            return argument == "--help" ? 0 : 2;
        } else {
            filter = argument;
        }
    }
    std::vector<std::string> options{values[0], "--benchmark_filter=" + filter,
                                     is_quick ? "--benchmark_repetitions=3"
                                              : "--benchmark_repetitions=7",
                                     is_quick ? "--benchmark_min_time=0.05"
                                              : "--benchmark_min_time=0.3"};
    std::vector<char*> arguments;
    for (std::string& option : options) {
        arguments.push_back(option.data());
    }
    int argument_count = static_cast<int>(arguments.size());
    benchmark::Initialize(&argument_count, arguments.data());
    burgee::bench::BudgetReporter reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter);
    const std::vector<burgee::bench::Measured> rows = reporter.rows();
    is_json ? burgee::bench::print_json(rows) : burgee::bench::print_table(rows);
    for (const std::string& failure : reporter.failures) {
        std::cerr << "failed: " << failure << "\n";
    }
    // A figure over budget is a finding, not a failure: machines differ. A broken benchmark is one.
    return reporter.failures.empty() ? 0 : 1;
}
