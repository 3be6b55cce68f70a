// Promise: a setting comes from where the operator wrote it, and every slip is named with its place.
// Method: real files and environments, the real loader.
#include "daemon/config.hpp"

#include <sys/stat.h>

#include <fstream>

#include "tests/support/temporary_directory.hpp"

namespace burgee::daemon {
namespace {

class ConfigTest : public ::testing::Test {
protected:
    LoadedConfig load(const std::string& text, std::vector<const char*> environment = {}) {
        std::ofstream(file_) << text;
        ::chmod(file_.c_str(), mode_);
        environment.push_back(nullptr);
        return load_config(file_, true, environment.data());
    }

    /// What load() complains about; "" if it does not.
    std::string complaint(const std::string& text, std::vector<const char*> environment = {}) {
        try {
            load(text, std::move(environment));
        } catch (const ConfigError& error) {
            return error.what();
        }
        return "";
    }

    test::TemporaryDirectory directory_;
    std::string file_ = directory_.file("burgee.toml");
    mode_t mode_ = 0600;
};

TEST_F(ConfigTest, EnvironmentBeatsFileBeatsDefault) {
    const LoadedConfig loaded = load("[database]\ndsn = \"dbname=a\"\npoll_interval_ms = 250\n",
                                     {"BURGEE_DATABASE_DSN=dbname=b", "PATH=/bin"});
    EXPECT_EQ(loaded.config.database_dsn, "dbname=b");
    EXPECT_EQ(loaded.config.poll_interval.count(), 250);
    EXPECT_EQ(loaded.config.shm_directory, "/run/burgee");
    const std::string printed = print_config(loaded);
    EXPECT_NE(printed.find("dsn = \"dbname=b\"  # BURGEE_DATABASE_DSN"), std::string::npos);
    EXPECT_NE(printed.find("poll_interval_ms = 250  # " + file_ + ":3:20"), std::string::npos)
        << printed;
    EXPECT_NE(printed.find("level = \"info\"  # default"), std::string::npos);
}

TEST_F(ConfigTest, PrintedConfigurationReadsBackTheSame) {
    const LoadedConfig loaded = load("[spool]\ncap_mib = 77\n[log]\nformat = \"json\"\n");
    const LoadedConfig again = load(print_config(loaded));
    EXPECT_EQ(again.config.spool_cap_mib, 77U);
    EXPECT_EQ(again.config.log_format, "json");
    EXPECT_EQ(again.config.database_dsn, loaded.config.database_dsn);
}

TEST_F(ConfigTest, NamesEverySlipWithItsPlace) {
    EXPECT_EQ(complaint("[database]\npoll_intervall_ms = 1\n"),
              file_ + ":2:21: unknown key 'database.poll_intervall_ms'; did you mean "
                      "'database.poll_interval_ms'?");
    EXPECT_EQ(complaint("[database]\npoll_interval_ms = \"1\"\n"),
              file_ + ":2:20: 'database.poll_interval_ms' must be a integer");
    EXPECT_EQ(complaint("[database]\npoll_interval_ms = 1\n"),
              file_ + ":2:20: 'database.poll_interval_ms' must be a whole number from 50 to 3600000");
    EXPECT_EQ(complaint("[log]\nlevel = \"loud\"\n"),
              file_ + ":2:9: 'log.level' must be one of: err, warning, info, debug");
    EXPECT_EQ(complaint("[shm]\ndirectory = \"run\"\n"),
              file_ + ":2:13: 'shm.directory' must be an absolute path");
    EXPECT_EQ(complaint("dsn = \"x\"\n"),
              file_ + ":1:7: 'dsn' must stand in a section such as [database]");
    EXPECT_NE(complaint("[database\n").find(file_ + ":1:"), std::string::npos);
}

TEST_F(ConfigTest, NamesASlipInTheEnvironment) {
    EXPECT_EQ(complaint("", {"BURGEE_DATABASE_DNS=x"}),
              "environment: unknown variable 'BURGEE_DATABASE_DNS'; did you mean "
              "'BURGEE_DATABASE_DSN'?");
    EXPECT_EQ(complaint("", {"BURGEE_DATABASE_LISTEN=maybe"}),
              "BURGEE_DATABASE_LISTEN: 'database.listen' must be true or false");
    EXPECT_EQ(complaint("", {"BURGEE_OTHER_PROGRAM=1"}), "");
}

TEST_F(ConfigTest, NeverShowsAPasswordAndRefusesOneThatOthersMayRead) {
    const std::string text = "[database]\ndsn = \"host=a password=secret dbname=b\"\n";
    EXPECT_EQ(print_config(load(text)).find("secret"), std::string::npos);
    const std::string url = "[database]\ndsn = \"postgresql://me:secret@a/b\"\n";
    EXPECT_EQ(print_config(load(url)).find("secret"), std::string::npos);
    mode_ = 0644;
    const std::string refusal = complaint(text);
    EXPECT_NE(refusal.find("chmod 600"), std::string::npos) << refusal;
    EXPECT_EQ(refusal.find("secret"), std::string::npos);
    EXPECT_EQ(complaint("[database]\ndsn = \"host=a dbname=b\"\n"), "");
}

TEST_F(ConfigTest, AMissingFileIsAnErrorOnlyWhenItWasNamed) {
    const char* const none[] = {nullptr};
    EXPECT_THROW(load_config(directory_.file("nowhere"), true, none), ConfigError);
    EXPECT_NO_THROW(load_config(directory_.file("nowhere"), false, none));
}

}  // namespace
}  // namespace burgee::daemon
