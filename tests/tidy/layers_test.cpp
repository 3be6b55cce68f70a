// Promise: includes only go down, and a third-party library stays in its one home.
// Method: every #include of every module against tests/tidy/layers.txt; and, so that the check
// itself is known to bite, includes that must be refused.

#include "tests/tidy/layer_rules.hpp"

#include <fstream>

namespace burgee::test {
namespace {

const std::vector<std::string> kModules{"shm", "clientlib", "stats", "sync", "daemon", "cli"};

class LayersTest : public ::testing::Test {
protected:
    LayersTest() {
        for (const SourceFile& file : files_) {
            if (file.path.find("/include/burgee/") != std::string::npos) {
                public_headers_.push_back(file.path);
            }
        }
    }

    static LayerRules read_rules() {
        std::vector<std::string> lines;
        std::ifstream file(project_root() / "tests/tidy/layers.txt");
        for (std::string line; std::getline(file, line);) {
            lines.push_back(line);
        }
        return LayerRules(lines);
    }

    bool is_refused(const std::string& file, const std::string& header, bool is_angled) const {
        return rules_.objection(file, {header, is_angled, 1}, public_headers_).has_value();
    }

    std::vector<SourceFile> files_ = source_files(kModules);
    LayerRules rules_ = read_rules();
    std::vector<std::string> public_headers_;
};

TEST_F(LayersTest, EveryIncludeGoesDown) {
    ASSERT_GT(files_.size(), 50u);
    int include_count = 0;
    for (const SourceFile& file : files_) {
        ASSERT_NE(rules_.module_of(file.path), "") << file.path;
        for (const Include& include : file.includes()) {
            ++include_count;
            const auto objection = rules_.objection(file.path, include, public_headers_);
            EXPECT_FALSE(objection) << file.path << ":" << include.line << ": " << include.header
                                    << ": " << objection.value_or("");
        }
    }
    EXPECT_GT(include_count, 300);
}

TEST_F(LayersTest, RefusesIncludesSidewaysAndUpwards) {
    EXPECT_TRUE(is_refused("stats/moments.hpp", "shm/flag_set.hpp", false));
    EXPECT_TRUE(is_refused("shm/publisher.cpp", "sync/flag_reader.hpp", false));
    EXPECT_TRUE(is_refused("sync/flag_reader.cpp", "shm/publisher.hpp", false));
    EXPECT_TRUE(is_refused("sync/flag_reader.cpp", "stats/moments.hpp", false));
    EXPECT_TRUE(is_refused("sync/flag_reader.cpp", "burgee/client.hpp", true));
    EXPECT_TRUE(is_refused("clientlib/include/burgee/client.hpp", "shm/flag_set.hpp", false));
    EXPECT_TRUE(is_refused("cli/main.cpp", "daemon/uploader.hpp", false));
    EXPECT_TRUE(is_refused("daemon/spool/spool.cpp", "daemon/uploader.hpp", false));
    EXPECT_TRUE(is_refused("cli/main.cpp", "table.hpp", false));
    EXPECT_TRUE(is_refused("cli/main.cpp", "burgee/no_such_header.hpp", true));
}

TEST_F(LayersTest, RefusesLibrariesAwayFromHome) {
    EXPECT_TRUE(is_refused("cli/main.cpp", "pqxx/pqxx", true));
    EXPECT_TRUE(is_refused("daemon/main.cpp", "simdjson.h", true));
    EXPECT_TRUE(is_refused("sync/flag_reader.cpp", "spdlog/spdlog.h", true));
    EXPECT_TRUE(is_refused("cli/main.cpp", "Eigen/Core", true));
    EXPECT_TRUE(is_refused("cli/main.cpp", "boost/math/special_functions/erf.hpp", true));
    EXPECT_TRUE(is_refused("daemon/main.cpp", "CLI/App.hpp", true));
    EXPECT_TRUE(is_refused("daemon/main.cpp", "boost/interprocess/mapped_region.hpp", true));
    EXPECT_TRUE(is_refused("shm/include/burgee/checksum.hpp", "boost/system/result.hpp", true));
    EXPECT_TRUE(is_refused("sync/flag_reader.cpp", "boost/json.hpp", true));
    EXPECT_FALSE(is_refused("sync/flag_reader.cpp", "pqxx/pqxx", true));
    EXPECT_FALSE(is_refused("cli/main.cpp", "daemon/spool/spool.hpp", false));
    EXPECT_FALSE(is_refused("cli/main.cpp", "sys/stat.h", true));
}

}  // namespace
}  // namespace burgee::test
