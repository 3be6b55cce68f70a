#include "shm/regex_dfa.hpp"

#include <algorithm>
#include <bit>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <burgee/regex_match.hpp>

#include "shm/assertion.hpp"

namespace burgee {
namespace {

/// Where in the text a set of nodes stands.
enum class Place : std::uint8_t { kBegin, kLater };

/// Builds the states one after the other. A state is the set of byte-consuming nodes in which the
/// nondeterministic automaton may stand, the start of the pattern always among them, because a
/// match may begin anywhere; and whether the text may end here.
class SubsetConstruction {
public:
    explicit SubsetConstruction(const RegexNfa& nfa)
        : nfa_(nfa), marks_(nfa.nodes.size(), 0), members_((nfa.nodes.size() + 63) / 64, 0) {
        dfa_.class_of = nfa.class_of;
        dfa_.class_count = nfa.class_count;
    }

    boost::system::result<RegexDfa, std::string> build() {
        static_assert(kRegexDeadState == 0 && kRegexMatchedState == 1);
        add_state({}, false);
        add_state({}, true);
        for (std::uint32_t i = 0; i < dfa_.class_count; ++i) {
            dfa_.next[dfa_.class_count + i] = kRegexMatchedState;
        }
        dfa_.start = add_start();
        std::vector<std::vector<std::uint16_t>> kernels(dfa_.class_count);
        for (std::uint32_t state = kRegexFixedStateCount; state < sets_.size(); ++state) {
            gather_kernels(state, kernels);
            for (std::uint32_t i = 0; i < dfa_.class_count; ++i) {
                dfa_.next[state * dfa_.class_count + i] = state_behind(kernels[i]);
                kernels[i].clear();
            }
            if (sets_.size() > kRegexStateCountMax) {
                return "needs more than " + std::to_string(kRegexStateCountMax) +
                       " states: shorten its repetitions, or anchor it with ^";
            }
            if (work_ > kDfaWorkMax) {
                return std::string(
                    "takes too long to compile: use fewer or smaller repetitions, or anchor it "
                    "with ^");
            }
        }
        return std::move(dfa_);
    }

private:
    using Set = std::u16string;  // node numbers, ascending; a string because it can be hashed

    std::uint16_t add_state(std::u16string_view set, bool may_end) {
        sets_.push_back(set);
        dfa_.is_end.push_back(may_end ? 1 : 0);
        dfa_.next.resize(dfa_.next.size() + dfa_.class_count, kRegexDeadState);
        return static_cast<std::uint16_t>(sets_.size() - 1);
    }

    std::uint16_t add_start() {
        const auto is_begin = [](const NfaNode& node) {
            return node.kind == NfaNodeKind::kTextBegin;
        };
        if (std::none_of(nfa_.nodes.begin(), nfa_.nodes.end(), is_begin)) {
            return state_behind({});
        }
        // No state to return to, even for a set that looks the same: ^ holds here only.
        if (is_closed_to_match({}, Place::kBegin)) {
            return kRegexMatchedState;
        }
        start_set_ = closed_;
        return add_state(start_set_, may_end_);
    }

    void gather_kernels(std::uint32_t state, std::vector<std::vector<std::uint16_t>>& kernels) {
        for (const char16_t number : sets_[state]) {
            const NfaNode& node = nfa_.nodes[number];
            for (std::uint32_t i = 0; i < node.edge_count; ++i) {
                const NfaEdge& edge = nfa_.edges[node.edge_first + i];
                for (std::uint32_t c = edge.class_first; c <= edge.class_last; ++c) {
                    kernels[c].push_back(edge.next);
                    ++work_;
                }
            }
        }
    }

    std::uint16_t state_behind(const std::vector<std::uint16_t>& kernel) {
        if (work_ > kDfaWorkMax || sets_.size() > kRegexStateCountMax) {
            return kRegexDeadState;  // the caller refuses
        }
        if (is_closed_to_match(kernel, Place::kLater)) {
            return kRegexMatchedState;
        }
        Set key = closed_;
        key.push_back(may_end_ ? 1 : 0);
        const auto [known, is_new] = known_.try_emplace(std::move(key), std::uint16_t{0});
        if (is_new) {
            // Keys stay where they are for the map's life; the last character is no node.
            const std::u16string_view set = known->first;
            known->second = add_state(set.substr(0, set.size() - 1), may_end_);
        }
        return known->second;
    }

