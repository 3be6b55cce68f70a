// Promise: what commit() returned for is there after any restart, in order, once; and what the
// spool
//          cannot do it says by name.
// Method: a real directory; the spool is closed, reopened, cut short, filled and shared.
#include "daemon/spool/spool.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "power_cut_disk.hpp"
#include "spool_events.hpp"

namespace burgee::test {
namespace {

namespace files = std::filesystem;
using daemon::Spool;
using daemon::SpoolBatch;
using daemon::SpoolErrorCode;
using daemon::SpoolOptions;

class SpoolTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (files::temp_directory_path() / "burgee-spool-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        options_.segment_size_bytes = 1 << 20;
        options_.replay_window_bytes = 0;
    }
    void TearDown() override {
        spool_.reset();
        files::remove_all(directory_);
    }

    void open() {
        spool_.reset();
        auto opened = Spool::open(directory_, options_);
        ASSERT_TRUE(opened) << opened.error().message;
        spool_ = std::move(*opened);
    }

    /// Stores `count` events of a session and goes on with its numbers.
    void store(std::uint64_t session, std::uint32_t count) {
        std::uint64_t& seq = next_seq_.try_emplace(session, 1).first->second;
        const auto events = make_events(session, seq, count);
        ASSERT_TRUE(spool_->stage(make_batch(session, seq, count, events)));
        const auto committed = spool_->commit();
        ASSERT_TRUE(committed) << committed.error().message;
        seq += count;
    }

    std::vector<std::uint64_t> numbers(std::uint64_t from_lsn = 1) {
        return read_numbers(*spool_, from_lsn, &batch_);
    }

    std::vector<files::path> segments() const {
        std::vector<files::path> found;
        for (const auto& entry : files::directory_iterator(directory_)) {
            if (entry.path().filename().string().size() == 20) {
                found.push_back(entry.path());
            }
        }
        std::sort(found.begin(), found.end());
        return found;
    }

    static std::uint64_t inode_of(const files::path& path) {
        struct stat status {};
        EXPECT_EQ(::stat(path.c_str(), &status), 0);
        return status.st_ino;
    }

    static void flip_byte(const files::path& path, std::uint64_t offset) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(static_cast<std::streamoff>(offset));
        const char byte = static_cast<char>(file.get() ^ 0x10);
        file.seekp(static_cast<std::streamoff>(offset));
        file.put(byte);
    }

    std::string directory_;
    SpoolOptions options_;
    std::unique_ptr<Spool> spool_;
    std::map<std::uint64_t, std::uint64_t> next_seq_;
    SpoolBatch batch_;
};

