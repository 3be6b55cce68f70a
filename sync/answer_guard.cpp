#include "sync/answer_guard.hpp"

#include <utility>

#include "shm/assertion.hpp"

namespace burgee::sync {

AnswerGuard::AnswerGuard(std::chrono::milliseconds timeout, std::function<void()> interrupt)
    : timeout_(timeout), interrupt_(std::move(interrupt)) {}

AnswerGuard::~AnswerGuard() {
    if (thread_.joinable()) {
        {
            const std::lock_guard lock(mutex_);
            is_ending_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }
}

// A question sets the deadline without waking the thread, which looks by itself now and then: most
// answers come long before, and a wake-up for each would cost more than the answer.
AnswerGuard::Question::Question(AnswerGuard* guard)
    : guard_(guard != nullptr && guard->timeout_.count() > 0 ? guard : nullptr) {
    if (guard_ == nullptr) {
        return;
    }
    {
        const std::lock_guard lock(guard_->mutex_);
        BURGEE_ASSERT(guard_->deadline_ == Clock::time_point::max());
        guard_->deadline_ = Clock::now() + guard_->timeout_;
    }
    if (!guard_->thread_.joinable()) {
        guard_->thread_ = std::thread([watching = guard_] { watching->watch(); });
    }
}

AnswerGuard::Question::~Question() {
    if (guard_ != nullptr) {
        const std::lock_guard lock(guard_->mutex_);
        guard_->deadline_ = Clock::time_point::max();
    }
}

// Looks every timeout / 4: a question is ended at most that much late.
void AnswerGuard::watch() {
    std::unique_lock lock(mutex_);
    while (!is_ending_) {
        changed_.wait_for(lock, timeout_ / 4, [this] { return is_ending_; });
        if (!is_ending_ && Clock::now() >= deadline_) {
            deadline_ = Clock::time_point::max();
            interrupt_();  // shuts a socket down: takes no lock that a question holds
        }
    }
}

}  // namespace burgee::sync
