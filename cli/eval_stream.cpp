// Reads, asks with the trace on to learn the bucket, and writes in blocks.

#include "cli/eval_stream.hpp"

#include <optional>
#include <utility>
#include <variant>

#include <burgee/evaluate.hpp>
#include <burgee/reason.hpp>

#include "cli/line_reader.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

constexpr std::size_t kBlockSize = 64U << 10U;  // bytes of answers kept back; what a pipe holds

/// Keeps the rollout bucket alone. The last one counts: a rule may have asked before.
struct BucketTrace {
    static constexpr bool kEnabled = true;
    std::optional<std::uint64_t> bucket;

    void record(const TraceStep& step) {
        if (step.rule == DecisionRule::kRollout && step.draw != Draw::kNone) {
            bucket = step.bucket;
        }
    }
    void record(const ConstraintStep& /*step*/) {}
};

void write_answer(JsonWriter& json, const SnapshotView& view, const FlagRecord* flag,
                  const Context& context) {
    BucketTrace trace;
    const Answer answer = flag == nullptr ? Answer{} : evaluate(view, *flag, context, trace);
    const VariantRecord* variant = answer.variant == 0 ? nullptr : view.variant(answer.variant - 1);
    json.member("enabled", answer.is_enabled).key("variant");
    variant == nullptr ? json.null() : json.value(view.name(*variant));
    const std::string_view config =
        variant == nullptr ? "" : view.text(variant->json_offset, variant->json_size);
    json.key("config").raw(config.empty() ? "{}" : config);
    json.member("reason", to_string(answer.reason)).member("bucket", trace.bucket);
}

}  // namespace

Context context_of(sync::Question& question) {
    Context context;
    for (const auto& [name, value] : question.context) {
        std::visit([&, name = name](const auto& plain) { context.set(Attribute(name, plain)); },
                   value);
    }
    if (context.ignored_count() > 0 && !question.complaint) {
        question.complaint =
            "context has more than " + std::to_string(kAttributeCountMax) + " attributes";
    }
    return context;
}

std::string answer_line(const SnapshotView& view, const sync::Question& question,
                        const Context& context) {
    JsonWriter json(JsonWriter::Style::kCompact);
    json.begin_object().member("flag", question.flag);
    if (!question.complaint) {
        write_answer(json, view, view.find(hash64(question.flag.value_or(""))), context);
        return json.end_object().take();
    }
    json.member("enabled", false).key("variant").null().key("config").raw("{}");
    json.key("reason").null().key("bucket").null().member("error", *question.complaint);
    return json.end_object().take();
}

ExitCode answer_stream(const std::string& path, const std::function<const SnapshotView&()>& view,
                       const Terminal& terminal) {
    std::string block;
    const SnapshotView* pinned = &view();  // now, so that an empty stream is told as well
    bool is_pin_old = false;
    const auto send = [&] {
        if (!block.empty()) {
            terminal.print(block);
            block.clear();
        }
        is_pin_old = true;  // not pinned anew here: the next question may be hours away
    };
    LineReader lines(path, send);
    sync::QuestionReader reader;
    ExitCode code = ExitCode::kOk;
    std::string_view line;
    for (auto outcome = lines.next(line); outcome != LineReader::Outcome::kEnd;
         outcome = lines.next(line)) {
        if (std::exchange(is_pin_old, false)) {
            pinned = &view();
        }
        sync::Question question;
        if (outcome == LineReader::Outcome::kTooLong) {
            question.complaint = "the line is longer than 1 MiB";
        } else {
            question = reader.read(line);
        }
        if (!question.complaint && !question.flag) {
            question.complaint = "flag is missing: give the flag's name";
        }
        const Context context = context_of(question);
        block += answer_line(*pinned, question, context) + "\n";
        code = question.complaint ? ExitCode::kFailed : code;
        if (block.size() >= kBlockSize) {
            send();
        }
    }
    send();
    return code;
}

}  // namespace burgee::cli
