#include "daemon/status_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "shm/json_text.hpp"

namespace burgee::daemon {
namespace {

void write_flags(JsonWriter& json, const FlagLoopStatus& flags) {
    json.key("generation").value(flags.generation);
    json.key("revision").value(flags.revision);
    json.key("flags").value(static_cast<std::uint64_t>(flags.flag_count));
    json.key("published_unix_ms").value(flags.published_unix_ms);
    json.key("snapshot_size_bytes").value(flags.snapshot_size_bytes);
    json.key("publish_ms").value(flags.publish_ms);
    json.key("publish_error").value(flags.publish_error);
    json.key("database").begin_object();
    json.key("ok").value(flags.is_database_up);
    json.key("error").value(flags.database_error);
    json.key("poll_ms").value(flags.poll_ms);
    json.key("listen").value(flags.is_listening);
    json.end_object();
    json.key("held_flags").begin_array();
    for (const std::string& name : flags.held) {
        json.value(name);
    }
    json.end_array();
    json.key("problems").begin_array();
    for (const FlagProblem& problem : flags.problems) {
        json.begin_object().key("flag").value(problem.flag).key("field").value(problem.field);
        json.key("message").value(problem.message);
        json.key("is_refused").value(problem.is_refused).end_object();
    }
    json.end_array();
    json.key("more_problems").value(static_cast<std::uint64_t>(flags.more_problems));
}

void write_spool(JsonWriter& json, const DaemonStatus& status) {
    const SpoolStatistics& spool = status.spool;
    json.key("spool").begin_object();
    json.key("is_open").value(status.is_spool_open);
    json.key("error").value(status.spool_error);
    json.key("durability").value(status.spool_durability);
    json.key("events").value(spool.events_in_spool);
    json.key("size_bytes").value(spool.size_bytes);
    json.key("segments").value(spool.segments);
    json.key("oldest_lsn").value(spool.oldest_lsn);
    json.key("durable_end_lsn").value(spool.durable_end_lsn);
    json.key("released_lsn").value(spool.released_lsn);
    json.key("events_lost").value(spool.events_lost);
    json.key("quarantined_bytes").value(spool.quarantined_bytes);
    json.key("upload_error").value(status.upload_error);
    json.key("upload_lag_events").value(status.upload_lag_events);
    json.end_object();
}

/// Where every event is: recovered + accepted = delivered + dead_letter + in_spool + counted_lost,
/// exactly when nothing moves; each figure is read at its own moment. Counted in LSNs, so an event
/// that the disk has lost is in_spool until the cursor passes it, and counted_lost from then on.
void write_accounting(JsonWriter& json, const SpoolStatistics& spool, const Counters& counters) {
    const auto distance = [](std::uint64_t from, std::uint64_t to) {
        return to > from ? to - from : 0;
    };
    const std::uint64_t cursor_lsn = std::max(spool.first_cursor_lsn, spool.released_lsn);
    json.key("accounting").begin_object();
    json.key("recovered").value(distance(spool.first_cursor_lsn, spool.recovered_end_lsn));
    json.key("accepted").value(counters.value(Counter::events_accepted));
    json.key("delivered").value(counters.value(Counter::events_delivered));
    json.key("dead_letter").value(counters.value(Counter::events_dead_lettered));
    json.key("in_spool").value(distance(cursor_lsn, spool.durable_end_lsn));
    json.key("counted_lost").value(counters.value(Counter::events_lost));
    json.end_object();
}

std::string line(const char* label, const std::string& text) {
    std::string out = label;
    out.resize(std::max<std::size_t>(out.size() + 1, 12), ' ');
    return out + text + "\n";
}

std::string mebibytes(std::uint64_t bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
    return text;
}

std::string spool_text(const DaemonStatus& status) {
    if (!status.is_spool_open) {
        return status.spool_error.empty() ? "being opened"
                                          : "NOT OPEN, events are refused: " + status.spool_error;
    }
    return std::to_string(status.spool.events_in_spool) + " events waiting, " +
           mebibytes(status.spool.size_bytes) + " in " + std::to_string(status.spool.segments) +
           " segments" + (status.spool_durability == "relaxed" ? ", relaxed" : "") +
           (status.upload_error.empty() ? "" : "; " + status.upload_error);
}

std::size_t problem_count(const FlagLoopStatus& flags) {
    return flags.problems.size() + flags.more_problems;
}

std::string milliseconds_text(double ms) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f ms", ms);
    return text;
}

}  // namespace

