// A service that ends while its threads go on working, as services do: a static client, threads
// that nobody joins, and exit(), which has other things to do after the client is gone. For
// event_exit_test.cpp.
//
//   clientlib_exit_while_tracking DIRECTORY   ends with 0, or by whatever befalls it

#include <burgee/event_sender.hpp>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <thread>

namespace {

std::atomic<std::uint64_t> offers{0};

/// Ends when the threads have tracked much more.
void let_them_track() {
    const std::uint64_t enough = offers.load() + 300'000;
    while (offers.load() < enough) {
        std::this_thread::yield();
    }
}

}  // namespace

int main(int count, char** values) {
    if (count != 2) {
        return 2;
    }
    std::atexit(&let_them_track);  // runs after the destructor of what is made later
    static burgee::detail::EventSender sender(values[1]);
    for (int thread = 0; thread < 3; ++thread) {
        std::thread([] {
            burgee::EventDraft draft;
            draft.experiment_id[15] = 1;
            draft.variant = "control";
            draft.metric = "quality_score";
            draft.user_id = "user-7";
            draft.unit_kind = burgee::UnitKind::kUserId;
            for (;;) {
                sender.offer(draft);
                offers.fetch_add(1);
            }
        }).detach();
    }
    while (sender.counters().acknowledged < 1'000) {
        std::this_thread::yield();
    }
    std::exit(0);
}
