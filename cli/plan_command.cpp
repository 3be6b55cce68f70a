// burgee flag plan: whom a change of a flag would move. Changes nothing.

#include <algorithm>
#include <memory>
#include <set>

#include "cli/command.hpp"
#include "cli/database.hpp"
#include "cli/eval_stream.hpp"
#include "cli/flag_definition.hpp"
#include "cli/flag_lookup.hpp"
#include "cli/line_reader.hpp"
#include "cli/plan_basis.hpp"
#include "cli/plan_evaluation.hpp"
#include "cli/plan_view.hpp"
#include "cli/table.hpp"
#include "sync/flag_plan.hpp"

namespace burgee::cli {
namespace {

struct Options {
    FlagOptions flag;
    std::string contexts;
};

void explain_basis(const FlagDefinition& before, const FlagDefinition& after, PlanReport& report) {
    if (report.is_random) {
        report.basis.emplace_back(
            "type random draws anew for every question: no unit keeps an answer, and the shares "
            "are "
            "those of two independent answers");
    } else if (draws_same(before, after)) {
        report.basis.emplace_back(
            before.bucketing == Bucketing::kLegacyMd5
                ? "exact: every unit keeps its one bucket, which legacy_md5 uses for gate and "
                  "variant"
                : "exact: every unit keeps its buckets, and those of gate and variant are "
                  "independent of each other");
    } else {
        report.basis.emplace_back(
            "exact: bucketing, salt or bucket_by differs, so places before and after are "
            "independent of each other");
    }
    if (before.layer || after.layer) {
        report.basis.emplace_back("slots of layers are counted in");
    }
}

void find_new_configs(const FlagDefinition& before, const FlagDefinition& after,
                      PlanReport& report) {
    if (before.status != Status::kAbTest || after.status != Status::kAbTest) {
        return;
    }
    for (const VariantDefinition& old : before.variants) {
        for (const VariantDefinition& variant : after.variants) {
            if (old.name == variant.name && old.config_json != variant.config_json) {
                const std::size_t side = report.shares.side(old.name);
                report.new_configs.push_back({old.name, report.shares.at(side, side)});
            }
        }
    }
}

/// Asks the evaluator for every unit of the lists, with nothing else in its context.
void ask_named_units(const sync::FlagPlan& plan, const PlanEvaluation& evaluation,
                     PlanReport& report) {
    std::set<std::string> units;
    for (const FlagDefinition* flag : {&plan.before, &plan.after}) {
        units.insert(flag->include.begin(), flag->include.end());
        units.insert(flag->exclude.begin(), flag->exclude.end());
    }
    report.named_count = units.size();
    const auto attribute_of = [](const FlagDefinition& flag) {
        return flag.bucket_by.empty() ? std::string("user_id") : flag.bucket_by.front();
    };
    const std::string attribute_before = attribute_of(plan.before);
    const std::string attribute_after = attribute_of(plan.after);
    for (const std::string& unit : units) {
        Context context;
        context.set(Attribute(attribute_before, unit));
        context.set(Attribute(attribute_after, unit));
        auto [before, after] = evaluation.ask(context);
        if (before != after) {
            report.named_changes.push_back({unit, std::move(before), std::move(after)});
        }
    }
}

void measure(const std::string& path, const PlanEvaluation& evaluation, PlanReport& report) {
    SideMatrix counts(report.shares.sides());
    const auto index_of = [&](const PlannedSide& side) {
        return side.is_on ? counts.side(side.name) : std::size_t{0};
    };
    LineReader lines(path);
    sync::QuestionReader reader;
    std::string_view line;
    std::uint64_t count = 0;
    for (auto outcome = lines.next(line); outcome != LineReader::Outcome::kEnd;
         outcome = lines.next(line)) {
        ++count;
        sync::Question question;
        if (outcome == LineReader::Outcome::kTooLong) {
            question.complaint = "is longer than 1 MiB";
        } else {
            question = reader.read(line);
        }
        const Context context = context_of(question);
        if (question.complaint) {
            throw Failure(ExitCode::kFailed, printable(path) + ", line " + std::to_string(count) +
                                                 ": " + printable(*question.complaint));
        }
        const auto [before, after] = evaluation.ask(context);
        counts.at(index_of(before), index_of(after)) += 1;
    }
    if (count == 0) {
        throw Failure(ExitCode::kFailed, printable(path) + " holds no contexts");
    }
    for (std::size_t from = 0; from < counts.sides().size(); ++from) {
        for (std::size_t to = 0; to < counts.sides().size(); ++to) {
            counts.at(from, to) /= static_cast<double>(count);
        }
    }
    report.contexts_file = path == "-" ? "stdin" : path;
    report.context_count = count;
    report.measured = std::move(counts);
}

PlanReport report_of(const sync::FlagPlan& plan, const std::string& contexts) {
    const FlagDefinition& before = plan.before;
    const FlagDefinition& after = plan.after;
    PlanReport report;
    report.flag = before.name;
    report.experiments = plan.experiments;
    report.shares = plan_matrix(before, after, plan.database_unix_ms);
    report.is_of_everybody = is_of_all_units(before, after);
    report.is_random = before.strategy == Strategy::kRandom || after.strategy == Strategy::kRandom;
    explain_basis(before, after, report);
    report.unknown = unknown_parts(before, after);
    find_new_configs(before, after, report);
    const PlanEvaluation evaluation(plan.set, before, after);
    ask_named_units(plan, evaluation, report);
    if (!contexts.empty()) {
        measure(contexts, evaluation, report);
    }
    return report;
}

ExitCode run(const Options& options, Terminal& terminal) {
    const std::string& name = options.flag.name;
    sync::PgSession session(database_options(terminal));
    const sync::FlagRow present = take_flag(session, sync::FlagStore(session).show(name), name);
    const sync::FlagEdit edit = edit_of(options.flag, present);
    const sync::FlagPlan plan = take_flag(session, sync::plan_flag(session, name, edit), name);
    const PlanReport report = report_of(plan, options.contexts);
    if (terminal.is_json()) {
        terminal.print_line(plan_json(report));
    } else if (terminal.is_name()) {
        terminal.print_line(printable(name));
    } else {
        terminal.print(plan_text(report));
    }
    for (const std::string& sentence :
         idle_options(options.flag, edit.status.value_or(present.status))) {
        terminal.advise("warning: " + sentence);
    }
    for (const FlagProblem& problem : plan.warnings) {
        terminal.advise("warning: " +
                        printable(problem.flag + ": " + problem.field + " " + problem.message));
    }
    return ExitCode::kOk;
}

}  // namespace

std::vector<Command> plan_commands() {
    const auto options = std::make_shared<Options>();
    std::vector<Argument> arguments = flag_arguments(options->flag);
    std::erase_if(arguments, [](const Argument& argument) { return argument.name == "--why"; });
    arguments.push_back({"--contexts",
                         &options->contexts,
                         "also measures over lines of {\"context\": {...}}, a file or -",
                         false,
                         {},
                         {},
                         true});
    return {{"flag",
             "plan",
             "Says which share of units a change would move, and changes nothing",
             {"burgee flag plan search.enhanced --rollout 50",
              "burgee flag plan chat --variant control=20 --variant treatment=80 --contexts "
              "seen.jsonl"},
             std::move(arguments),
             [options](Terminal& terminal) { return run(*options, terminal); }}};
}

}  // namespace burgee::cli