    bool is_closed_to_match(const std::vector<std::uint16_t>& kernel, Place place);
    void take_members();
    bool visit(std::uint16_t number, Place place, bool is_at_end);
    void push(std::uint16_t number) {
        if (marks_[number] != mark_) {
            marks_[number] = mark_;
            open_.push_back(number);
        }
    }

    const RegexNfa& nfa_;
    RegexDfa dfa_;
    std::vector<std::u16string_view> sets_;  // by state, into start_set_ and the keys of known_
    Set start_set_;
    std::unordered_map<Set, std::uint16_t> known_;
    std::uint64_t work_ = 0;

    // Of one closure, kept for their memory.
    std::vector<std::uint32_t> marks_;  // = mark_: already met
    std::uint32_t mark_ = 0;
    std::vector<std::uint16_t> open_;
    std::vector<std::uint16_t> end_nodes_;
    std::vector<std::uint64_t> members_;  // a bit a node; all zero between two closures
    Set closed_;
    bool may_end_ = false;
};

/// Follows everything that takes no byte from `kernel` and from the pattern's start. True if that
/// reaches a match; else closed_ and may_end_ tell the state.
bool SubsetConstruction::is_closed_to_match(const std::vector<std::uint16_t>& kernel, Place place) {
    ++mark_;
    open_.clear();
    end_nodes_.clear();
    closed_.clear();
    may_end_ = false;
    push(nfa_.start);
    for (const std::uint16_t number : kernel) {
        push(number);
    }
    while (!open_.empty()) {
        const std::uint16_t number = open_.back();
        open_.pop_back();
        if (visit(number, place, false)) {
            std::fill(members_.begin(), members_.end(), 0);
            return true;
        }
    }
    // What holds behind a $ counts only if the text ends here, and then no byte follows.
    for (const std::uint16_t number : end_nodes_) {
        push(nfa_.nodes[number].next);
    }
    while (!open_.empty() && !may_end_) {
        const std::uint16_t number = open_.back();
        open_.pop_back();
        may_end_ = visit(number, place, true);
    }
    take_members();
    return false;
}

/// Moves members_ to closed_, in order: sets of thousands would spend their time in a sort.
void SubsetConstruction::take_members() {
    for (std::size_t i = 0; i < members_.size(); ++i) {
        for (; members_[i] != 0; members_[i] &= members_[i] - 1) {
            const auto bit = static_cast<std::size_t>(std::countr_zero(members_[i]));
            closed_.push_back(static_cast<char16_t>(i * 64 + bit));
        }
    }
}

/// @return  whether the node is the match
bool SubsetConstruction::visit(std::uint16_t number, Place place, bool is_at_end) {
    ++work_;
    const NfaNode& node = nfa_.nodes[number];
    switch (node.kind) {
        case NfaNodeKind::kBytes:
            if (!is_at_end) {
                members_[number / 64] |= std::uint64_t{1} << number % 64;
            }
            return false;
        case NfaNodeKind::kSplit:
            push(node.next);
            push(node.other);
            return false;
        case NfaNodeKind::kTextBegin:
            if (place == Place::kBegin) {
                push(node.next);
            }
            return false;
        case NfaNodeKind::kTextEnd:
            if (is_at_end) {
                push(node.next);
            } else {
                end_nodes_.push_back(number);
            }
            return false;
        case NfaNodeKind::kMatch:
            return true;
    }
    return false;
}

}  // namespace

boost::system::result<RegexDfa, std::string> build_regex_dfa(const RegexNfa& nfa) {
    BURGEE_ASSERT(nfa.class_count >= 1 && nfa.start < nfa.nodes.size());
    return SubsetConstruction(nfa).build();
}

}  // namespace burgee
