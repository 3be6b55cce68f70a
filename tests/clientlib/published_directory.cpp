#include "tests/clientlib/published_directory.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace burgee::test {
namespace {

void write_file(const std::string& path, const void* bytes, std::size_t size, mode_t mode) {
    const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, mode);
    if (file < 0 || ::write(file, bytes, size) != static_cast<ssize_t>(size) ||
        ::fchmod(file, mode) != 0 || ::close(file) != 0) {
        throw std::runtime_error("cannot write " + path + ": " + std::strerror(errno));
    }
}

}  // namespace

FlagDefinition flag_of(std::string name, Status status, double rollout_percentage) {
    FlagDefinition flag;
    flag.salt = name;
    flag.name = std::move(name);
    flag.status = status;
    flag.rollout_percentage = rollout_percentage;
    flag.revision = 1;
    return flag;
}

VariantDefinition variant_of(std::string name, double weight, std::vector<ConfigScalar> config) {
    return {std::move(name), weight, "{}", std::move(config)};
}

FlagDefinition ab_test_of(std::string name, double rollout_percentage) {
    FlagDefinition flag = flag_of(std::move(name), Status::kAbTest, rollout_percentage);
    flag.variants = {variant_of("control", 50, {{"model", std::string("gpt-3.5")}}),
                     variant_of("treatment", 50, {{"model", std::string("gpt-4")}})};
    return flag;
}

ExperimentDefinition experiment_on(const std::string& flag_name) {
    ExperimentDefinition experiment;
    experiment.id.fill(0xAB);
    experiment.name = flag_name + " test";
    experiment.flag_name = flag_name;
    return experiment;
}

std::vector<std::byte> image_of(std::uint64_t generation, std::vector<FlagDefinition> flags,
                                std::vector<ExperimentDefinition> experiments,
                                std::int64_t database_unix_ms) {
    FlagChanges changes;
    changes.revision = generation;
    changes.is_full = true;
    changes.database_unix_ms = database_unix_ms;
    changes.changed = std::move(flags);
    changes.experiments = std::move(experiments);
    SnapshotBuilder builder;
    builder.apply(changes);
    if (!builder.problems().empty()) {
        throw std::runtime_error("a test's flag is refused: " + builder.problems()[0].message);
    }
    return builder.build({generation, database_unix_ms});
}

PublishedDirectory::PublishedDirectory() {
    std::filesystem::create_directory(path());
    ::chmod(path().c_str(), 0755);
    create_control(kControlFileName);
}

PublishedDirectory::~PublishedDirectory() {
    ::munmap(page_, kControlSizeBytes);
}

ClientOptions PublishedDirectory::options() const {
    ClientOptions options;
    options.directory = path();
    return options;
}

void PublishedDirectory::create_control(const std::string& name) {
    std::vector<char> zeros(kControlSizeBytes, 0);
    write_file(file(name), zeros.data(), zeros.size(), 0644);
    const int descriptor = ::open(file(name).c_str(), O_RDWR | O_CLOEXEC);
    void* bytes =
        ::mmap(nullptr, kControlSizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    ::close(descriptor);
    if (bytes == MAP_FAILED) {
        throw std::runtime_error("cannot map " + file(name));
    }
    if (page_ != nullptr) {
        ::munmap(page_, kControlSizeBytes);
    }
    page_ = static_cast<ControlPage*>(bytes);
    page_->magic = kControlMagic;
    page_->abi = kControlAbi;
    page_->size_bytes = kControlSizeBytes;
    page_->state.store(kStateRunning);
    page_->slots[0].layout_major.store(kLayoutMajor);
}

std::string PublishedDirectory::snapshot_name(std::uint64_t generation) {
    char name[64];
    std::snprintf(name, sizeof name, "snap.L%u.G%016llx", kLayoutMajor,
                  static_cast<unsigned long long>(generation));
    return name;
}

void PublishedDirectory::write_snapshot(std::uint64_t generation,
                                        const std::vector<std::byte>& bytes, mode_t mode) const {
    write_file(file(snapshot_name(generation)), bytes.data(), bytes.size(), mode);
}

void PublishedDirectory::announce(std::uint64_t generation) {
    generation_ = generation;
    page_->slots[0].generation.store(generation, std::memory_order_release);
}

void PublishedDirectory::unlink_snapshot(std::uint64_t generation) const {
    ::unlink(file(snapshot_name(generation)).c_str());
}

std::uint64_t PublishedDirectory::publish(std::vector<FlagDefinition> flags,
                                          std::vector<ExperimentDefinition> experiments) {
    const std::uint64_t generation = generation_ + 1;
    write_snapshot(generation, image_of(generation, std::move(flags), std::move(experiments)));
    announce(generation);
    return generation;
}

void PublishedDirectory::recreate_directory() {
    std::filesystem::remove_all(path());
    std::filesystem::create_directory(path());
    ::chmod(path().c_str(), 0755);
    generation_ = 0;
    create_control(kControlFileName);
}

void PublishedDirectory::replace_control() {
    ControlPage* before = page_;
    page_ = nullptr;
    create_control("control.new");
    before->state.fetch_or(kStateRetired);
    ::munmap(before, kControlSizeBytes);
    std::filesystem::rename(file("control.new"), file(kControlFileName));
}

}  // namespace burgee::test
