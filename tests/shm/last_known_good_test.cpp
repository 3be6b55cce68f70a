// Promise: what was saved comes back byte for byte; anything else is refused with a reason.
// Method: save, spoil the file in one way, load.

#include "shm/last_known_good.hpp"

#include "tests/shm/sample_flags.hpp"
#include "tests/shm/snapshot_directory.hpp"

namespace burgee::test {
namespace {

class LastKnownGoodTest : public ::testing::Test {
protected:
    void save() {
        const auto saved = save_last_known_good(directory_.path(), image_);
        ASSERT_TRUE(saved.has_value()) << saved.error().message;
    }
    LastKnownGoodFault load_fault() {
        const auto loaded = load_last_known_good(directory_.path());
        EXPECT_FALSE(loaded.has_value());
        EXPECT_FALSE(!loaded && loaded.error().message.empty());
        return loaded ? LastKnownGoodFault::kSystem : loaded.error().fault;
    }
    void overwrite(std::span<const std::byte> bytes) {
        std::ofstream file(path_, std::ios::binary | std::ios::trunc);
        for (const std::byte byte : bytes) {
            file.put(static_cast<char>(byte));
        }
    }

    SnapshotDirectory directory_;
    std::string path_ = directory_.file(kLastKnownGoodName);
    std::vector<std::byte> image_ = snapshot_of(one_of_each(), 17);
};

TEST_F(LastKnownGoodTest, ComesBackByteForByte) {
    save();
    save();
    const auto loaded = load_last_known_good(directory_.path());
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    EXPECT_EQ(*loaded, image_);
    EXPECT_THAT(directory_.files(), ::testing::ElementsAre(kLastKnownGoodName));
    struct ::stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(LastKnownGoodTest, AFirstStartHasNone) {
    EXPECT_EQ(load_fault(), LastKnownGoodFault::kAbsent);
}

TEST_F(LastKnownGoodTest, RefusesEveryTruncationAndEveryFlip) {
    save();
    for (std::size_t size = 0; size < image_.size(); size += 37) {
        overwrite(std::span(image_).first(size));
        ASSERT_EQ(load_fault(), LastKnownGoodFault::kDamaged) << "size=" << size;
    }
    for (std::size_t offset = 0; offset < image_.size(); offset += 41) {
        std::vector<std::byte> spoilt = image_;
        spoilt[offset] ^= std::byte{4};
        overwrite(spoilt);
        ASSERT_EQ(load_fault(), LastKnownGoodFault::kDamaged) << "offset=" << offset;
    }
    overwrite(image_);
    EXPECT_TRUE(load_last_known_good(directory_.path()).has_value());
}

TEST_F(LastKnownGoodTest, RefusesWhatOthersMayHaveWritten) {
    save();
    ::chmod(path_.c_str(), 0620);
    EXPECT_EQ(load_fault(), LastKnownGoodFault::kForeign);
    ::chmod(path_.c_str(), 0600);
    std::filesystem::rename(path_, directory_.file("elsewhere"));
    std::filesystem::create_symlink(directory_.file("elsewhere"), path_);
    EXPECT_EQ(load_fault(), LastKnownGoodFault::kForeign);
    std::filesystem::remove(path_);
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    EXPECT_EQ(load_fault(), LastKnownGoodFault::kForeign) << "and does not wait for a writer";
    std::filesystem::remove(path_);
    std::filesystem::create_directory(path_);
    EXPECT_EQ(load_fault(), LastKnownGoodFault::kForeign);
}

TEST_F(LastKnownGoodTest, TheSnapshotInForceIsTakenWhenItIsNewerAndSound) {
    const SnapshotDirectory run;
    const auto newest = [&](std::uint64_t generation) {
        const auto loaded = load_newest_snapshot(directory_.path(), run.path(), generation);
        return loaded ? *loaded : std::vector<std::byte>{};
    };
    const std::vector<std::byte> in_force = snapshot_of(one_of_each(), 18);
    const std::string path = run.file("snap.L1.G0000000000000012");
    std::ofstream(path, std::ios::binary)
        .write(static_cast<const char*>(static_cast<const void*>(in_force.data())),
               static_cast<std::streamsize>(in_force.size()));
    ::chmod(path.c_str(), 0444);
    EXPECT_EQ(newest(18), in_force) << "there is none on disk";
    EXPECT_FALSE(load_newest_snapshot(directory_.path(), run.path(), 0));
    save();  // generation 17
    EXPECT_EQ(newest(18), in_force);
    EXPECT_EQ(newest(0), image_) << "after a reboot";
    EXPECT_EQ(newest(19), image_) << "the file is gone";
    std::filesystem::resize_file(path, in_force.size() - 1);
    EXPECT_EQ(newest(18), image_);
}

TEST_F(LastKnownGoodTest, AFailedSaveLeavesTheOldFile) {
    save();
    const auto missing = save_last_known_good(directory_.file("missing"), image_);
    ASSERT_FALSE(missing.has_value());
    EXPECT_THAT(missing.error().message, ::testing::HasSubstr("missing"));
    directory_.write("lkg.L1.new", "left by a kill");
    save();
    std::filesystem::create_directory(directory_.file("lkg.L1.new"));
    EXPECT_FALSE(save_last_known_good(directory_.path(), image_).has_value());
    EXPECT_TRUE(load_last_known_good(directory_.path()).has_value());
}

}  // namespace
}  // namespace burgee::test
