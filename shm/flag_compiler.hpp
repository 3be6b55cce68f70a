#pragma once

// One flag as a snapshot stores it. The compiler works out beforehand whatever a check would have
// to repeat: seeds, gate, variant ranges, sorted sets, and whether the answer is a constant.

#include <cstdint>
#include <optional>

#include <burgee/snapshot_layout.hpp>

#include "shm/compiled_parts.hpp"
#include "shm/flag_set.hpp"

namespace burgee {

/// Compiles flags one after the other into memory that it keeps.
class FlagCompiler {
public:
    /// Compiles `flag` into compiled(). Expiry and experiments are not its business.
    /// @return  nothing, or why the flag cannot be stored; compiled() is then void.
    /// Cost: about 1 microsecond, plus what variants and sets take.
    std::optional<FlagProblem> compile(const FlagDefinition& flag, std::uint64_t name_hash);

    const CompiledFlag& compiled() const { return out_; }

private:
    void compile_record(const FlagDefinition& flag, std::uint64_t name_hash);
    void compile_variants(const FlagDefinition& flag);
    void compile_config(const VariantDefinition& variant);
    std::optional<FlagProblem> compile_targeting(const FlagDefinition& flag);
    void compile_requirements(const FlagDefinition& flag);
    void compile_layer(const FlagDefinition& flag, TargetingRecord& targeting);

    CompiledFlag out_;
};

/// Makes `record` answer EXPIRED; a disabled flag goes on to answer DISABLED.
void mark_expired(FlagRecord& record);

}  // namespace burgee
