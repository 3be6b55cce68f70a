#include "shm/flag_compiler.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>

#include <burgee/checksum.hpp>

#include "shm/bucket_ranges.hpp"
#include "shm/flag_limits.hpp"

namespace burgee {
namespace {

// A text is looked for in the flag's strings only while those are short: looking costs more than
// the repeated bytes beyond that. Chosen by feel.
constexpr std::size_t kShareTextsBelow = 4'096;

std::uint64_t seed_of(std::string_view purpose, std::string_view salt) {
    std::string text;
    text.reserve(purpose.size() + 1 + salt.size());
    text.append(purpose).append(1, '\0').append(salt);
    return hash64(text);
}

std::uint64_t path_prefix_of(std::string_view path) {
    std::uint64_t prefix = 0;
    for (std::size_t number = 0; number < 8; ++number) {
        const auto byte = number < path.size() ? static_cast<unsigned char>(path[number])
                                               : static_cast<unsigned char>(0);
        prefix = prefix << 8U | byte;
    }
    return prefix;
}

/// The end of the gate that lets everybody in.
std::uint32_t full_gate(const FlagDefinition& flag) {
    return flag.bucketing == Bucketing::kLegacyMd5 ? kLegacyBucketCount : kBucketCount;
}

bool is_rollout(Status status) {
    return status == Status::kGradualRollout || status == Status::kCanary;
}

void make_constant(FlagRecord& record, bool is_on, Reason reason) {
    record.path = static_cast<std::uint8_t>(EvaluationPath::kConstant);
    record.constant_reason = static_cast<std::uint8_t>(reason);
    record.traits = static_cast<std::uint8_t>((record.traits & ~kTraitConstantEnabled) |
                                              (is_on ? kTraitConstantEnabled : 0));
}

/// The shortest path that answers as the whole order of rules would.
void choose_path(const FlagDefinition& flag, FlagRecord& record) {
    const bool names_units = !flag.include.empty() || !flag.exclude.empty();
    const bool is_plain = flag.strategy == Strategy::kHash && flag.bucketing == Bucketing::kXxh3 &&
                          flag.bucket_by.empty();
    const bool has_open_gate = record.gate_end == full_gate(flag);
    if (flag.status == Status::kDisabled) {
        make_constant(record, false, Reason::kDisabled);
    } else if (names_units) {
        record.path = static_cast<std::uint8_t>(EvaluationPath::kFull);
    } else if (flag.status == Status::kEnabled) {
        make_constant(record, true, Reason::kStatic);
    } else if (is_rollout(flag.status) && (record.gate_end == 0 || has_open_gate)) {
        make_constant(record, has_open_gate, Reason::kSplit);
    } else if (!is_plain) {
        record.path = static_cast<std::uint8_t>(EvaluationPath::kFull);
    } else {
        record.path =
            static_cast<std::uint8_t>(flag.status == Status::kAbTest ? EvaluationPath::kVariantSplit
                                                                     : EvaluationPath::kSplit);
    }
}

}  // namespace

std::optional<FlagProblem> FlagCompiler::compile(const FlagDefinition& flag,
                                                 std::uint64_t name_hash) {
    clear();
    if (auto problem = check_limits(flag)) {
        return problem;
    }
    compile_record(flag, name_hash);
    const auto path = static_cast<EvaluationPath>(out_.record.path);
    if (flag.status == Status::kAbTest) {
        compile_variants(flag);
    }
    if (path == EvaluationPath::kFull) {
        compile_targeting(flag);
    }
    return std::nullopt;
}

void FlagCompiler::clear() {
    out_.record = {};
    out_.variants.clear();
    out_.config.clear();
    out_.targeting.clear();
    out_.sets.clear();
    out_.text_refs.clear();
    out_.strings.clear();
}

void FlagCompiler::compile_record(const FlagDefinition& flag, std::uint64_t name_hash) {
    FlagRecord& record = out_.record;
    const TextRef name = add_text(flag.name);
    assert(name.offset == 0);
    record.name_hash = name_hash;
    record.name_offset = name.offset;
    record.name_size = static_cast<std::uint16_t>(name.size);
    record.rollout_seed = seed_of("rollout", flag.salt);
    record.variant_seed = seed_of("variant", flag.salt);
    record.gate_end = gate_end_of(flag.rollout_percentage, flag.bucketing);
    record.status = static_cast<std::uint8_t>(flag.status);
    record.traits =
        static_cast<std::uint8_t>((flag.strategy == Strategy::kRandom ? kTraitRandom : 0) |
                                  (flag.bucketing == Bucketing::kLegacyMd5 ? kTraitLegacy : 0));
    record.revision = flag.revision;
    choose_path(flag, record);
}

void FlagCompiler::compile_variants(const FlagDefinition& flag) {
    std::array<double, kVariantCountMax> weights{};
    std::array<std::uint32_t, kVariantCountMax> ends{};
    const std::size_t count = flag.variants.size();
    std::ranges::transform(flag.variants, weights.begin(), &VariantDefinition::weight);
    range_ends_of({weights.data(), count}, flag.bucketing, {ends.data(), count});
    for (std::size_t number = 0; number < count; ++number) {
        const VariantDefinition& variant = flag.variants[number];
        const TextRef name = add_text(variant.name);
        const TextRef json = add_text(variant.config_json);
        out_.variants.push_back(
            {.range_end = ends[number],
             .name_offset = name.offset,
             .name_size = static_cast<std::uint16_t>(name.size),
             .reserved = 0,
             .config_first = static_cast<std::uint32_t>(out_.config.size()),
             .config_count = static_cast<std::uint32_t>(variant.config.size()),
             .json_offset = json.offset,
             .json_size = json.size,
             .weight_ppm = static_cast<std::uint32_t>(std::llround(variant.weight * 10'000.0))});
        compile_config(variant);
    }
    out_.record.variant_count = static_cast<std::uint16_t>(count);
}

void FlagCompiler::compile_config(const VariantDefinition& variant) {
    std::vector<const ConfigScalar*> ordered;
    ordered.reserve(variant.config.size());
    for (const ConfigScalar& scalar : variant.config) {
        ordered.push_back(&scalar);
    }
    std::ranges::sort(
        ordered, {}, [](const ConfigScalar* scalar) -> const std::string& { return scalar->path; });
    for (const ConfigScalar* scalar : ordered) {
        const TextRef path = add_text(scalar->path);
        ConfigField field{.path_prefix = path_prefix_of(scalar->path),
                          .value = 0,
                          .path_offset = path.offset,
                          .path_size = static_cast<std::uint16_t>(path.size),
                          .type = 0,
                          .reserved = 0};
        if (const auto* truth = std::get_if<bool>(&scalar->value)) {
            field.type = static_cast<std::uint8_t>(ConfigType::kBoolean);
            field.value = *truth ? 1 : 0;
        } else if (const auto* integer = std::get_if<std::int64_t>(&scalar->value)) {
            field.type = static_cast<std::uint8_t>(ConfigType::kInteger);
            field.value = static_cast<std::uint64_t>(*integer);
        } else if (const auto* number = std::get_if<double>(&scalar->value)) {
            field.type = static_cast<std::uint8_t>(ConfigType::kNumber);
            field.value = std::bit_cast<std::uint64_t>(*number);
        } else {
            const TextRef text = add_text(std::get<std::string>(scalar->value));
            field.type = static_cast<std::uint8_t>(ConfigType::kString);
            field.value = std::uint64_t{text.size} << 32U | text.offset;
        }
        out_.config.push_back(field);
    }
}

void FlagCompiler::compile_targeting(const FlagDefinition& flag) {
    TargetingRecord targeting{};
    targeting.include_count = append_set(flag.include);
    targeting.exclude_first = static_cast<std::uint32_t>(out_.sets.size());
    targeting.exclude_count = append_set(flag.exclude);
    targeting.bucket_by_count = static_cast<std::uint32_t>(flag.bucket_by.size());
    for (const std::string& attribute : flag.bucket_by) {
        out_.text_refs.push_back(add_text(attribute));
    }
    targeting.salt = add_text(flag.salt);
    out_.targeting.push_back(targeting);
}

std::uint32_t FlagCompiler::append_set(const std::vector<std::string>& units) {
    const auto first = static_cast<std::ptrdiff_t>(out_.sets.size());
    for (const std::string& unit : units) {
        out_.sets.push_back(hash64(unit));
    }
    std::sort(out_.sets.begin() + first, out_.sets.end());
    out_.sets.erase(std::unique(out_.sets.begin() + first, out_.sets.end()), out_.sets.end());
    return static_cast<std::uint32_t>(out_.sets.size() - static_cast<std::size_t>(first));
}

TextRef FlagCompiler::add_text(std::string_view text) {
    std::size_t offset = out_.strings.size() < kShareTextsBelow
                             ? std::string_view(out_.strings).find(text)
                             : std::string_view::npos;
    if (offset == std::string_view::npos) {
        offset = out_.strings.size();
        out_.strings.append(text);
    }
    return {static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(text.size())};
}

void mark_expired(FlagRecord& record) {
    record.traits = static_cast<std::uint8_t>(record.traits | kTraitExpired);
    if (record.status != static_cast<std::uint8_t>(Status::kDisabled)) {
        make_constant(record, false, Reason::kExpired);
    }
}

}  // namespace burgee
