// burgee dump: prints a snapshot through the public view alone, so that whatever it shows is what a
// service sees. Part of the format: a file that cannot be dumped is not a snapshot.

#include <cstdio>
#include <memory>

#include <burgee/reason.hpp>

#include "cli/command.hpp"
#include "cli/hexadecimal.hpp"
#include "cli/publication.hpp"
#include "cli/snapshot_file.hpp"
#include "cli/snapshot_flag.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "shm/json_text.hpp"

namespace burgee::cli {
namespace {

constexpr const char* kSectionNames[] = {
    "?",          "index",     "flags",    "variants",     "config", "experiments",  "targeting",
    "sets",       "text_refs", "strings",  "instructions", "rules",  "requirements", "slot_ranges",
    "attributes", "tables",    "segments", "expiries"};
static_assert(std::size(kSectionNames) == static_cast<std::size_t>(SectionType::kExpiries) + 1);

std::string section_name(std::uint32_t type) {
    return type < std::size(kSectionNames) ? kSectionNames[type]
                                           : "unknown " + std::to_string(type);
}

std::string text_of(std::string_view text) {
    return std::string(text);
}

std::string percent_of(const FlagRecord& flag) {
    const bool is_legacy = (flag.traits & kTraitLegacy) != 0;
    const double whole = is_legacy ? kLegacyBucketCount : kBucketCount;
    return json_number(100.0 * flag.gate_end / whole) + "%";
}

std::string traits_of(const FlagRecord& flag) {
    std::string names = (flag.traits & kTraitLegacy) != 0 ? "legacy_md5" : "xxh3";
    names += (flag.traits & kTraitRandom) != 0 ? " random" : "";
    names += (flag.traits & kTraitExpired) != 0 ? " expired" : "";
    return names;
}

std::string experiment_name(const SnapshotView& view, const FlagRecord& flag) {
    const ExperimentRecord* experiment = experiment_of(view, flag);
    return experiment == nullptr
               ? ""
               : text_of(view.text(experiment->name_offset, experiment->name_size));
}

void write_flag(JsonWriter& json, const SnapshotView& view, const FlagRecord& flag) {
    json.begin_object().member("name", view.name(flag));
    json.member("name_hash", hexadecimal(flag.name_hash));
    json.member("status", to_string(static_cast<Status>(flag.status)));
    json.member("gate_end", std::uint64_t{flag.gate_end});
    json.member("traits", traits_of(flag)).member("revision", flag.revision);
    json.member("rollout_seed", hexadecimal(flag.rollout_seed));
    json.member("variant_seed", hexadecimal(flag.variant_seed));
    json.key("experiment");
    experiment_of(view, flag) == nullptr ? json.null() : json.value(experiment_name(view, flag));
    json.key("variants").begin_array();
    for_each_variant(view, flag, [&](const VariantRecord& variant) {
        json.begin_object().member("name", view.name(variant));
        json.member("weight_ppm", std::uint64_t{variant.weight_ppm});
        json.member("range_end", std::uint64_t{variant.range_end});
        const std::string_view config = view.text(variant.json_offset, variant.json_size);
        json.key("config_overrides");
        config.empty() ? json.raw("{}") : json.raw(config);
        json.end_object();
    });
    json.end_array().end_object();
}

std::string dump_json(const SnapshotView& view, const std::string& origin,
                      std::string_view problem) {
    const SnapshotHeader& header = view.header();
    JsonWriter json;
    json.begin_object().member("origin", origin);
    json.member("layout_major", std::uint64_t{header.layout_major});
    json.member("layout_minor", std::uint64_t{header.layout_minor});
    json.member("size_bytes", header.size_bytes).member("generation", header.generation);
    json.member("revision", header.revision);
    json.member("database_unix_ms", header.database_unix_ms);
    json.member("content_hash", hexadecimal(header.content_hash));
    json.member("source_id", hexadecimal(header.source_id));
    json.key("problem");
    problem.empty() ? json.null() : json.value(problem);
    json.key("sections").begin_array();
    for (std::uint64_t number = 0; view.section(number) != nullptr; ++number) {
        const SectionEntry& section = *view.section(number);
        json.begin_object().member("type", section_name(section.type));
        json.member("offset", section.offset).member("size_bytes", section.size_bytes);
        json.member("checksum", hexadecimal(section.checksum)).end_object();
    }
    json.end_array().key("flags").begin_array();
    for (std::uint64_t number = 0; number < view.flag_count(); ++number) {
        write_flag(json, view, *view.flag(number));
    }
    return json.end_array().end_object().take();
}

std::string sections_text(const SnapshotView& view) {
    Table table({{"SECTION"},
                 {"OFFSET", Column::Align::kRight},
                 {"BYTES", Column::Align::kRight},
                 {"CHECKSUM"}});
    for (std::uint64_t number = 0; view.section(number) != nullptr; ++number) {
        const SectionEntry& section = *view.section(number);
        table.add_row({section_name(section.type), std::to_string(section.offset),
                       std::to_string(section.size_bytes), hexadecimal(section.checksum)});
    }
    return table.text();
}

std::string flags_text(const SnapshotView& view) {
    Table table({{"FLAG"},
                 {"STATUS"},
                 {"GATE", Column::Align::kRight},
                 {"BUCKETS"},
                 {"VARIANTS"},
                 {"EXPERIMENT"},
                 {"REVISION", Column::Align::kRight}});
    for (std::uint64_t number = 0; number < view.flag_count(); ++number) {
        const FlagRecord& flag = *view.flag(number);
        std::string variants;
        for_each_variant(view, flag, [&](const VariantRecord& variant) {
            variants += (variants.empty() ? "" : " ") + text_of(view.name(variant)) + "<" +
                        std::to_string(variant.range_end);
        });
        table.add_row({text_of(view.name(flag)),
                       text_of(to_string(static_cast<Status>(flag.status))), percent_of(flag),
                       traits_of(flag), variants, experiment_name(view, flag),
                       std::to_string(flag.revision)});
    }
    return table.text();
}

std::string dump_text(const SnapshotView& view, const std::string& origin,
                      const std::string& problem) {
    const SnapshotHeader& header = view.header();
    std::string text = "snapshot   " + printable(origin) + "\n";
    text += "layout     " + std::to_string(header.layout_major) + "." +
            std::to_string(header.layout_minor) + ", " + std::to_string(header.size_bytes) +
            " bytes\n";
    text += "content    generation " + std::to_string(header.generation) + ", revision " +
            std::to_string(header.revision) + ", " + std::to_string(view.flag_count()) +
            " flags, " + std::to_string(view.experiment_count()) + " experiments\n";
    text += "checksums  " + (problem.empty() ? "all good" : problem) + "\n\n";
    return text + sections_text(view) + "\n" + flags_text(view);
}

ExitCode dump(const SnapshotView& view, const std::string& origin, Terminal& terminal) {
    const ViewError error = view.check_bodies();
    const std::string problem = error == ViewError::kNone ? "" : std::string(describe(error));
    if (terminal.is_json()) {
        terminal.print_line(dump_json(view, origin, problem));
    } else if (terminal.is_name()) {
        for (std::uint64_t number = 0; number < view.flag_count(); ++number) {
            terminal.print_line(printable(view.name(*view.flag(number))));
        }
    } else {
        terminal.print(dump_text(view, origin, problem));
    }
    if (!problem.empty()) {
        throw Failure(ExitCode::kFailed, printable(origin) + " is damaged: " + problem);
    }
    return ExitCode::kOk;
}

ExitCode run(const std::string& path, Terminal& terminal) {
    if (!path.empty()) {
        const SnapshotFile file(path);
        return dump(file.view(), path, terminal);
    }
    const Publication publication(terminal.options().directory);
    const Snapshot snapshot = publication.snapshot();
    return dump(snapshot.view(), "announced in " + terminal.options().directory, terminal);
}

}  // namespace

std::vector<Command> dump_commands() {
    const auto path = std::make_shared<std::string>();
    return {{"",
             "dump",
             "Prints a snapshot and checks every checksum in it",
             {"burgee dump", "burgee dump /var/lib/burgee/lkg.L1 -o json"},
             {{"FILE",
               path.get(),
               "a snapshot file (default: the one that is announced)",
               false,
               {},
               {},
               true}},
             [path](Terminal& terminal) { return run(*path, terminal); }}};
}

}  // namespace burgee::cli
