#include "shm/regex_nfa.hpp"

#include <map>
#include <tuple>
#include <utility>

#include "shm/assertion.hpp"

namespace burgee {
namespace {

/// Builds from the back: each part is given the node that follows it, so that nothing is patched
/// but the heads of loops. Once a bound is met, every call returns at once.
class NfaBuilder {
public:
    explicit NfaBuilder(const RegexSyntax& syntax) : syntax_(syntax) {}

    boost::system::result<RegexNfa, std::string> build() {
        const std::uint16_t match = add({.kind = NfaNodeKind::kMatch});
        nfa_.start = build(syntax_.root, match);
        if (is_too_large_) {
            return std::string(
                "the pattern is too large once its {m,n} are written out: use fewer or smaller "
                "repetitions");
        }
        number_classes();
        return std::move(nfa_);
    }

private:
    std::uint16_t add(NfaNode node) {
        if (nfa_.nodes.size() >= kNfaNodeCountMax) {
            is_too_large_ = true;
            return 0;
        }
        nfa_.nodes.push_back(node);
        return static_cast<std::uint16_t>(nfa_.nodes.size() - 1);
    }
    std::uint16_t add_split(std::uint16_t next, std::uint16_t other) {
        return add({.kind = NfaNodeKind::kSplit, .next = next, .other = other});
    }
    void add_edge(ByteRange bytes, std::uint16_t next) {
        if (nfa_.edges.size() >= kNfaEdgeCountMax) {
            is_too_large_ = true;
            return;
        }
        nfa_.edges.push_back({bytes.first, bytes.last, next});
    }

    std::uint16_t build(std::uint32_t number, std::uint16_t next);
    std::uint16_t build_characters(const CodePointSet& set, std::uint16_t next);
    std::uint16_t build_repeat(const RegexNode& node, std::uint16_t next);
    void number_classes();

    const RegexSyntax& syntax_;
    RegexNfa nfa_;
    std::size_t work_ = 0;
    bool is_too_large_ = false;
};

std::uint16_t NfaBuilder::build(std::uint32_t number, std::uint16_t next) {
    // Repetitions of nothing add no node, but nested deeply enough they would take for ever.
    is_too_large_ = is_too_large_ || ++work_ > kNfaWorkMax;
    if (is_too_large_) {
        return 0;
    }
    const RegexNode& node = syntax_.nodes[number];
    switch (node.kind) {
        case RegexNodeKind::kEmpty:
            return next;
        case RegexNodeKind::kCharacters:
            return build_characters(node.characters, next);
        case RegexNodeKind::kTextBegin:
            return add({.kind = NfaNodeKind::kTextBegin, .next = next});
        case RegexNodeKind::kTextEnd:
            return add({.kind = NfaNodeKind::kTextEnd, .next = next});
        case RegexNodeKind::kSequence:
            for (auto child = node.children.rbegin(); child != node.children.rend(); ++child) {
                next = build(*child, next);
            }
            return next;
        case RegexNodeKind::kChoice: {
            std::uint16_t entry = build(node.children.back(), next);
            for (std::size_t i = node.children.size() - 1; i-- > 0;) {
                const std::uint16_t branch = build(node.children[i], next);
                entry = add_split(branch, entry);
            }
            return entry;
        }
        case RegexNodeKind::kRepeat:
            return build_repeat(node, next);
    }
    return next;
}

std::uint16_t NfaBuilder::build_repeat(const RegexNode& node, std::uint16_t next) {
    const std::uint32_t child = node.children.front();
    std::uint32_t rest = node.repeat_min;
    std::uint16_t entry = next;
    if (node.repeat_max == kRegexUnlimited) {
        const std::uint16_t loop = add_split(next, next);
        const std::uint16_t body = build(child, loop);
        nfa_.nodes[loop].next = body;
        entry = rest > 0 ? body : loop;  // x+ enters the loop through its body
        rest -= rest > 0 ? 1 : 0;
    } else {
        for (std::uint32_t i = node.repeat_min; i < node.repeat_max && !is_too_large_; ++i) {
            entry = add_split(build(child, entry), next);
        }
    }
    for (; rest > 0 && !is_too_large_; --rest) {
        entry = build(child, entry);
    }
    return entry;
}

std::uint16_t NfaBuilder::build_characters(const CodePointSet& set, std::uint16_t next) {
    std::vector<ByteSequence> sequences;
    for (const CodePointRange range : set) {
        append_byte_sequences(range, sequences);
    }
    // Tails of sequences, by what they consume and where they lead: [80-BF] before `next` is one
    // node, however many sequences end in it.
    std::map<std::tuple<std::uint8_t, std::uint8_t, std::uint16_t>, std::uint16_t> tails;
    std::vector<std::pair<ByteRange, std::uint16_t>> heads;
    for (const ByteSequence& sequence : sequences) {
        std::uint16_t target = next;
        for (std::size_t i = sequence.size - 1; i > 0 && !is_too_large_; --i) {
            const ByteRange bytes = sequence.ranges[i];
            const auto [tail, is_new] = tails.try_emplace({bytes.first, bytes.last, target}, 0);
            if (is_new) {
                const auto edge = static_cast<std::uint32_t>(nfa_.edges.size());
                add_edge(bytes, target);
                tail->second =
                    add({.kind = NfaNodeKind::kBytes, .edge_first = edge, .edge_count = 1});
            }
            target = tail->second;
        }
        heads.emplace_back(sequence.ranges[0], target);
    }
    const auto edge_first = static_cast<std::uint32_t>(nfa_.edges.size());
    for (const auto& [bytes, target] : heads) {
        add_edge(bytes, target);
    }
    const auto edge_count = static_cast<std::uint32_t>(nfa_.edges.size()) - edge_first;
    return add({.kind = NfaNodeKind::kBytes, .edge_first = edge_first, .edge_count = edge_count});
}

/// Bytes that no edge tells apart become one class, and edges speak of classes from here on.
void NfaBuilder::number_classes() {
    std::array<bool, 257> is_border{};
    for (const NfaEdge& edge : nfa_.edges) {
        is_border[edge.class_first] = true;
        is_border[edge.class_last + 1U] = true;
    }
    std::uint32_t number = 0;
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        number += byte > 0 && is_border[byte] ? 1U : 0U;
        nfa_.class_of[byte] = static_cast<std::uint8_t>(number);
    }
    nfa_.class_count = number + 1;
    for (NfaEdge& edge : nfa_.edges) {
        edge.class_first = nfa_.class_of[edge.class_first];
        edge.class_last = nfa_.class_of[edge.class_last];
        BURGEE_ASSERT(edge.class_first <= edge.class_last);
    }
}

}  // namespace

boost::system::result<RegexNfa, std::string> build_regex_nfa(const RegexSyntax& syntax) {
    return NfaBuilder(syntax).build();
}

}  // namespace burgee
