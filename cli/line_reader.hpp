#pragma once

// Lines of a file or of stdin, however long the stream, within a fixed memory. Relied on by
// `burgee eval --jsonl` and `burgee flag plan --contexts`.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace burgee::cli {

/// Bytes of one line, its newline not counted: more than any context holds. A longer line is
/// skipped to its end and told as too long.
inline constexpr std::size_t kLineSizeMax = 1U << 20U;

class LineReader {
public:
    enum class Outcome { kLine, kTooLong, kEnd };

    /// @param path         "-" is stdin. Throws Failure kNotFound when it cannot be opened.
    /// @param before_wait  called whenever the next line is not here yet: what was answered so far
    ///                     should go out, because somebody may be waiting for it
    explicit LineReader(
        const std::string& path, std::function<void()> before_wait = [] {});
    ~LineReader();
    LineReader(const LineReader&) = delete;
    LineReader& operator=(const LineReader&) = delete;

    /// The next line, without "\n" or "\r\n", valid until the next call; the last one may lack its
    /// newline. Throws Failure kFailed when reading fails.
    Outcome next(std::string_view& line);

private:
    /// Reads once into the buffer; false at the end of the stream.
    bool fill();

    int descriptor_;
    bool is_owned_;
    std::function<void()> before_wait_;
    std::string buffer_;
    std::size_t begin_ = 0;  ///< of the line that comes next
    std::size_t seen_ = 0;   ///< up to here there is no newline behind begin_
    bool is_at_end_ = false;
    bool is_skipping_ = false;  ///< inside a line that is too long
};

}  // namespace burgee::cli