std::string status_json(const DaemonStatus& status, const Counters& counters) {
    JsonWriter json;
    json.begin_object();
    json.key("version").value(status.version);
    json.key("started_unix_ms").value(status.started_unix_ms);
    json.key("now_unix_ms").value(status.now_unix_ms);
    write_flags(json, status.flags);
    write_spool(json, status);
    write_accounting(json, status.spool, counters);
    json.key("connections_open").value(status.connections_open);
    json.key("counters").begin_object();
    counters.for_each([&](const CounterDescription& row, std::uint64_t value) {
        json.key(row.name).value(value);
    });
    json.end_object();
    return json.end_object().take() + "\n";
}

std::string status_line(const DaemonStatus& status) {
    const FlagLoopStatus& flags = status.flags;
    std::string text = std::to_string(flags.flag_count) + " flags, generation " +
                       std::to_string(flags.generation) + ", revision " +
                       std::to_string(flags.revision);
    text += flags.is_database_up ? (flags.is_listening ? ", listening" : ", polling")
                                 : ", database down";
    text += status.is_spool_open
                ? ", " + std::to_string(status.spool.events_in_spool) + " events waiting"
                : std::string(", spool not open");
    if (!flags.problems.empty()) {
        text += ", " + std::to_string(problem_count(flags)) + " flag problems";
    }
    return text;
}

std::string status_text(const DaemonStatus& status, const Counters& counters) {
    const FlagLoopStatus& flags = status.flags;
    std::string text = line(
        "burgeed", status.version + ", up " +
                       std::to_string((status.now_unix_ms - status.started_unix_ms) / 1000) + " s");
    text += line("flags", std::to_string(flags.flag_count) + " in generation " +
                              std::to_string(flags.generation) + ", revision " +
                              std::to_string(flags.revision) + ", " +
                              mebibytes(flags.snapshot_size_bytes));
    text += line("database", flags.is_database_up
                                 ? "ok, poll " + milliseconds_text(flags.poll_ms) +
                                       (flags.is_listening ? ", listening" : ", polling only")
                                 : "DOWN: " + flags.database_error);
    if (!flags.publish_error.empty()) {
        text += line("publish", "FAILED: " + flags.publish_error);
    }
    if (!flags.held.empty()) {
        text += line("held", std::to_string(flags.held.size()) +
                                 " flags vanished without a trace and are kept for now: " +
                                 flags.held.front() + (flags.held.size() > 1 ? ", ..." : ""));
    }
    text += line("spool", spool_text(status));
    text += line("clients", std::to_string(status.connections_open) + " connected");
    text += line("problems", flags.problems.empty() ? "none"
                                                    : std::to_string(problem_count(flags)) +
                                                          " (burgee flag problems)");
    text += "\n";
    char row_text[160];
    counters.for_each([&](const CounterDescription& row, std::uint64_t value) {
        if (value != 0) {
            std::snprintf(row_text, sizeof row_text, "%-32s %12llu %-12s %s\n",
                          std::string(row.name).c_str(), static_cast<unsigned long long>(value),
                          std::string(row.unit).c_str(), std::string(row.meaning).c_str());
            text += row_text;
        }
    });
    return text;
}

std::string problems_text(const FlagLoopStatus& flags) {
    if (flags.problems.empty()) {
        return "no problems\n";
    }
    std::size_t flag_width = 4;
    std::size_t field_width = 5;
    for (const FlagProblem& problem : flags.problems) {
        flag_width = std::max(flag_width, problem.flag.size());
        field_width = std::max(field_width, problem.field.size());
    }
    const auto padded = [](std::string text, std::size_t width) {
        text.resize(std::max(text.size(), width) + 2, ' ');
        return text;
    };
    std::string text =
        padded("FLAG", flag_width) + padded("FIELD", field_width) + "STATE    PROBLEM\n";
    for (const FlagProblem& problem : flags.problems) {
        text += padded(problem.flag, flag_width) + padded(problem.field, field_width) +
                (problem.is_refused ? "refused  " : "warning  ") + problem.message + "\n";
    }
    if (flags.more_problems > 0) {
        text += "and " + std::to_string(flags.more_problems) + " more\n";
    }
    return text;
}

std::string replace_file(const std::string& directory, const std::string& name,
                         const std::string& text) {
    const std::string path = directory + "/" + name;
    const std::string temporary = path + ".new";
    const auto failed = [&](const char* what) {
        return path + ": " + what + ": " + std::strerror(errno);
    };
    const int fd =
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) {
        return failed("open");
    }
    ::fchmod(fd, 0644);  // whatever the umask says: other users read it
    const ssize_t written = ::write(fd, text.data(), text.size());
    ::close(fd);
    if (written != static_cast<ssize_t>(text.size())) {
        return failed("write");
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        return failed("rename");
    }
    return "";
}

}  // namespace burgee::daemon
