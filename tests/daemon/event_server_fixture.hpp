#pragma once

// The real event server on a real socket and spool, with a clock of its own only where a limit is
// set: what the tests of the server share.

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/event_server.hpp"
#include "event_client.hpp"
#include "spool_events.hpp"

namespace burgee::test {

class EventServerFixture : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "burgee-events-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        std::filesystem::create_directory(directory_ + "/spool");
        options_.socket_path = directory_ + "/events.sock";
        spool_options_.segment_size_bytes = 4 << 20;
    }
    void TearDown() override {
        stop();
        std::filesystem::remove_all(directory_);
    }

    void start() {
        options_.exposures = std::make_shared<daemon::ExposureMemory>();
        spool_options_.on_recovered_events = [memory = options_.exposures](auto events) {
            memory->remember(events);
        };
        auto opened = open_spool();
        ASSERT_TRUE(opened) << opened.error().message;
        spool_ = std::move(*opened);
        counters_ = std::make_unique<daemon::Counters>();
        io_context_ = std::make_unique<boost::asio::io_context>();
        server_ =
            std::make_unique<daemon::EventServer>(*io_context_, options_, *spool_, *counters_);
        thread_ = std::thread([this] {
            while (io_context_->run_one() != 0) {
                ++handlers_;
            }
        });
    }
    virtual daemon::SpoolResult<std::unique_ptr<daemon::Spool>> open_spool() {
        return daemon::Spool::open(directory_ + "/spool", spool_options_);
    }
    void stop() {
        if (server_) {
            boost::asio::post(*io_context_, [this] { server_->stop(); });
            thread_.join();
            server_.reset();
            io_context_.reset();
            spool_.reset();
        }
    }
    EventClient connect() { return EventClient(options_.socket_path); }

    std::uint64_t count(daemon::Counter counter) const { return counters_->value(counter); }
    /// Waits until the counter is there; the test's own time limit is the deadline.
    void await(daemon::Counter counter, std::uint64_t value) {
        for (int waits = 0; waits < 10'000 && count(counter) < value; ++waits) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        ASSERT_GE(count(counter), value);
    }
    /// As of now, asked on the server's thread.
    std::size_t server_connections() {
        std::promise<std::size_t> count;
        boost::asio::post(*io_context_, [&] { count.set_value(server_->connection_count()); });
        return count.get_future().get();
    }
    std::vector<std::uint64_t> stored() { return read_numbers(*spool_, 1, &batch_); }
    /// A client of good manners still gets through.
    void expect_service(std::uint64_t session) {
        EventClient client = connect();
        ASSERT_TRUE(client.greet(session, 1));
        ASSERT_TRUE(client.send_batch(session, 1, 10));
        ASSERT_TRUE(client.wait_durable(10));
    }

    std::string directory_;
    daemon::EventServerOptions options_;
    daemon::SpoolOptions spool_options_;
    std::unique_ptr<daemon::Spool> spool_;
    std::unique_ptr<daemon::Counters> counters_;
    std::unique_ptr<boost::asio::io_context> io_context_;
    std::unique_ptr<daemon::EventServer> server_;
    std::atomic<std::uint64_t> handlers_{0};  ///< that the server's thread has run
    std::thread thread_;
    daemon::SpoolBatch batch_;
};

}  // namespace burgee::test
