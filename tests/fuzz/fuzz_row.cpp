// Promise: whatever stands in a row, the check takes or refuses it; what it takes is compiled into
// a snapshot that is sound, answers alike in every way, and does not depend on the order of
// changes. Method: texts of one flag and one segment through check and builder, beside flags that
// are good.
//
// An input is up to six lines: status, rollout, segments, variants, metadata of the flag "row", and
// the constraints of the segment "beta". An empty line is NULL. jsonb text has no line breaks.

#include <optional>
#include <string>

#include "sync/condition_check.hpp"
#include "sync/flag_check.hpp"
#include "sync/flag_problems.hpp"
#include "sync/json_object.hpp"
#include "tests/fuzz/ask_snapshot.hpp"
#include "tests/fuzz/base_snapshot.hpp"

namespace burgee::fuzz {
namespace {

/// Compiling all good flags again, or asking them, takes longer than all else: one input in so many.
/// By feel.
constexpr std::uint64_t kBuildAgainEvery = 64;

struct Row {
    sync::RawFlag flag;
    std::optional<std::string> segment;
};

Row read_row(InputReader input) {
    const auto next = [&input]() -> std::optional<std::string> {
        const std::string_view line = input.take_line();
        return line.empty() ? std::nullopt : std::optional<std::string>(line);
    };
    Row row;
    row.flag.name = "row";
    row.flag.status = next();
    row.flag.rollout_percentage = next();
    row.flag.segments = next();
    row.flag.variants = next();
    row.flag.metadata = next();
    row.segment = next();
    row.flag.revision = 43;
    row.flag.layers = {{"checkout", {{2'500, 4'999}}}};
    row.flag.has_named_layer = true;
    return row;
}

/// As sync::check_segment() does, whose file needs a database beside it.
std::optional<SegmentDefinition> read_segment(const std::optional<std::string>& text) {
    SegmentDefinition segment{"beta", 1, {}};
    if (!text) {
        return segment;
    }
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    sync::FlagProblems problems("segment beta");
    if (sync::parse_json(parser, *text, document)) {
        return std::nullopt;
    }
    segment.constraints = sync::read_conditions(document, "constraints", problems);
    return problems.is_refused() ? std::nullopt : std::optional(std::move(segment));
}

void touch_problems(const std::vector<FlagProblem>& problems) {
    for (const FlagProblem& problem : problems) {
        require(!problem.message.empty(), "a problem says what it is");
        touch(problem.field);
        touch(problem.message);
    }
}

/// Takes one flag and one segment in beside the good ones, and out again, so that the good ones are
/// compiled once and not for every input.
class Builder {
public:
    Builder() {
        builder_.apply(base_changes());
        base_ = image();
    }

    std::vector<std::byte> with(const FlagDefinition* flag, const SegmentDefinition* beta) {
        FlagChanges changes = increment();
        if (flag != nullptr) {
            changes.changed.push_back(*flag);
        }
        if (beta != nullptr) {
            changes.segments.push_back(*beta);
        }
        builder_.apply(changes);
        const std::vector<FlagProblem> problems = builder_.problems();
        touch_problems(problems);
        require(flag == nullptr || builder_.contains("row") || !problems.empty(),
                "a flag that is not published has a problem");
        return image();
    }

    void remove() {
        FlagChanges changes = increment();
        changes.removed = {"row"};
        changes.removed_segments = {"beta"};
        builder_.apply(changes);
        require(image() == base_, "a flag that goes leaves nothing behind");
    }

    static std::vector<std::byte> built_at_once(const FlagDefinition* flag,
                                                const SegmentDefinition* beta) {
        FlagChanges changes = base_changes();
        if (flag != nullptr) {
            changes.changed.insert(changes.changed.begin(), *flag);
        }
        if (beta != nullptr) {
            changes.segments.push_back(*beta);
        }
        return test::snapshot_of(changes);
    }

private:
    static FlagChanges increment() {
        static const FlagChanges kBase = base_changes();
        FlagChanges changes;
        changes.revision = kBase.revision;
        changes.source_id = kBase.source_id;
        changes.database_unix_ms = kBase.database_unix_ms;
        changes.experiments = kBase.experiments;
        return changes;
    }
    std::vector<std::byte> image() { return builder_.build({1, test::kNow}); }

    SnapshotBuilder builder_;
    std::vector<std::byte> base_;
};

void run(InputReader input) {
    const Row row = read_row(input);
    const std::optional<SegmentDefinition> beta = read_segment(row.segment);
    sync::FlagSettings settings;
    settings.default_bucketing = Bucketing::kLegacyMd5;
    touch_problems(sync::check_flag(row.flag, settings).problems);
    settings = {};
    const sync::FlagVerdict verdict = sync::check_flag(row.flag, settings);
    touch_problems(verdict.problems);
    require(verdict.flag || !verdict.problems.empty(), "a refusal has a reason");
    require(verdict.flag || row.flag.status != "disabled", "a switch always works");
    if (!verdict.flag && !beta) {
        return;
    }
    const FlagDefinition* flag = verdict.flag ? &*verdict.flag : nullptr;
    const SegmentDefinition* segment = beta ? &*beta : nullptr;
    static Builder builder;
    const std::vector<std::byte> image = builder.with(flag, segment);
    SnapshotView view;
    require(SnapshotView::open(image.data(), image.size(), view) == ViewError::kNone,
            "what is built can be opened");
    require(view.check_bodies() == ViewError::kNone, "what is built is sound");
    // The good flags ask for neither "row" nor "beta": they answer as they did the first time.
    Selection selection;
    static std::uint64_t asked_all = 0;
    if (asked_all++ % kBuildAgainEvery != 0) {
        selection.only_flag = hash64("row");
    }
    ask_everything(view, true, row.flag.metadata.value_or("anna"), selection);
    builder.remove();
    if (hash64(image.data(), image.size()) % kBuildAgainEvery == 0) {
        require(Builder::built_at_once(flag, segment) == image,
                "equal flags give equal bytes, in whatever order they came");
    }
}

}  // namespace
}  // namespace burgee::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    burgee::fuzz::run(burgee::fuzz::InputReader(data, size));
    return 0;
}
