// Promise: a snapshot is announced only when it is whole and has a name; whatever stands in the way
// is refused with one clear line, and the snapshot in force stays. Method: a real directory; put
// one thing wrong, publish, and look at it as a reader would.

#include <sys/mount.h>
#include <sys/resource.h>

#include <optional>

#include "shm/publisher.hpp"
#include "shm/snapshot_image.hpp"
#include "tests/shm/sample_flags.hpp"
#include "tests/shm/snapshot_directory.hpp"

namespace burgee::test {
namespace {

constexpr PublisherOptions kRetireAtOnce{.retire_after = std::chrono::milliseconds(0)};

class PublisherTest : public ::testing::Test {
protected:
    /// The publisher of `directory_`; ends the test when it is refused.
    Publisher open(PublisherOptions options = {}) {
        auto opened = Publisher::open(directory_.path(), options);
        if (!opened) {
            throw std::runtime_error(opened.error().message);
        }
        return std::move(*opened);
    }
    PublishFault refusal() {
        const auto opened = Publisher::open(directory_.path());
        EXPECT_FALSE(opened.has_value());
        EXPECT_FALSE(!opened && opened.error().message.empty());
        EXPECT_FALSE(!opened && opened.error().message.find('\n') != std::string::npos);
        return opened ? PublishFault::kSystem : opened.error().fault;
    }
    std::uint64_t publish(Publisher& publisher, const ReadBack& read_back = {}) {
        const auto published = publisher.publish(image_, read_back);
        EXPECT_TRUE(published.has_value()) << published.error().message;
        return published ? *published : 0;
    }
    std::optional<PublishFault> publish_fault(Publisher& publisher,
                                              const ReadBack& read_back = {}) {
        const auto published = publisher.publish(image_, read_back);
        return published ? std::nullopt : std::optional(published.error().fault);
    }
    std::string control() const { return directory_.file(kControlFileName); }

