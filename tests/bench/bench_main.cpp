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

/// Keeps what each repetition measured; prints nothing by itself.
class BudgetReporter : public benchmark::BenchmarkReporter {
public:
    bool ReportContext(const Context&) override { return true; }

    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs) {
            if (run.run_type == Run::RT_Iteration) {
                report(run);
            }
        }
    }

    std::vector<Measured> rows;
    std::set<std::string> failures;

private:
    void report(const Run& run) {
        benchmark::BenchmarkName name = run.run_name;
        name.repetitions.clear();
        const std::string text = name.str();
        std::fprintf(stderr, "  %-60s %.4g %s\n", text.c_str(), run.GetAdjustedRealTime(),
                     benchmark::GetTimeUnitString(run.time_unit));
        if (run.error_occurred) {
            failures.insert(text + ": " + run.error_message);
        }
        for (const Budget& budget : budgets()) {
            if (budget.benchmark == text) {
                add(budget, run);
            }
        }
    }

    void add(const Budget& budget, const Run& run) {
        auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const Measured& one) { return one.budget == &budget; });
        if (row == rows.end()) {
            row = rows.insert(rows.end(), Measured{&budget, {}, {}});
        }
        if (run.error_occurred) {
            row->error = run.error_message;
        } else if (budget.counter.empty()) {
            const double seconds =
                run.GetAdjustedRealTime() / benchmark::GetTimeUnitMultiplier(run.time_unit);
            row->values.push_back(seconds * from_seconds(budget.unit));
        } else if (const auto counter = run.counters.find(std::string(budget.counter));
                   counter != run.counters.end()) {
            row->values.push_back(counter->second.value);
        } else {
            row->error = "the benchmark has no counter '" + std::string(budget.counter) + "'";
        }
    }
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
    is_json ? burgee::bench::print_json(reporter.rows) : burgee::bench::print_table(reporter.rows);
    for (const std::string& failure : reporter.failures) {
        std::cerr << "failed: " << failure << "\n";
    }
    // A figure over budget is a finding, not a failure: machines differ. A broken benchmark is one.
    return reporter.failures.empty() ? 0 : 1;
}
