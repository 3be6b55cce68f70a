// burgeed: reads flags from PostgreSQL, publishes them to every process of this host, takes events
// back and stores them. This file only reads the command line and turns failures into exit codes.

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

#include <sysexits.h>

#include <burgee/event_wire.hpp>
#include <burgee/snapshot_layout.hpp>

#include "daemon/config.hpp"
#include "daemon/daemon.hpp"
#include "daemon/log.hpp"

namespace {

constexpr const char* kDefaultConfig = "/etc/burgee/burgee.toml";

constexpr const char* kHelp = R"(burgeed: publishes feature flags from PostgreSQL to every process of this host

  burgeed                             run with /etc/burgee/burgee.toml, if it is there
  burgeed --config FILE               run with FILE
  burgeed --check-config [--config F] check the configuration without any connection, and exit
  burgeed --print-config [--config F] print every setting and where it comes from, and exit
  burgeed --version

Each setting may also come from the environment: BURGEE_DATABASE_DSN for [database] dsn, and so on.
Exit codes: 0 ok, 64 usage, 74 input/output, 75 another burgeed is running, 78 configuration.
)";

struct Arguments {
    std::string config = kDefaultConfig;
    bool is_config_given = false;
    bool is_check = false;
    bool is_print = false;
    bool is_version = false;
    bool is_help = false;
    std::string problem;
};

Arguments parse(int count, char** values) {
    Arguments arguments;
    for (int i = 1; i < count; ++i) {
        const std::string_view argument = values[i];
        if (argument == "--config" && i + 1 < count) {
            arguments.config = values[++i];
            arguments.is_config_given = true;
        } else if (argument == "--check-config") {
            arguments.is_check = true;
        } else if (argument == "--print-config") {
            arguments.is_print = true;
        } else if (argument == "--version") {
            arguments.is_version = true;
        } else if (argument == "--help" || argument == "-h") {
            arguments.is_help = true;
        } else {
            arguments.problem = argument == "--config" ? "--config needs a file"
                                                       : "unknown argument '" +
                                                             std::string(argument) + "'";
        }
    }
    return arguments;
}

int run(const Arguments& arguments) {
    using namespace burgee::daemon;
    const LoadedConfig loaded = load_config(arguments.config, arguments.is_config_given, environ);
    if (arguments.is_print) {
        std::cout << print_config(loaded);
        return EX_OK;
    }
    if (arguments.is_check) {
        std::cout << arguments.config << ": ok\n";
        return EX_OK;
    }
    start_log(loaded.config.log_level, loaded.config.log_format);
    Daemon daemon(loaded.config);
    daemon.run();
    return EX_OK;
}

}  // namespace

int main(int count, char** values) {
    const Arguments arguments = parse(count, values);
    if (!arguments.problem.empty()) {
        std::cerr << "burgeed: " << arguments.problem << " (see burgeed --help)\n";
        return EX_USAGE;
    }
    if (arguments.is_help) {
        std::cout << kHelp;
        return EX_OK;
    }
    if (arguments.is_version) {
        std::cout << "burgeed " << burgee::daemon::version() << "\n";
        return EX_OK;
    }
    try {
        return run(arguments);
    } catch (const burgee::daemon::ConfigError& error) {
        std::cerr << "burgeed: " << error.what() << "\n";
        return EX_CONFIG;
    } catch (const burgee::daemon::StartError& error) {
        std::cerr << "burgeed: " << error.what() << "\n";
        return error.exit_code;
    } catch (const std::exception& error) {
        std::cerr << "burgeed: " << error.what() << "\n";
        return EX_SOFTWARE;
    }
}
