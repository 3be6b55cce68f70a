#pragma once

// A directory as burgeed leaves it, written by the test itself so that it can also be wrong: real
// control page, real snapshots from the real builder, and a knife for spoiling them.

#include <burgee/client.hpp>
#include <burgee/control_page.hpp>

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "shm/flag_set.hpp"
#include "shm/snapshot_builder.hpp"
#include "tests/support/temporary_directory.hpp"

namespace burgee::test {

/// Flags for tests, spelled shortly.
FlagDefinition flag_of(std::string name, Status status, double rollout_percentage = 0);
VariantDefinition variant_of(std::string name, double weight,
                             std::vector<ConfigScalar> config = {});
/// An ab_test flag with variants "control" and "treatment", half each, and a model in its config.
FlagDefinition ab_test_of(std::string name, double rollout_percentage = 100);
ExperimentDefinition experiment_on(const std::string& flag_name);

/// The bytes of a snapshot with these flags.
std::vector<std::byte> image_of(std::uint64_t generation, std::vector<FlagDefinition> flags,
                                std::vector<ExperimentDefinition> experiments = {},
                                std::int64_t database_unix_ms = 1'000);

class PublishedDirectory {
public:
    PublishedDirectory();
    ~PublishedDirectory();
    PublishedDirectory(const PublishedDirectory&) = delete;
    PublishedDirectory& operator=(const PublishedDirectory&) = delete;

    ClientOptions options() const;
    std::string path() const { return directory_.path() + "/run"; }
    std::string file(const std::string& name) const { return path() + "/" + name; }

    /// Writes, links and announces the next generation; returns its number.
    std::uint64_t publish(std::vector<FlagDefinition> flags,
                          std::vector<ExperimentDefinition> experiments = {});

    /// The steps of publish(), for tests that leave one out or spoil it.
    void write_snapshot(std::uint64_t generation, const std::vector<std::byte>& bytes,
                        mode_t mode = 0444) const;
    void announce(std::uint64_t generation);
    void unlink_snapshot(std::uint64_t generation) const;
    static std::string snapshot_name(std::uint64_t generation);
    std::uint64_t generation() const { return generation_; }

    ControlPage& control() { return *page_; }
    void beat() { control().heartbeat_count.fetch_add(1); }

    /// Makes the directory, or only its control page, anew, as after `rm -rf` or a repair. What was
    /// mapped stays mapped in others.
    void recreate_directory();
    void replace_control();

private:
    void create_control(const std::string& name);

    TemporaryDirectory directory_;
    ControlPage* page_ = nullptr;
    std::uint64_t generation_ = 0;
};

}  // namespace burgee::test
