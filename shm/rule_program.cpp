#include "shm/rule_program.hpp"

#include <algorithm>
#include <string>

#include <burgee/checksum.hpp>

#include "shm/bucket_ranges.hpp"
#include "shm/program_writer.hpp"

namespace burgee {
namespace {

/// The variant that a rule serves, by name; the row was checked, so it is there.
std::uint8_t variant_number(const FlagDefinition& flag, const std::string& name) {
    const auto found = std::ranges::find(flag.variants, name, &VariantDefinition::name);
    return static_cast<std::uint8_t>(found - flag.variants.begin());
}

RuleRecord rule_record_of(const FlagDefinition& flag, const Rule& rule, CompiledParts& parts) {
    const TextRef name = parts.add_text(rule.name);
    RuleRecord record{};
    record.name_offset = name.offset;
    record.name_size = static_cast<std::uint16_t>(name.size);
    if (const auto* is_on = std::get_if<bool>(&rule.serve)) {
        record.serve = static_cast<std::uint8_t>(*is_on ? ServeKind::kOn : ServeKind::kOff);
    } else if (const auto* rollout = std::get_if<ServeRollout>(&rule.serve)) {
        record.serve = static_cast<std::uint8_t>(ServeKind::kRollout);
        record.gate_end = gate_end_of(rollout->percentage, flag.bucketing);
    } else {
        record.serve = static_cast<std::uint8_t>(ServeKind::kVariant);
        record.variant = variant_number(flag, std::get<ServeVariant>(rule.serve).name);
    }
    return record;
}

}  // namespace

std::optional<FlagProblem> compile_rules(const FlagDefinition& flag, CompiledParts& parts,
                                         TargetingRecord& targeting) {
    if (flag.audience.empty() && flag.rules.empty()) {
        return std::nullopt;
    }
    const ConditionPlace root{nullptr, "segments"};
    ProgramWriter writer(parts, flag.name);
    JumpLabel outside;
    writer.all(flag.audience, &root, "audience", outside);
    targeting.audience_end = writer.size();
    for (std::size_t number = 0; number < flag.rules.size(); ++number) {
        const ConditionPlace place{&root, "rules", number};
        JumpLabel unmatched;
        writer.all(flag.rules[number].constraints, &place, "constraints", unmatched);
        writer.outcome(kOutcomeFirstRule + number);
        writer.bind(unmatched);
        parts.rules.push_back(rule_record_of(flag, flag.rules[number], parts));
        parts.rules.back().program_end = writer.size();
    }
    writer.outcome(kOutcomeContinue);
    writer.bind(outside);
    writer.outcome(kOutcomeOutOfAudience);
    std::optional<FlagProblem> problem = writer.finish();
    targeting.program_count = writer.size();
    targeting.rules_count = static_cast<std::uint32_t>(parts.rules.size());
    targeting.attributes_count = static_cast<std::uint32_t>(parts.attributes.size());
    return problem;
}

std::optional<FlagProblem> compile_segment(const SegmentDefinition& segment, CompiledSegment& out) {
    out.clear();
    const TextRef name = out.add_text(segment.name);
    out.record = {.name_hash = hash64(segment.name),
                  .revision = segment.revision,
                  .program_first = 0,
                  .program_count = 0,
                  .attributes_first = 0,
                  .attributes_count = 0,
                  .name_offset = name.offset,
                  .name_size = name.size};
    ProgramWriter writer(out, segment_label(segment.name));
    JumpLabel outside;
    writer.all(segment.constraints, nullptr, "constraints", outside);
    writer.outcome(kOutcomeTrue);
    writer.bind(outside);
    writer.outcome(kOutcomeFalse);
    std::optional<FlagProblem> problem = writer.finish();
    out.record.program_count = writer.size();
    out.record.attributes_count = static_cast<std::uint32_t>(out.attributes.size());
    return problem;
}

std::string segment_label(std::string_view name) {
    return "segment " + std::string(name);
}

std::vector<std::uint64_t> segments_named_by(const std::vector<Instruction>& instructions) {
    std::vector<std::uint64_t> hashes;
    for (const Instruction& step : instructions) {
        if (step.operation == static_cast<std::uint8_t>(Operation::kSegment)) {
            hashes.push_back(step.operand);
        }
    }
    return hashes;
}

}  // namespace burgee
