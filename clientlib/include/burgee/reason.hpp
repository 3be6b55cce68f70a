#pragma once

// The words people read for a snapshot's numbers. Relied on by the client, the daemon and the
// command.

#include <burgee/snapshot_layout.hpp>

#include <string_view>

namespace burgee {

/// The reason's name as logs and JSON show it; "UNKNOWN" for a number this version does not know.
constexpr std::string_view to_string(Reason reason) noexcept {
    switch (reason) {
        case Reason::kNotReady:
            return "NOT_READY";
        case Reason::kFlagNotFound:
            return "FLAG_NOT_FOUND";
        case Reason::kDisabled:
            return "DISABLED";
        case Reason::kExpired:
            return "EXPIRED";
        case Reason::kPrerequisiteFailed:
            return "PREREQUISITE_FAILED";
        case Reason::kExcluded:
            return "EXCLUDED";
        case Reason::kIncluded:
            return "INCLUDED";
        case Reason::kOutOfAudience:
            return "OUT_OF_AUDIENCE";
        case Reason::kRuleMatch:
            return "RULE_MATCH";
        case Reason::kStatic:
            return "STATIC";
        case Reason::kTargetingKeyMissing:
            return "TARGETING_KEY_MISSING";
        case Reason::kLayer:
            return "LAYER";
        case Reason::kSplit:
            return "SPLIT";
    }
    return "UNKNOWN";
}

/// The status as the column feature_flags.status spells it.
constexpr std::string_view to_string(Status status) noexcept {
    switch (status) {
        case Status::kDisabled:
            return "disabled";
        case Status::kEnabled:
            return "enabled";
        case Status::kGradualRollout:
            return "gradual_rollout";
        case Status::kCanary:
            return "canary";
        case Status::kAbTest:
            return "ab_test";
    }
    return "unknown";
}

}  // namespace burgee
