#include "shm/flag_compiler.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <tuple>
#include <variant>

#include <burgee/bucketing_seed.hpp>

#include "shm/assertion.hpp"
#include "shm/bucket_ranges.hpp"
#include "shm/flag_limits.hpp"
#include "shm/rule_program.hpp"

namespace burgee {
namespace {

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
    const bool has_targeting = !flag.include.empty() || !flag.exclude.empty() ||
                               !flag.audience.empty() || !flag.rules.empty() ||
                               !flag.requirements.empty();
    const bool is_plain = flag.strategy == Strategy::kHash && flag.bucketing == Bucketing::kXxh3 &&
                          flag.bucket_by.empty();
    const bool has_open_gate = record.gate_end == full_gate(flag);
    if (flag.status == Status::kDisabled) {
        make_constant(record, false, Reason::kDisabled);
    } else if (has_targeting) {
        record.path = static_cast<std::uint8_t>(EvaluationPath::kFull);
    } else if (flag.status == Status::kEnabled) {
        make_constant(record, true, Reason::kStatic);
    } else if (flag.layer) {
        record.path = static_cast<std::uint8_t>(EvaluationPath::kFull);
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
    out_.clear();
    out_.record = {};
    if (auto problem = check_limits(flag)) {
        return problem;
    }
    compile_record(flag, name_hash);
    const auto path = static_cast<EvaluationPath>(out_.record.path);
    if (flag.status == Status::kAbTest) {
        compile_variants(flag);
    }
    return path == EvaluationPath::kFull ? compile_targeting(flag) : std::nullopt;
}

void FlagCompiler::compile_record(const FlagDefinition& flag, std::uint64_t name_hash) {
    FlagRecord& record = out_.record;
    const TextRef name = out_.add_text(flag.name);
    BURGEE_ASSERT(name.offset == 0);
    record.name_hash = name_hash;
    record.name_offset = name.offset;
    record.name_size = static_cast<std::uint16_t>(name.size);
    record.rollout_seed = seed(kPurposeRollout, flag.salt);
    record.variant_seed = seed(kPurposeVariant, flag.salt);
    record.gate_end = gate_end_of(flag.rollout_percentage, flag.bucketing);
    record.status = static_cast<std::uint8_t>(flag.status);
    record.traits =
        static_cast<std::uint8_t>((flag.strategy == Strategy::kRandom ? kTraitRandom : 0) |
                                  (flag.bucketing == Bucketing::kLegacyMd5 ? kTraitLegacy : 0));
    record.value_type = static_cast<std::uint8_t>(flag.value_type);
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
        const TextRef name = out_.add_text(variant.name);
        const TextRef json = out_.add_text(variant.config_json);
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
        const TextRef path = out_.add_text(scalar->path);
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
            const TextRef text = out_.add_text(std::get<std::string>(scalar->value));
            field.type = static_cast<std::uint8_t>(ConfigType::kString);
            field.value = std::uint64_t{text.size} << 32U | text.offset;
        }
        out_.config.push_back(field);
    }
}

std::optional<FlagProblem> FlagCompiler::compile_targeting(const FlagDefinition& flag) {
    TargetingRecord targeting{};
    std::tie(targeting.include_first, targeting.include_count) = out_.add_set(flag.include);
    std::tie(targeting.exclude_first, targeting.exclude_count) = out_.add_set(flag.exclude);
    targeting.bucket_by_count = static_cast<std::uint32_t>(flag.bucket_by.size());
    for (const std::string& attribute : flag.bucket_by) {
        out_.text_refs.push_back(out_.add_text(attribute));
    }
    targeting.salt = out_.add_text(flag.salt);
    if (auto problem = compile_rules(flag, out_, targeting)) {
        return problem;
    }
    compile_requirements(flag);
    targeting.requirements_count = static_cast<std::uint32_t>(out_.requirements.size());
    compile_layer(flag, targeting);
    out_.targeting.push_back(targeting);
    return std::nullopt;
}

void FlagCompiler::compile_requirements(const FlagDefinition& flag) {
    for (const Requirement& requirement : flag.requirements) {
        const auto* is_on = std::get_if<bool>(&requirement.wanted);
        const TextRef name = out_.add_text(requirement.flag);
        const TextRef variant =
            is_on == nullptr ? out_.add_text(std::get<std::string>(requirement.wanted)) : TextRef{};
        const RequirementKind kind = is_on == nullptr ? RequirementKind::kVariant
                                     : *is_on         ? RequirementKind::kOn
                                                      : RequirementKind::kOff;
        out_.requirements.push_back({.flag_name_hash = hash64(requirement.flag),
                                     .flag_offset = name.offset,
                                     .flag_size = static_cast<std::uint16_t>(name.size),
                                     .kind = static_cast<std::uint8_t>(kind),
                                     .reserved = 0,
                                     .variant_offset = variant.offset,
                                     .variant_size = variant.size});
    }
}

void FlagCompiler::compile_layer(const FlagDefinition& flag, TargetingRecord& targeting) {
    if (!flag.layer) {
        return;
    }
    targeting.has_layer = 1;
    targeting.layer_seed = seed(kPurposeLayer, flag.layer->name);
    targeting.layer_name = out_.add_text(flag.layer->name);
    targeting.slots_count = static_cast<std::uint32_t>(flag.layer->slots.size());
    for (const SlotRange& range : flag.layer->slots) {
        out_.slot_ranges.push_back({.first = range.first, .last = range.last});
    }
}

void mark_expired(FlagRecord& record) {
    record.traits = static_cast<std::uint8_t>(record.traits | kTraitExpired);
    if (record.status != static_cast<std::uint8_t>(Status::kDisabled)) {
        make_constant(record, false, Reason::kExpired);
    }
}

}  // namespace burgee
