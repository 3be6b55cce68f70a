#pragma once

// Ends the wait for an answer that does not come. The server's own limits are of no use when the
// server is not there: a pooler takes a query and holds it, for two minutes by PgBouncer's default,
// in the hope that its server returns, and libpq waits with it for ever.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace burgee::sync {

class AnswerGuard {
public:
    /// `interrupt` is called from a thread of the guard's own, which the first question starts.
    /// A `timeout` of zero: no guard, no thread.
    AnswerGuard(std::chrono::milliseconds timeout, std::function<void()> interrupt);
    ~AnswerGuard();
    AnswerGuard(const AnswerGuard&) = delete;
    AnswerGuard& operator=(const AnswerGuard&) = delete;

    /// One question: from construction to destruction an answer is awaited. After `timeout`
    /// interrupt() is called, once. Questions do not nest. `guard` may be null.
    class Question {
    public:
        explicit Question(AnswerGuard* guard);
        ~Question();
        Question(const Question&) = delete;
        Question& operator=(const Question&) = delete;

    private:
        AnswerGuard* guard_;
    };

private:
    using Clock = std::chrono::steady_clock;

    void watch();

    const std::chrono::milliseconds timeout_;
    const std::function<void()> interrupt_;
    std::mutex mutex_;
    std::condition_variable changed_;
    Clock::time_point deadline_ = Clock::time_point::max();  // guarded by mutex_, as is_ending_
    bool is_ending_ = false;
    std::thread thread_;
};

}  // namespace burgee::sync
