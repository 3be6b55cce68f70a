#pragma once

// A stream of questions, one answer a line in the order of the questions: `burgee eval --jsonl`.
// The evaluator is the client's own. A bad line is answered too and never ends the stream.

#include <functional>
#include <string>

#include <burgee/context.hpp>
#include <burgee/snapshot_view.hpp>

#include "cli/exit_code.hpp"
#include "cli/terminal.hpp"
#include "sync/question_line.hpp"

namespace burgee::cli {

/// The context of a question, whose texts it borrows. Sets the complaint of a question with more
/// attributes than a context holds.
Context context_of(sync::Question& question);

/// One line of JSON, without its newline, with the keys flag, enabled, variant, config, reason and
/// bucket; a question with a complaint gets reason null and the complaint as "error".
/// `bucket` is where the flag's rollout gate looked for the unit: 0 .. 999 999, with legacy_md5
/// 0 .. 9 999; null when the answer needed no such bucket.
std::string answer_line(const SnapshotView& view, const sync::Question& question,
                        const Context& context);

/// Answers each line of `path` ("-" is stdin). Answers go out in blocks, and at once whenever no
/// further question is here yet.
/// @param view  asked before each block: the snapshot to answer from, valid until asked again
/// @return      kFailed when any line was bad
/// Throws Failure kNotFound when `path` cannot be opened, kFailed when reading or writing fails.
ExitCode answer_stream(const std::string& path, const std::function<const SnapshotView&()>& view,
                       const Terminal& terminal);

}  // namespace burgee::cli
