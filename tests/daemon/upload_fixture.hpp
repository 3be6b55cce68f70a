#pragma once

// A spool, an uploader's settings and a database of its own: what the fault suites of the upload
// share. Events are numbered by their value, and every one of them must be stored once.

#include <gtest/gtest.h>

#include <burgee/event_wire.hpp>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/uploader.hpp"
#include "sync/experiment_store.hpp"
#include "tests/fault/accounting.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/sync/migrated_cluster.hpp"

namespace burgee::test {

class UploadFixture : public PostgresTest {
protected:
    static constexpr Uuid kExperiment{0xE1, 1, 2, 3};

    UploadFixture() {
        const std::string id = sync::to_text(kExperiment);
        execute(
            "INSERT INTO public.feature_flags (name, status, rollout_percentage, variants) VALUES"
            " ('model', 'ab_test', 100,"
            "  '[{\"name\":\"control\",\"weight\":50},{\"name\":\"new\",\"weight\":50}]')");
        execute(
            "INSERT INTO public.ab_test_experiments (id, feature_flag_id, name, start_date)"
            " SELECT '" +
            id + "', id, 'model test', now() - interval '1 day' FROM public.feature_flags");
    }

    void open_spool() {
        spool_.reset();
        auto opened = daemon::Spool::open(directory_.path(), spool_options_);
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        spool_ = std::move(*opened);
    }

    static daemon::UploaderOptions upload_options(const std::string& dsn) {
        daemon::UploaderOptions options;
        options.connection.dsn = dsn;
        options.writer.host_name = "host-a";
        options.gather_time = std::chrono::milliseconds(1);
        options.retry_min = std::chrono::milliseconds(1);
        options.retry_max = std::chrono::milliseconds(50);
        return options;
    }

    /// Puts `count` events on disk: those of the fixture's own spool, or of `spool`.
    void spool_events(std::uint32_t count) { spool_events(*spool_, count); }
    void spool_events(daemon::Spool& spool, std::uint32_t count) {
        std::vector<std::byte> bytes;
        for (std::uint32_t index = 0; index < count; ++index) {
            append_measurement(bytes, ++staged_);
        }
        daemon::StagedBatch batch;
        batch.session_id = {1};
        batch.first_seq = staged_ - count + 1;
        batch.seq_count = count;
        batch.event_count = count;
        batch.events = bytes;
        ASSERT_TRUE(spool.stage(batch).has_value());
        ASSERT_TRUE(spool.commit().has_value());
    }

    /// Looks again and again, up to a minute.
    static bool eventually(const std::function<bool()>& is_true) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!is_true()) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return true;
    }

    bool is_uploaded(const daemon::Uploader& uploader) const {
        return is_uploaded(uploader, *spool_);
    }
    static bool is_uploaded(const daemon::Uploader& uploader, const daemon::Spool& spool) {
        const auto status = uploader.status();
        return status.is_connected && status.cursor_lsn == spool.durable_end_lsn();
    }

    /// Every event that was spooled is a raw row, once, and counts in the unit state, once.
    void expect_stored_once() {
        const std::string n = std::to_string(staged_);
        EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT (spool_id, lsn)) || ' ' ||"
                        " count(DISTINCT metric_value) FROM public.ab_test_metrics"),
                  n + " " + n + " " + n);
        EXPECT_EQ(value("SELECT sum(n) || ' ' || sum(sum) FROM burgee.unit_metrics"),
                  value("SELECT count(*) || ' ' || sum(metric_value) FROM public.ab_test_metrics"));
        const auto number = [this](const char* sql) { return std::stoull(value(sql)); };
        const StoredAccounts stored{
            number("SELECT count(*) FROM public.ab_test_metrics"),
            number("SELECT count(*) FROM burgee.dead_letter"),
            number("SELECT sum(next_lsn - 1)::bigint FROM burgee.spool_cursor")};
        EXPECT_EQ(complaint(stored), "");
        EXPECT_EQ(stored.dead_letters, 0U);
    }

    TemporaryDirectory directory_{"spool"};
    daemon::SpoolOptions spool_options_;
    std::unique_ptr<daemon::Spool> spool_;
    daemon::Counters counters_;
    std::uint64_t staged_ = 0;

private:
    static void append_measurement(std::vector<std::byte>& bytes, std::uint64_t number) {
        const std::string variant = number % 2 == 0 ? "control" : "new";
        const std::string metric = number % 3 == 0 ? "conversion" : "impression";
        const std::string user = "user-" + std::to_string(number % 100);
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        EventHeader header{};
        header.unit_kind = static_cast<std::uint8_t>(UnitKind::kUserId);
        header.in_experiment = 1;
        header.experiment_id = kExperiment;
        header.variant_size = static_cast<std::uint16_t>(variant.size());
        header.metric_size = static_cast<std::uint16_t>(metric.size());
        header.user_id_size = static_cast<std::uint16_t>(user.size());
        header.created_unix_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
        header.value = static_cast<double>(number);
        const std::string texts = variant + metric + user;
        header.size_bytes = static_cast<std::uint32_t>((sizeof header + texts.size() + 7) / 8 * 8);
        const std::size_t begin = bytes.size();
        bytes.resize(begin + header.size_bytes);
        std::memcpy(bytes.data() + begin, &header, sizeof header);
        std::memcpy(bytes.data() + begin + sizeof header, texts.data(), texts.size());
    }
};

}  // namespace burgee::test
