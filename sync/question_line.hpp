#pragma once

// One line of JSON as a question to a flag: {"flag": "search", "context": {"user_id": "ada"}}.
// Relied on by `burgee eval --jsonl` and `burgee flag plan --contexts`. Here, because reading JSON
// is this module's; what is a context is the client's business and none of ours.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace burgee::sync {

/// A value as the line gave it. An integer stays one: std::uint64_t stands only for those above
/// INT64_MAX.
using AttributeValue = std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view>;

/// What a line asks, or why it asks nothing. Views are valid until the reader reads again.
struct Question {
    std::optional<std::string_view> flag;  ///< nothing: the line names none
    std::vector<std::pair<std::string_view, AttributeValue>> context;  ///< null values left out
    std::optional<std::string> complaint;  ///< place and remedy; nothing: the line is good
};

/// Keeps its memory from line to line. Thread safety: one thread at a time.
class QuestionReader {
public:
    QuestionReader();
    ~QuestionReader();
    QuestionReader(const QuestionReader&) = delete;
    QuestionReader& operator=(const QuestionReader&) = delete;

    /// Reads one line. Keys beside "flag" and "context" are refused, and so are arrays, objects and
    /// numbers beyond 64 bits among the attributes. Without "context" nobody is asking: fine for
    /// flags that need no unit. Never throws on any bytes. Cost: linear.
    Question read(std::string_view line);

private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
};

}  // namespace burgee::sync
