#pragma once

// One flag as a snapshot stores it. The compiler works out beforehand whatever a check would have
// to repeat: seeds, gate, variant ranges, sorted sets, and whether the answer is a constant.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <burgee/snapshot_layout.hpp>

#include "shm/flag_set.hpp"

namespace burgee {

/// A flag's parts. All numbers and offsets count from the flag's own first element and byte.
struct CompiledFlag {
    FlagRecord record{};
    std::vector<VariantRecord> variants;
    std::vector<ConfigField> config;
    std::vector<TargetingRecord> targeting;  ///< one, or none
    std::vector<std::uint64_t> sets;
    std::vector<TextRef> text_refs;
    std::string strings;
};

/// Compiles flags one after the other into memory that it keeps.
class FlagCompiler {
public:
    /// Compiles `flag` into compiled(). Expiry and experiments are not its business.
    /// @return  nothing, or why the flag cannot be stored; compiled() is then void.
    /// Cost: about 1 microsecond, plus what variants and sets take.
    std::optional<FlagProblem> compile(const FlagDefinition& flag, std::uint64_t name_hash);

    const CompiledFlag& compiled() const { return out_; }

private:
    void clear();
    void compile_record(const FlagDefinition& flag, std::uint64_t name_hash);
    void compile_variants(const FlagDefinition& flag);
    void compile_config(const VariantDefinition& variant);
    void compile_targeting(const FlagDefinition& flag);
    std::uint32_t append_set(const std::vector<std::string>& units);
    TextRef add_text(std::string_view text);

    CompiledFlag out_;
};

/// Makes `record` answer EXPIRED; a disabled flag goes on to answer DISABLED.
void mark_expired(FlagRecord& record);

}  // namespace burgee
