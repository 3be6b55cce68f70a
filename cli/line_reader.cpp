#include "cli/line_reader.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "cli/exit_code.hpp"
#include "cli/table.hpp"

namespace burgee::cli {
namespace {

constexpr std::size_t kReadSize = 64U << 10U;  // what a pipe of Linux holds

int open_for_reading(const std::string& path) {
    const int descriptor = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        throw Failure(ExitCode::kNotFound,
                      "cannot read " + printable(path) + ": " + std::strerror(errno));
    }
    return descriptor;
}

/// Whether a read would return at once. Always so for a regular file.
bool has_input(int descriptor) {
    pollfd wanted{descriptor, POLLIN, 0};
    return ::poll(&wanted, 1, 0) > 0;
}

std::string_view without_return(std::string_view line) {
    return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

}  // namespace

LineReader::LineReader(const std::string& path, std::function<void()> before_wait)
    : descriptor_(open_for_reading(path)),
      is_owned_(path != "-"),
      before_wait_(std::move(before_wait)) {}

LineReader::~LineReader() {
    if (is_owned_) {
        ::close(descriptor_);
    }
}

bool LineReader::fill() {
    if (is_at_end_) {
        return false;
    }
    buffer_.erase(0, std::exchange(begin_, 0));
    seen_ = buffer_.size();
    if (!has_input(descriptor_)) {
        before_wait_();
    }
    buffer_.resize(seen_ + kReadSize);
    ssize_t count = 0;
    do {
        count = ::read(descriptor_, buffer_.data() + seen_, kReadSize);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        throw Failure(ExitCode::kFailed,
                      std::string("cannot read the questions: ") + std::strerror(errno));
    }
    buffer_.resize(seen_ + static_cast<std::size_t>(count));
    is_at_end_ = count == 0;
    return !is_at_end_;
}

LineReader::Outcome LineReader::next(std::string_view& line) {
    for (;;) {
        const std::size_t newline = buffer_.find('\n', seen_);
        const bool is_complete = newline != std::string::npos;
        const std::size_t end = is_complete ? newline : buffer_.size();
        const bool is_too_long = is_skipping_ || end - begin_ > kLineSizeMax;
        if (is_too_long && !is_complete) {
            is_skipping_ = true;
            begin_ = seen_ = end;  // forgotten: memory stays bounded
        }
        if (!is_complete && fill()) {
            continue;
        }
        if (!is_complete && !is_skipping_ && begin_ == buffer_.size()) {
            return Outcome::kEnd;
        }
        const std::size_t stop = is_complete ? newline : buffer_.size();  // fill() moves the rest
        line = without_return(std::string_view(buffer_).substr(begin_, stop - begin_));
        begin_ = seen_ = is_complete ? stop + 1 : stop;
        is_skipping_ = false;
        return is_too_long ? Outcome::kTooLong : Outcome::kLine;
    }
}

}  // namespace burgee::cli
