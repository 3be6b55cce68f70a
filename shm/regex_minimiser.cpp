#include "shm/regex_minimiser.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include <burgee/regex_match.hpp>

#include "shm/assertion.hpp"

namespace burgee {
namespace {

/// Predecessors of each state by class.
class Predecessors {
public:
    explicit Predecessors(const RegexDfa& dfa)
        : state_count_(dfa.state_count()),
          first_(std::size_t{state_count_} * dfa.class_count + 1, 0),
          states_(dfa.next.size()) {
        const std::uint32_t class_count = dfa.class_count;
        for (std::uint32_t i = 0; i < dfa.next.size(); ++i) {
            ++first_[place(dfa.next[i], i % class_count) + 1];
        }
        std::partial_sum(first_.begin(), first_.end(), first_.begin());
        std::vector<std::uint32_t> filled(first_.begin(), first_.end() - 1);
        for (std::uint32_t i = 0; i < dfa.next.size(); ++i) {
            states_[filled[place(dfa.next[i], i % class_count)]++] =
                static_cast<std::uint16_t>(i / class_count);
        }
    }

    template <typename Visit>
    void for_each(std::uint16_t state, std::uint32_t byte_class, Visit visit) const {
        const std::size_t at = place(state, byte_class);
        for (std::uint32_t i = first_[at]; i < first_[at + 1]; ++i) {
            visit(states_[i]);
        }
    }

private:
    std::size_t place(std::uint16_t state, std::uint32_t byte_class) const {
        return std::size_t{byte_class} * state_count_ + state;
    }

    std::uint32_t state_count_;
    std::vector<std::uint32_t> first_;
    std::vector<std::uint16_t> states_;
};

/// States in blocks; states of different blocks answer some text differently.
class Partition {
public:
    explicit Partition(std::uint32_t state_count)
        : states_(state_count), place_(state_count), block_of_(state_count, 0) {
        std::iota(states_.begin(), states_.end(), std::uint16_t{0});
        std::iota(place_.begin(), place_.end(), 0U);
        blocks_.push_back({0, state_count, 0});
    }

    std::uint32_t block_of(std::uint32_t state) const { return block_of_[state]; }
    std::uint32_t block_count() const { return static_cast<std::uint32_t>(blocks_.size()); }
    std::uint32_t size_of(std::uint32_t block) const {
        return blocks_[block].end - blocks_[block].first;
    }
    std::vector<std::uint16_t> states_of(std::uint32_t block) const {
        const auto begin = states_.begin();
        return {begin + blocks_[block].first, begin + blocks_[block].end};
    }

    /// Moves `state` to the front part of its block.
    void mark(std::uint16_t state) {
        Block& block = blocks_[block_of_[state]];
        const std::uint32_t front = block.first + block.marked_count;
        if (place_[state] < front) {
            return;
        }
        if (block.marked_count++ == 0) {
            touched_.push_back(block_of_[state]);
        }
        const std::uint16_t other = states_[front];
        std::swap(states_[front], states_[place_[state]]);
        place_[other] = place_[state];
        place_[state] = front;
    }