TEST_F(SpoolTest, GivesBackWhatWasStoredAfterReopening) {
    open();
    const auto id = spool_->spool_id();
    store(1, 3);
    store(2, 2);
    open();
    EXPECT_EQ(spool_->spool_id(), id);
    store(1, 1);
    EXPECT_THAT(numbers(), ::testing::ElementsAre(1'000'000'001, 1'000'000'002, 1'000'000'003,
                                                  2'000'000'001, 2'000'000'002, 1'000'000'004));
    EXPECT_EQ(batch_.first_lsn, 1U);
    EXPECT_EQ(batch_.end_lsn, 7U);
    EXPECT_TRUE(batch_.gaps.empty());
}

TEST_F(SpoolTest, ShowsNothingBeforeCommit) {
    open();
    const auto events = make_events(1, 1, 5);
    ASSERT_TRUE(spool_->stage(make_batch(1, 1, 5, events)));
    EXPECT_TRUE(numbers().empty());
    EXPECT_EQ(spool_->durable_end_lsn(), 1U);
    ASSERT_TRUE(spool_->commit());
    EXPECT_EQ(numbers().size(), 5U);
}

TEST_F(SpoolTest, ReadsInPiecesOfAnySize) {
    open();
    for (int round = 0; round < 20; ++round) {
        store(1, 7);
    }
    for (std::uint64_t events_max : {1U, 2U, 5U, 7U, 8U, 100U}) {
        std::uint64_t lsn = 1;
        while (lsn < spool_->durable_end_lsn()) {
            ASSERT_TRUE(spool_->read(lsn, {events_max, 1U << 20U}, batch_));
            ASSERT_LE(batch_.event_count, events_max);
            ASSERT_GT(batch_.end_lsn, lsn);
            batch_.for_each_event([&](std::uint64_t each, std::span<const std::byte> event) {
                EXPECT_EQ(each, lsn++);
                EXPECT_EQ(event_number(event), 1'000'000'000 + each);
            });
            EXPECT_EQ(lsn, batch_.end_lsn);
        }
    }
}

TEST_F(SpoolTest, RemembersSessionsAcrossSegmentsAndRestarts) {
    open();
    store(1, 1);
    for (int round = 0; round < 40; ++round) {
        store(2, 500);
    }
    EXPECT_GT(segments().size(), 1U);
    spool_->release(spool_->durable_end_lsn());
    open();
    open();
    std::map<unsigned, std::uint64_t> positions;
    for (const auto& session : spool_->sessions()) {
        positions[session.session_id[0]] = session.last_seq;
    }
    EXPECT_EQ(positions, (std::map<unsigned, std::uint64_t>{{1, 1}, {2, 20'000}}));
}

TEST_F(SpoolTest, CountsRefusedNumbersForTheSessionOnly) {
    open();
    auto batch = make_batch(1, 1, 0, {});
    batch.seq_count = 4U;
    ASSERT_TRUE(spool_->stage(batch));
    ASSERT_TRUE(spool_->commit());
    EXPECT_EQ(spool_->durable_end_lsn(), 1U);
    open();
    ASSERT_EQ(spool_->sessions().size(), 1U);
    EXPECT_EQ(spool_->sessions().front().last_seq, 4U);
}

// Totals alone fill a segment, and the next one takes its name: the group that meets the end is
// stored as a whole all the same.
TEST_F(SpoolTest, LosesNoBookkeepingWhereASegmentWithoutEventsEnds) {
    open();
    daemon::SessionTotals totals{};
    std::uint64_t begun = 0;
    for (std::uint64_t commit = 1; begun < 2; ++commit) {
        ASSERT_LT(commit, 100'000U);
        totals[0] = commit;
        for (std::uint64_t session = 1; session <= 3; ++session) {
            auto batch = make_batch(session, 1, 0, {});
            batch.totals = &totals;
            ASSERT_TRUE(spool_->stage(batch));
        }
        const auto inode_before = inode_of(segments().back());
        ASSERT_TRUE(spool_->commit());
        if (inode_of(segments().back()) == inode_before) {
            continue;
        }
        ++begun;
        const std::string copy = directory_ + ".copy";
        files::copy(directory_, copy, files::copy_options::recursive);
        auto opened = Spool::open(copy, options_);
        ASSERT_TRUE(opened) << opened.error().message;
        const auto kept = (*opened)->session_totals();
        EXPECT_EQ(kept.size(), 3U);
        for (const auto& record : kept) {
            EXPECT_EQ(record.totals[0], commit);
        }
        opened->reset();
        files::remove_all(copy);
    }
}

TEST_F(SpoolTest, RecyclesDeliveredSegmentsAndNeverReadsTheirOldFrames) {
    open();
    std::uint64_t delivered = 1;
    std::set<std::uint64_t> seen;
    for (int round = 0; round < 60; ++round) {
        store(1, 1000);
        for (const std::uint64_t number : numbers(delivered)) {
            EXPECT_TRUE(seen.insert(number).second);
        }
        delivered = batch_.end_lsn;
        spool_->release(delivered);
        ASSERT_LE(spool_->statistics().size_bytes, 6U << 20);
    }
    open();
    EXPECT_EQ(seen.size(), 60'000U);
    EXPECT_EQ(spool_->durable_end_lsn(), 60'001U);
    EXPECT_EQ(spool_->statistics().events_lost, 0U);
}

// The uploader's thread beside the ingest thread, through rotations, recycling and waits.
TEST_F(SpoolTest, IsReadAndReleasedWhileItIsWritten) {
    open();
    constexpr std::uint64_t kEvents = 60'000;
    std::thread reader([this] {
        std::uint64_t lsn = 1;
        while (lsn <= kEvents) {
            spool_->wait(lsn, std::chrono::seconds(10));
            ASSERT_TRUE(spool_->read(lsn, {700, 1U << 20U}, batch_));
            ASSERT_TRUE(batch_.gaps.empty());
            batch_.for_each_event([&](std::uint64_t each, std::span<const std::byte> event) {
                ASSERT_EQ(each, lsn++);
                ASSERT_EQ(event_number(event), 1'000'000'000 + each);
            });
            spool_->release(lsn);
        }
    });
    for (std::uint64_t stored = 0; stored < kEvents; stored += 500) {
        store(1, 500);
    }
    reader.join();
    EXPECT_EQ(spool_->statistics().events_in_spool, 0U);
}

TEST_F(SpoolTest, RefusesEventsAtItsCapAndRecoversUnaided) {
    options_.cap_bytes = 4 << 20;
    open();
    std::uint64_t stored = 0;
    const auto events = make_events(1, 1, 1000);
    const auto try_to_store = [&] {
        EXPECT_TRUE(spool_->stage(make_batch(1, stored + 1, 1000, events)));
        const auto committed = spool_->commit();
        stored += committed ? 1000U : 0U;
        return committed ? std::optional<SpoolErrorCode>() : committed.error().code;
    };
    std::optional<SpoolErrorCode> error;
    while (!error && stored < 100'000) {
        error = try_to_store();
    }
    ASSERT_EQ(error, SpoolErrorCode::kFull);
    EXPECT_GE(stored, 20'000U);
    EXPECT_EQ(spool_->durable_end_lsn(), stored + 1);
    EXPECT_EQ(numbers().size(), stored);
    spool_->release(stored + 1);
    EXPECT_EQ(try_to_store(), std::nullopt);
    EXPECT_EQ(spool_->durable_end_lsn(), stored + 1);
}

TEST_F(SpoolTest, KeepsWhatWasDeliveredWithinTheHourBeyondTheBytesOfTheReplayWindow) {
    options_.replay_window_bytes = 1 << 20;
    open();
    for (int round = 0; round < 50; ++round) {
        store(1, 1000);
    }
    const std::uint64_t end = spool_->durable_end_lsn();
    const auto delivered_at = std::chrono::steady_clock::time_point(std::chrono::hours(1'000));
    const auto segments_before = segments().size();
    ASSERT_GT(segments_before, 4U);
    spool_->release(end, delivered_at);
    spool_->release(end, delivered_at + std::chrono::minutes(59));
    EXPECT_EQ(segments().size(), segments_before);
    EXPECT_EQ(numbers().size(), 50'000U) << "all of it can be sent again";
    spool_->release(end, delivered_at + std::chrono::hours(1));
    EXPECT_EQ(segments().size(), 2U) << "the newest 1 MiB of delivered ones, and the one in use";
}

TEST_F(SpoolTest, GivesUpTheHourRatherThanRefuseEvents) {
    options_.replay_window_bytes = 1 << 20;
    options_.cap_bytes = 6 << 20;
    open();
    const auto delivered_at = std::chrono::steady_clock::time_point(std::chrono::hours(1'000));
    for (int round = 0; round < 100; ++round) {
        store(1, 1000);
        spool_->release(spool_->durable_end_lsn(), delivered_at);
    }
    EXPECT_LE(spool_->statistics().size_bytes, options_.cap_bytes);
    EXPECT_GE(segments().size(), 4U) << "and keeps as much as there is room for";
}

TEST_F(SpoolTest, LeavesRoomForEventsBesideTheReplayWindowOfASmallCap) {
    options_.replay_window_bytes = 256 << 20;
    options_.cap_bytes = 5 << 20;
    open();
    for (int round = 0; round < 100; ++round) {
        store(1, 1000);
        spool_->release(spool_->durable_end_lsn());
    }
    EXPECT_EQ(spool_->durable_end_lsn(), 100'001U);
    EXPECT_GT(numbers().size(), 5'000U) << "what is delivered is kept where there is room";
}

TEST_F(SpoolTest, RefusesASecondOpener) {
    open();
    const auto second = Spool::open(directory_, options_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, SpoolErrorCode::kLocked);
    EXPECT_THAT(second.error().message, ::testing::HasSubstr(directory_));
}

TEST_F(SpoolTest, NamesAMissingDirectory) {
    const auto opened = Spool::open(directory_ + "/nowhere", options_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, SpoolErrorCode::kBadDirectory);
}

TEST_F(SpoolTest, ReportsAReadBeyondItsEnd) {
    open();
    store(1, 1);
    ASSERT_TRUE(spool_->read(2, {}, batch_));
    const auto result = spool_->read(3, {}, batch_);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, SpoolErrorCode::kBeyondEnd);
}

TEST_F(SpoolTest, ReportsReleasedEventsAsAGap) {
    open();
    for (int round = 0; round < 40; ++round) {
        store(1, 1000);
    }
    spool_->release(spool_->durable_end_lsn());
    const std::uint64_t oldest = spool_->oldest_lsn();
    ASSERT_GT(oldest, 1U);
    numbers();
    EXPECT_THAT(batch_.gaps, ::testing::ElementsAre(daemon::SpoolGap{1, oldest - 1}));
    EXPECT_EQ(spool_->statistics().events_lost, 0U);
}

TEST_F(SpoolTest, RefusesBatchesThatContradictThemselves) {
    open();
    const auto events = make_events(1, 1, 2);
    auto batch = make_batch(1, 1, 3, events);
    EXPECT_FALSE(spool_->stage(batch));
    batch = make_batch(1, 1, 1, events);
    EXPECT_FALSE(spool_->stage(batch));
    batch = make_batch(1, 0, 2, events);
    EXPECT_FALSE(spool_->stage(batch));
}

TEST_F(SpoolTest, CountsRottenEventsOnceAndKeepsTheRest) {
    open();
    store(1, 10);
    store(1, 10);
    store(1, 10);
    ASSERT_TRUE(spool_->tick());
    spool_.reset();
    flip_byte(segments().back(), 4096 + 48 + 40 + 100 * 15);
    for (int round = 0; round < 3; ++round) {
        open();
        EXPECT_EQ(numbers().size(), 20U) << "round " << round;
        ASSERT_EQ(batch_.gaps.size(), 1U);
        EXPECT_EQ(batch_.gaps.front().count, 10U);
        EXPECT_EQ(spool_->statistics().events_lost, 10U);
        EXPECT_EQ(spool_->statistics().quarantined_bytes > 0, round == 0);
        EXPECT_EQ(spool_->statistics().events_in_spool, 20U);
    }
}

TEST_F(SpoolTest, SurvivesALostHeaderAndGivesNoNumberTwice) {
    open();
    store(1, 10);
    spool_.reset();
    const auto path = segments().back();
    flip_byte(path, 20);
    open();
    EXPECT_EQ(numbers().size(), 10U) << "the second copy of the header stands in";
    spool_.reset();
    // The last segment has no events; the one before it loses both copies.
    flip_byte(path, 2048 + 20);
    open();
    EXPECT_TRUE(numbers().empty());
    EXPECT_EQ(spool_->statistics().events_lost, 10U);
    EXPECT_EQ(spool_->durable_end_lsn(), 11U);
    open();
    EXPECT_EQ(spool_->statistics().events_lost, 10U);
}

TEST_F(SpoolTest, RefusesALaterFormatAndTouchesNothing) {
    open();
    store(1, 10);
    spool_.reset();
    const auto path = segments().back();
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8).put(2);
    file.seekp(2048 + 8).put(2);
    file.close();
    const auto before = segments();
    const auto opened = Spool::open(directory_, options_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, SpoolErrorCode::kNewerFormat);
    EXPECT_EQ(segments(), before);
}

TEST_F(SpoolTest, KeepsLsnsUnderANewId) {
    open();
    store(1, 5);
    const auto before = spool_->spool_id();
    const auto change = spool_->propose_id(6);
    ASSERT_TRUE(change);
    EXPECT_EQ(spool_->spool_id(), before) << "not before it is adopted";
    ASSERT_TRUE(spool_->adopt_id());
    store(1, 5);
    open();
    EXPECT_EQ(spool_->spool_id(), change->id);
    EXPECT_FALSE(spool_->pending_id_change().has_value());
    EXPECT_NE(spool_->spool_id(), before);
    EXPECT_EQ(numbers().size(), 10U);
}

// The note of a new id fails or loses power at every call of the disk: it is there whole, or not.
TEST_F(SpoolTest, NotesANewIdWholeOrNotAtAll) {
    for (std::uint64_t call = 0; call < 4; ++call) {
        for (std::uint64_t seed = 0; seed < 20; ++seed) {
            PowerCutDisk disk(seed);
            auto opened = Spool::open(disk.attach(), options_);
            ASSERT_TRUE(opened) << opened.error().message;
            const auto id = (*opened)->spool_id();
            disk.fail_call(call, EIO);
            const auto change = (*opened)->propose_id(7);
            opened->reset();
            disk.cut(512);
            auto again = Spool::open(disk.attach(), options_);
            ASSERT_TRUE(again) << again.error().message;
            EXPECT_EQ((*again)->spool_id(), id);
            const auto pending = (*again)->pending_id_change();
            EXPECT_TRUE(pending || !change) << "call " << call << " seed " << seed;
            if (pending && change) {
                EXPECT_EQ(pending->id, change->id);
                EXPECT_EQ(pending->first_lsn, 7U);
            }
        }
    }
}

// Every length at which a crash may have left the newest segment gives a prefix, never garbage.
TEST_F(SpoolTest, TakesEveryTruncationForATornTail) {
    open();
    for (int round = 0; round < 5; ++round) {
        store(1, 3);
    }
    spool_.reset();
    const auto path = segments().back();
    std::ifstream source(path, std::ios::binary);
    std::string bytes(static_cast<std::size_t>(files::file_size(path)), char{});
    source.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const std::size_t event_size = make_events(1, 1, 1).size();
    const std::size_t used = 4096 + 5 * (48 + 40 + 3 * event_size);
    for (std::size_t size = 4096; size <= used; size += 5) {
        PowerCutDisk disk(1);
        auto file = std::make_shared<DiskFile>();
        const auto whole = std::as_bytes(std::span(bytes));
        file->durable.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        file->cached = file->durable;
        disk.files()[path.filename().string()] = file;
        auto opened = Spool::open(disk.attach(), options_);
        ASSERT_TRUE(opened) << opened.error().message;
        const auto found = read_numbers(**opened, 1, &batch_);
        ASSERT_EQ(found.size(), (size - 4096) / (48 + 40 + 3 * event_size) * 3) << size;
        for (std::size_t index = 0; index < found.size(); ++index) {
            ASSERT_EQ(found[index], 1'000'000'001 + index) << size;
        }
        ASSERT_EQ(batch_.gaps.size(), 0U)
            << "of " << size << " bytes: no frame after the cut can vouch for it";
    }
}

}  // namespace
}  // namespace burgee::test
