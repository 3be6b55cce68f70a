// Promise: shared libraries that each include the client work side by side in one process, see
// every publish, and may be closed without harm to the others or to what runs on. Method: real
// libraries, opened and closed as a plugin host does; two with visible symbols, which share what is
// inline, and one with hidden symbols, which has all of it to itself and is really unloaded.

#include "tests/clientlib/shared_library_client.hpp"

#include <burgee/client.hpp>

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <iterator>
#include <stdexcept>
#include <thread>

#include "tests/clientlib/published_directory.hpp"
#include "tests/support/sanitizers.hpp"

#ifdef BURGEE_ASAN
#include <sanitizer/lsan_interface.h>
#endif

namespace burgee::test {
namespace {

/// A client's records of its mappings are kept for the life of its library, some 300 bytes each, so
/// that no late thread meets freed memory. They stay when the library goes, which is a leak once a
/// load, and wanted.
class KeptRecords {
public:
#ifdef BURGEE_ASAN
    KeptRecords() {
        __lsan_disable();
    }
    ~KeptRecords() {
        __lsan_enable();
    }
#else
    KeptRecords() {}
    ~KeptRecords() {}
#endif
    KeptRecords(const KeptRecords&) = delete;
    KeptRecords& operator=(const KeptRecords&) = delete;
};

class SharedLibrary {
public:
    explicit SharedLibrary(const char* path) : path_(path) {
        handle_ = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (handle_ == nullptr) {
            throw std::runtime_error(::dlerror());
        }
        void* symbol = ::dlsym(handle_, kLibraryClientSymbol);
        client_ = reinterpret_cast<LibraryClientOf>(symbol)();
    }
    SharedLibrary(const SharedLibrary&) = delete;
    SharedLibrary& operator=(const SharedLibrary&) = delete;
    ~SharedLibrary() { close(); }

    const LibraryClient& client() const { return *client_; }

    void close() {
        if (handle_ != nullptr) {
            EXPECT_EQ(::dlclose(handle_), 0) << ::dlerror();
            handle_ = nullptr;
        }
    }

    /// Whether its code is still there, although it was closed.
    bool is_loaded() const {
        void* handle = ::dlopen(path_, RTLD_NOW | RTLD_NOLOAD);
        if (handle != nullptr) {
            ::dlclose(handle);
        }
        return handle != nullptr;
    }

private:
    const char* path_;
    void* handle_ = nullptr;
    const LibraryClient* client_ = nullptr;
};

class SharedLibraryTest : public ::testing::Test {
protected:
    void publish(bool is_on) {
        FlagDefinition other = ab_test_of("test", 100);
        published_.publish({flag_of("f", is_on ? Status::kEnabled : Status::kDisabled), other},
                           {experiment_on("test")});
    }
    void expect_all(std::initializer_list<const SharedLibrary*> libraries, bool is_on) const {
        for (const SharedLibrary* library : libraries) {
            EXPECT_EQ(library->client().is_enabled("f", "u"), is_on);
            EXPECT_EQ(library->client().generation(), published_.generation());
        }
    }

    PublishedDirectory published_;
    const std::string path_ = published_.path();
};

TEST_F(SharedLibraryTest, AllSeeEveryPublishAndOneMayBeClosed) {
    SharedLibrary one(BURGEE_LIBRARY_ONE);
    SharedLibrary two(BURGEE_LIBRARY_TWO);
    SharedLibrary hidden(BURGEE_LIBRARY_HIDDEN);
    publish(true);
    for (const SharedLibrary* library : {&one, &two, &hidden}) {
        library->client().open(path_.c_str());
    }
    const Client ours(published_.options());
    expect_all({&one, &two, &hidden}, true);
    publish(false);
    expect_all({&one, &two, &hidden}, false);
    EXPECT_FALSE(ours.is_enabled("f", {{"user_id", "u"}}));

    one.client().close();
    one.close();
    publish(true);
    expect_all({&two, &hidden}, true);
    hidden.close();  // with its client, which the library ends
    publish(false);
    expect_all({&two}, false);
    EXPECT_FALSE(ours.is_enabled("f", {{"user_id", "u"}}));
    EXPECT_EQ(ours.generation(), 4U);

    SharedLibrary again(BURGEE_LIBRARY_ONE);
    again.client().open(path_.c_str());
    publish(true);
    expect_all({&two, &again}, true);
    again.client().close();
    two.client().close();
}

TEST_F(SharedLibraryTest, AThreadThatAskedMayOutliveTheLibrary) {
    publish(true);
    SharedLibrary hidden(BURGEE_LIBRARY_HIDDEN);
    std::promise<void> has_asked;
    std::promise<void> may_end;
    std::thread asker([&] {
        const KeptRecords kept;
        hidden.client().open(path_.c_str());
        EXPECT_TRUE(hidden.client().is_enabled("f", "u"));
        has_asked.set_value();
        may_end.get_future().wait();  // the pin of this thread is given up by the library's code
    });
    has_asked.get_future().wait();
    hidden.close();
    may_end.set_value();
    asker.join();
}

std::size_t thread_count() {
    const std::filesystem::directory_iterator threads("/proc/self/task");
    return static_cast<std::size_t>(std::distance(begin(threads), end(threads)));
}

/// A Client that nobody destroys, as a singleton that is left to the end: its sender must not go on
/// in code that is gone.
TEST_F(SharedLibraryTest, ALibraryThatForgotItsClientIsUnloadedWithoutItsThread) {
    publish(true);
    std::thread([] {}).join();  // the thread sanitizer starts a thread of its own beside the first
    const std::size_t threads_before = thread_count();
    SharedLibrary library(BURGEE_LIBRARY_UNLOADED);
    std::thread([&] {
        const KeptRecords kept;
        EXPECT_TRUE(library.client().track_and_forget(path_.c_str(), "test", "u"));
    }).join();
    library.close();
    EXPECT_FALSE(library.is_loaded());
    // A thread that was joined may take a moment to leave the list.
    for (int look = 0; look < 500 && thread_count() != threads_before; ++look) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(thread_count(), threads_before);
}

/// Nothing that the library started or registered is left when its code goes: not the thread that
/// sends events, not what a fork would call. It takes a library of its own, for one that the main
/// thread has asked stays loaded until that thread ends.
TEST_F(SharedLibraryTest, ALibraryThatTrackedIsUnloadedWhole) {
    publish(true);
    SharedLibrary library(BURGEE_LIBRARY_UNLOADED);
    std::thread([&] {
        const KeptRecords kept;
        library.client().open(path_.c_str());
        EXPECT_TRUE(library.client().track("test", "u"));
    }).join();
    library.close();
    EXPECT_FALSE(library.is_loaded());
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(7);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;

    SharedLibrary again(BURGEE_LIBRARY_UNLOADED);
    again.client().open(path_.c_str());
    expect_all({&again}, true);
}

}  // namespace
}  // namespace burgee::test