    /// Makes the front part of every block a block of its own; `split` is told (old, new) numbers.
    template <typename Split>
    void split_marked(Split split) {
        for (const std::uint32_t number : touched_) {
            const Block block = blocks_[number];
            blocks_[number].marked_count = 0;
            const std::uint32_t border = block.first + block.marked_count;
            if (border == block.end) {
                continue;
            }
            blocks_[number].first = border;
            blocks_.push_back({block.first, border, 0});
            for (std::uint32_t i = block.first; i < border; ++i) {
                block_of_[states_[i]] = block_count() - 1;
            }
            split(number, block_count() - 1);
        }
        touched_.clear();
    }

private:
    struct Block {
        std::uint32_t first;  // into states_
        std::uint32_t end;
        std::uint32_t marked_count;
    };
    std::vector<std::uint16_t> states_;
    std::vector<std::uint32_t> place_;  // of each state in states_
    std::vector<std::uint32_t> block_of_;
    std::vector<Block> blocks_;
    std::vector<std::uint32_t> touched_;
};

Partition equivalent_states(const RegexDfa& dfa) {
    const Predecessors predecessors(dfa);
    Partition partition(dfa.state_count());
    for (std::uint32_t state = 0; state < dfa.state_count(); ++state) {
        if (dfa.is_end[state] != 0) {
            partition.mark(static_cast<std::uint16_t>(state));
        }
    }
    partition.split_marked([](std::uint32_t, std::uint32_t) {});
    // Blocks whose predecessors may still tell states of one block apart.
    std::vector<std::uint32_t> open{1};
    std::vector<bool> is_open{false, true};
    while (!open.empty()) {
        const std::uint32_t splitter = open.back();
        open.pop_back();
        is_open[splitter] = false;
        const std::vector<std::uint16_t> states = partition.states_of(splitter);
        for (std::uint32_t byte_class = 0; byte_class < dfa.class_count; ++byte_class) {
            for (const std::uint16_t state : states) {
                predecessors.for_each(state, byte_class,
                                      [&](std::uint16_t before) { partition.mark(before); });
            }
            partition.split_marked([&](std::uint32_t kept, std::uint32_t added) {
                // The smaller half is enough, unless the whole was still to be looked at.
                is_open.push_back(false);
                const bool is_added_smaller = partition.size_of(added) <= partition.size_of(kept);
                const std::uint32_t next = is_open[kept] || is_added_smaller ? added : kept;
                is_open[next] = true;
                open.push_back(next);
            });
        }
    }
    return partition;
}

/// Blocks as a walk from the start meets them: dead and matched first, then breadth first.
std::vector<std::uint32_t> blocks_in_order(const RegexDfa& dfa, const Partition& partition) {
    std::vector<std::uint32_t> order;
    std::vector<bool> is_met(partition.block_count(), false);
    const auto meet = [&](std::uint32_t state) {
        const std::uint32_t block = partition.block_of(state);
        if (!is_met[block]) {
            is_met[block] = true;
            order.push_back(block);
        }
    };
    meet(kRegexDeadState);
    meet(kRegexMatchedState);
    meet(dfa.start);
    for (std::size_t i = kRegexFixedStateCount; i < order.size(); ++i) {
        const std::uint32_t state = partition.states_of(order[i]).front();
        // By byte, not by class: classes may still be finer than they need be.
        for (std::uint32_t byte = 0; byte < 256; ++byte) {
            meet(dfa.next[state * dfa.class_count + dfa.class_of[byte]]);
        }
    }
    return order;
}

/// Merges classes of `dfa` that never lead to different states, numbered by their first byte.
void merge_classes(RegexDfa& dfa) {
    std::map<std::vector<std::uint16_t>, std::uint8_t> numbers;
    std::vector<std::vector<std::uint16_t>> columns(dfa.class_count);
    for (std::size_t i = 0; i < dfa.next.size(); ++i) {
        columns[i % dfa.class_count].push_back(dfa.next[i]);
    }
    std::vector<std::uint32_t> kept;  // old numbers, by new number
    for (std::uint8_t& byte_class : dfa.class_of) {
        const auto number = static_cast<std::uint8_t>(kept.size());
        const auto [known, is_new] = numbers.try_emplace(columns[byte_class], number);
        if (is_new) {
            kept.push_back(byte_class);
        }
        byte_class = known->second;
    }
    std::vector<std::uint16_t> next;
    for (std::uint32_t state = 0; state < dfa.state_count(); ++state) {
        for (const std::uint32_t old : kept) {
            next.push_back(columns[old][state]);
        }
    }
    dfa.next = std::move(next);
    dfa.class_count = static_cast<std::uint32_t>(kept.size());
}

}  // namespace

RegexDfa minimised(const RegexDfa& dfa) {
    BURGEE_ASSERT(dfa.state_count() >= kRegexFixedStateCount && dfa.start < dfa.state_count());
    const Partition partition = equivalent_states(dfa);
    const std::vector<std::uint32_t> order = blocks_in_order(dfa, partition);
    std::vector<std::uint16_t> number_of(partition.block_count(), 0);
    for (std::size_t i = 0; i < order.size(); ++i) {
        number_of[order[i]] = static_cast<std::uint16_t>(i);
    }
    RegexDfa out;
    out.class_of = dfa.class_of;
    out.class_count = dfa.class_count;
    out.start = number_of[partition.block_of(dfa.start)];
    for (const std::uint32_t block : order) {
        const std::uint32_t state = partition.states_of(block).front();
        out.is_end.push_back(dfa.is_end[state]);
        for (std::uint32_t byte_class = 0; byte_class < dfa.class_count; ++byte_class) {
            const std::uint16_t next = dfa.next[state * dfa.class_count + byte_class];
            out.next.push_back(number_of[partition.block_of(next)]);
        }
    }
    merge_classes(out);
    return out;
}

}  // namespace burgee