    SnapshotDirectory directory_;
    std::vector<std::byte> image_ = snapshot_of(one_of_each());
};

TEST_F(PublisherTest, AnnouncesAWholeFileUnderItsNumber) {
    Publisher publisher = open();
    const ControlReader reader(directory_.path());
    EXPECT_EQ(reader.generation(), 0U);
    EXPECT_EQ(publish(publisher), 1U);
    EXPECT_EQ(publish(publisher), 2U);
    EXPECT_EQ(reader.generation(), 2U);
    EXPECT_EQ(publisher.current_generation(), 2U);
    const std::vector<std::byte> published = directory_.read(2);
    EXPECT_EQ(full_error(published), ViewError::kNone);
    SnapshotView view;
    ASSERT_EQ(SnapshotView::open(published.data(), published.size(), view), ViewError::kNone);
    EXPECT_EQ(view.header().generation, 2U);
    EXPECT_EQ(reader.page().slots[0].content_hash.load(), view.header().content_hash);
    EXPECT_EQ(reader.page().slots[0].layout_major.load(), kLayoutMajor);
    struct ::stat status {};
    ASSERT_EQ(::stat(directory_.file(SnapshotDirectory::snapshot_name(2)).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0444U);
    ASSERT_EQ(::stat(control().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0644U);
}

TEST_F(PublisherTest, RestampingChangesNothingButTheNumber) {
    const SnapshotHeader header = restamped_header(image_, 77);
    std::vector<std::byte> restamped = image_;
    std::memcpy(restamped.data(), &header, sizeof header);
    FlagChanges changes = one_of_each();
    EXPECT_EQ(restamped, snapshot_of(changes, 77));
}

TEST_F(PublisherTest, KeepsTheInodeAndCountsOnAfterARestart) {
    struct ::stat before {};
    std::uint64_t instance = 0;
    {
        Publisher publisher = open();
        publish(publisher);
        ASSERT_EQ(::stat(control().c_str(), &before), 0);
        instance = ControlReader(directory_.path()).page().instance.load();
        EXPECT_EQ(publisher.state(), kStateRunning);
    }
    const ControlReader reader(directory_.path());
    EXPECT_EQ(reader.page().state.load() & kStateRunning, 0U) << "a clean end is visible";
    Publisher publisher = open();
    struct ::stat after {};
    ASSERT_EQ(::stat(control().c_str(), &after), 0);
    EXPECT_EQ(before.st_ino, after.st_ino);
    EXPECT_NE(reader.page().instance.load(), instance);
    EXPECT_EQ(reader.generation(), 1U) << "readers go on with what they have";
    EXPECT_EQ(publish(publisher), 2U);
}

TEST_F(PublisherTest, NumbersPastFilesAndLastKnownGood) {
    directory_.write(SnapshotDirectory::snapshot_name(41), "never announced");
    Publisher publisher = open();
    EXPECT_THAT(directory_.files(), ::testing::IsEmpty()) << "and sweeps them";
    EXPECT_EQ(publisher.next_generation(), 42U);
    publisher.raise_generation(99);
    publisher.raise_generation(7);
    EXPECT_EQ(publisher.next_generation(), 100U);
    EXPECT_EQ(publish(publisher), 100U);
    image_ = snapshot_of(one_of_each(), 500);
    EXPECT_EQ(publish(publisher), 500U) << "an image may ask for a later number";
    EXPECT_EQ(publisher.next_generation(), 501U);
}

TEST_F(PublisherTest, TakesTheNextNumberWhenANameIsTaken) {
    Publisher publisher = open();
    directory_.write(SnapshotDirectory::snapshot_name(1), "foreign");
    directory_.write(SnapshotDirectory::snapshot_name(2), "foreign");
    EXPECT_EQ(publish(publisher), 3U);
    EXPECT_EQ(full_error(directory_.read(3)), ViewError::kNone) << "the header was stamped again";
    SnapshotView view;
    const auto bytes = directory_.read(3);
    ASSERT_EQ(SnapshotView::open(bytes.data(), bytes.size(), view), ViewError::kNone);
    EXPECT_EQ(view.header().generation, 3U);
}

TEST_F(PublisherTest, SweepsOnlyWhatIsItsOwn) {
    {
        Publisher publisher = open();
        for (int round = 0; round < 4; ++round) {
            publish(publisher);
        }
    }
    directory_.write(SnapshotDirectory::snapshot_name(5), "not announced");
    directory_.write("snap.L9.G0000000000000001", "another layout");
    directory_.write("control.new", "half a page");
    directory_.write("snap.L1.Gzz", "a stranger's");
    directory_.write("events.sock", "a stranger's");
    Publisher publisher = open();
    EXPECT_THAT(directory_.files(),
                ::testing::ElementsAre("events.sock", SnapshotDirectory::snapshot_name(3),
                                       SnapshotDirectory::snapshot_name(4), "snap.L1.Gzz"));
    EXPECT_EQ(publisher.next_generation(), 6U);
}

TEST_F(PublisherTest, UnlinksOldGenerationsButNeverTheLastTwo) {
    Publisher publisher = open(kRetireAtOnce);
    for (int round = 0; round < 5; ++round) {
        publish(publisher);
    }
    EXPECT_THAT(directory_.files(), ::testing::ElementsAre(SnapshotDirectory::snapshot_name(4),
                                                           SnapshotDirectory::snapshot_name(5)));
}

TEST_F(PublisherTest, LeavesYoungFilesForSlowReaders) {
    Publisher publisher = open({.retire_after = std::chrono::hours(1)});
    for (int round = 0; round < 5; ++round) {
        publish(publisher);
    }
    EXPECT_EQ(directory_.files().size(), 5U);
    EXPECT_EQ(publisher.retire_old_files(), 0U);
}

TEST_F(PublisherTest, RefusesASecondDaemon) {
    std::optional<Publisher> first = open();
    EXPECT_EQ(refusal(), PublishFault::kSecondDaemon);
    EXPECT_EQ(publish(*first), 1U) << "the first one does not even notice";
    first.reset();
    EXPECT_NO_THROW(open());
}

TEST_F(PublisherTest, ShowsReadersThatItHoldsTheLock) {
    std::optional<Publisher> publisher = open();
    const FileDescriptor file(::open(control().c_str(), O_RDONLY | O_CLOEXEC));
    const auto is_locked = [&] {
        struct ::flock lock {};
        lock.l_type = F_RDLCK;
        lock.l_whence = SEEK_SET;
        lock.l_len = 1;
        EXPECT_EQ(::fcntl(file.number(), F_OFD_GETLK, &lock), 0);
        return lock.l_type == F_WRLCK;
    };
    EXPECT_TRUE(is_locked());
    publisher.reset();
    EXPECT_FALSE(is_locked());
}

TEST_F(PublisherTest, BeatsAndShowsStates) {
    Publisher publisher = open();
    const ControlReader reader(directory_.path());
    publisher.beat();
    publisher.beat();
    EXPECT_EQ(reader.page().heartbeat_count.load(), 2U);
    EXPECT_NE(reader.page().heartbeat_boot_ns.load(), 0U);
    publisher.set_state(kStateStale, true);
    publisher.set_state(kStateDatabaseDown, true);
    publisher.set_state(kStateStale, false);
    EXPECT_EQ(reader.page().state.load(), kStateRunning | kStateDatabaseDown);
}

TEST_F(PublisherTest, RefusesADirectoryThatOthersCanWrite) {
    for (const unsigned mode : {0770U, 0777U, 01777U, 0702U}) {
        ::chmod(directory_.path().c_str(), mode);
        EXPECT_EQ(refusal(), PublishFault::kDirectory) << std::oct << mode;
    }
    ::chmod(directory_.path().c_str(), 0755);
    EXPECT_NO_THROW(open());
}

TEST_F(PublisherTest, RefusesADirectoryThatIsNone) {
    directory_.write("file", "");
    std::filesystem::create_directory_symlink(directory_.path(), directory_.file("link"));
    for (const char* name : {"missing", "file", "link"}) {
        const auto opened = Publisher::open(directory_.file(name));
        ASSERT_FALSE(opened.has_value()) << name;
        EXPECT_EQ(opened.error().fault, PublishFault::kDirectory) << name;
        EXPECT_THAT(opened.error().message, ::testing::HasSubstr(directory_.file(name)));
    }
}

TEST_F(PublisherTest, RefusesAForeignOwner) {
    if (::geteuid() != 0) {
        // Only root can give a file away. Another user meets root's directory instead.
        const auto opened = Publisher::open("/proc/self/fdinfo");
        EXPECT_FALSE(opened.has_value());
        return;
    }
    ASSERT_EQ(::chown(directory_.path().c_str(), 65'534, 65'534), 0);
    EXPECT_EQ(refusal(), PublishFault::kDirectory);
    ASSERT_EQ(::chown(directory_.path().c_str(), 0, 0), 0);
    { const Publisher publisher = open(); }
    ASSERT_EQ(::chown(control().c_str(), 65'534, 65'534), 0);
    EXPECT_EQ(refusal(), PublishFault::kControl);
}

TEST_F(PublisherTest, RefusesAControlThatIsNoFile) {
    directory_.write("elsewhere", "");
    const std::vector<std::function<void()>> makers{
        [&] { std::filesystem::create_symlink(directory_.file("elsewhere"), control()); },
        [&] { std::filesystem::create_symlink(directory_.file("missing"), control()); },
        [&] { std::filesystem::create_directory(control()); },
        [&] { ASSERT_EQ(::mkfifo(control().c_str(), 0644), 0); }};
    for (const auto& make : makers) {
        make();
        EXPECT_EQ(refusal(), PublishFault::kControl);
        std::filesystem::remove(control());
    }
}

TEST_F(PublisherTest, ReplacesAnUnusablePageAndRetiresIt) {
    { Publisher(open()).beat(); }
    std::ifstream file(control(), std::ios::binary);
    const std::string good((std::istreambuf_iterator<char>(file)), {});
    const auto damaged = [&](std::size_t offset) {
        std::string bytes = good;
        bytes[offset] = static_cast<char>(bytes[offset] ^ 0x7F);
        return bytes;
    };
    for (const std::size_t offset : {0U, 7U, 8U, 11U, 12U, 79U}) {  // 79: an absurd generation
        directory_.write(kControlFileName, damaged(offset));
        const ControlReader old_reader(directory_.path());
        Publisher publisher = open();
        EXPECT_NE(old_reader.page().state.load() & kStateRetired, 0U) << offset;
        const ControlReader reader(directory_.path());
        EXPECT_EQ(reader.page().magic, kControlMagic);
        EXPECT_EQ(reader.page().state.load(), kStateRunning);
        EXPECT_GT(publish(publisher), 0U);
        EXPECT_NE(reader.generation(), 0U);
        EXPECT_TRUE(publisher.is_control_current());
    }
}

TEST_F(PublisherTest, ReplacesAPageOfAnotherSizeOrOpenToOthers) {
    for (const std::string& content :
         {std::string(), std::string(100, 'x'), std::string(8'192, 'x')}) {
        directory_.write(kControlFileName, content);
        Publisher publisher = open();
        EXPECT_EQ(std::filesystem::file_size(control()), kControlSizeBytes);
        EXPECT_GT(publish(publisher), 0U);
    }
    struct ::stat before {};
    struct ::stat after {};
    ::chmod(control().c_str(), 0666);
    ASSERT_EQ(::stat(control().c_str(), &before), 0);
    const Publisher publisher = open();
    ASSERT_EQ(::stat(control().c_str(), &after), 0);
    EXPECT_NE(before.st_ino, after.st_ino) << "somebody may hold a writable mapping of the old one";
    EXPECT_EQ(after.st_mode & 0777U, 0644U);
}

TEST_F(PublisherTest, ClosesTheSlotsOfOtherLayouts) {
    {
        const Publisher publisher = open();
        const FileDescriptor file(::open(control().c_str(), O_RDWR | O_CLOEXEC));
        const std::uint64_t other = kLayoutMajor + 1;
        ASSERT_EQ(write_all(file, std::as_bytes(std::span(&other, 1)), 64 + 64), 0);
    }
    const Publisher publisher = open();
    const ControlReader reader(directory_.path());
    EXPECT_EQ(reader.page().slots[0].layout_major.load(), kLayoutMajor);
    EXPECT_EQ(reader.page().slots[1].layout_major.load(), 0U) << "nobody publishes there any more";
}

TEST_F(PublisherTest, NoticesThatItsDirectoryWasReplaced) {
    Publisher publisher = open();
    EXPECT_TRUE(publisher.is_control_current());
    std::filesystem::rename(directory_.path(), directory_.path() + ".old");
    std::filesystem::create_directory(directory_.path());
    EXPECT_FALSE(publisher.is_control_current());
    std::filesystem::remove_all(directory_.path() + ".old");
    EXPECT_EQ(publish_fault(publisher), PublishFault::kDirectory);
}

TEST_F(PublisherTest, ReadsBackBeforeItAnnounces) {
    Publisher publisher = open();
    const std::uint64_t known = hash64(std::string_view("everywhere"));
    const std::uint64_t unknown = hash64(std::string_view("unknown"));
    publish(publisher, {.present = {known}, .absent = {unknown}});
    EXPECT_EQ(publish_fault(publisher, {.present = {unknown}, .absent = {}}),
              PublishFault::kBadImage);
    EXPECT_EQ(publish_fault(publisher, {.present = {}, .absent = {known}}),
              PublishFault::kBadImage);
    image_.back() ^= std::byte{1};
    EXPECT_EQ(publish_fault(publisher), PublishFault::kBadImage) << "a spoilt body";
    image_.front() ^= std::byte{1};
    EXPECT_EQ(publish_fault(publisher), PublishFault::kBadImage) << "no snapshot at all";
    EXPECT_EQ(publisher.current_generation(), 1U);
    EXPECT_EQ(directory_.files().size(), 1U) << "nothing is left of what failed";
}

TEST_F(PublisherTest, RefusesWhatIsTooLarge) {
    Publisher publisher = open({.snapshot_size_max = image_.size() - 1});
    EXPECT_EQ(publish_fault(publisher), PublishFault::kTooLarge);
}

TEST_F(PublisherTest, AFileSizeLimitIsAnErrorAndNoSignal) {
    Publisher publisher = open();
    publish(publisher);
    struct ::rlimit before {};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct ::rlimit tight { image_.size() - 1, before.rlim_max };
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    const std::optional<PublishFault> fault = publish_fault(publisher);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(fault, PublishFault::kNoSpace);
    EXPECT_EQ(publish(publisher), 2U) << "it recovers unaided";
}

/// A file system of one megabyte. Needs a mount, hence root and its leave; without either the file
/// size limit above is what is left of this promise.
TEST_F(PublisherTest, AFullFileSystemIsAnErrorAndTheOldSnapshotStays) {
    const std::string small = directory_.file("small");
    std::filesystem::create_directory(small);
    if (::mount("none", small.c_str(), "tmpfs", 0, "size=1m,mode=755") != 0) {
        std::printf("no mount here (%s): covered by the file size limit only\n",
                    std::strerror(errno));
        return;
    }
    const std::shared_ptr<void> unmounts(
        nullptr, [&](void*) { EXPECT_EQ(::umount2(small.c_str(), MNT_DETACH), 0); });
    {
        auto publisher = Publisher::open(small);
        ASSERT_TRUE(publisher.has_value()) << publisher.error().message;
        EXPECT_EQ(publish(*publisher), 1U);
        const std::vector<std::byte> little = image_;
        FlagChanges changes = one_of_each();
        changes.changed[3].variants[0].config_json.assign(2 << 20, ' ');
        image_ = snapshot_of(changes);
        EXPECT_EQ(publish_fault(*publisher), PublishFault::kNoSpace);
        std::ofstream(small + "/filler") << std::string(950 << 10, 'x');
        image_ = little;
        EXPECT_EQ(publish_fault(*publisher), PublishFault::kNoSpace) << "a tenth stays free";
        EXPECT_EQ(ControlReader(small).generation(), 1U);
        std::filesystem::remove(small + "/filler");
        EXPECT_EQ(publish(*publisher), 2U) << "it recovers unaided";
    }
}

TEST_F(PublisherTest, OldSnapshotsMakeRoomBeforeItIsAskedFor) {
    const std::string small = directory_.file("small");
    std::filesystem::create_directory(small);
    if (::mount("none", small.c_str(), "tmpfs", 0, "size=1m,mode=755") != 0) {
        std::printf("no mount here: %s\n", std::strerror(errno));
        return;
    }
    const std::shared_ptr<void> unmounts(
        nullptr, [&](void*) { EXPECT_EQ(::umount2(small.c_str(), MNT_DETACH), 0); });
    auto publisher = Publisher::open(small, {.retire_after = std::chrono::milliseconds(1'000)});
    ASSERT_TRUE(publisher.has_value()) << publisher.error().message;
    FlagChanges changes = one_of_each();
    changes.changed[3].variants[0].config_json.assign(150 << 10, ' ');
    image_ = snapshot_of(changes);
    std::optional<PublishFault> fault;
    for (int attempt = 0; attempt < 1'000 && !fault; ++attempt) {
        fault = publish_fault(*publisher);  // faster than they may be retired
    }
    ASSERT_EQ(fault, PublishFault::kNoSpace);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (fault && std::chrono::steady_clock::now() < deadline) {
        fault = publish_fault(*publisher);
    }
    EXPECT_EQ(fault, std::nullopt) << "files that may go by now are still in the way";
}

TEST(SnapshotFileNameTest, ReadsWhatItWritesAndNothingElse) {
    const SnapshotFileName name{1, 0xAB};
    EXPECT_EQ(name.text(), "snap.L1.G00000000000000ab");
    const auto parsed = SnapshotFileName::parse(name.text());
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->generation, 0xABU);
    for (const char* text :
         {"", "control", "snap.L1.G", "snap.L1.Gab", "snap.L01.G00000000000000ab",
          "snap.L1.G00000000000000AB", "snap.L1.G00000000000000ab~", "snap.L.G00000000000000ab",
          "snap.L-1.G00000000000000ab"}) {
        EXPECT_FALSE(SnapshotFileName::parse(text).has_value()) << text;
    }
}

}  // namespace
}  // namespace burgee::test
