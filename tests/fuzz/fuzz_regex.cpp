// Promise: whatever a pattern holds, the compiler takes or refuses it; a table that it gives is
// sound, and says of every text what the pattern says.
// Method: the table against a second way to the answer, which shares nothing with the automaton but
// the parser's tree: from a set of places in the text, node by node, to the places behind it.
//
// An input: the pattern up to the first line break, then the text. Both are asked with and without
// case_insensitive.

#include <burgee/regex_match.hpp>

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "shm/regex_compiler.hpp"
#include "tests/fuzz/input_reader.hpp"

namespace burgee::fuzz {
namespace {

/// Bit p: the place before byte p of the text.
using Places = std::uint64_t;
constexpr std::size_t kTextSizeMax = 63;  // one bit for each place, the end included
/// The other way gives up after so many nodes; patterns that need more are for the table alone.
constexpr std::uint32_t kVisitsMax = 20'000;

class TreeWalk {
public:
    TreeWalk(const RegexSyntax& syntax, std::string_view text) : syntax_(syntax), text_(text) {}

    /// Whether the pattern is found anywhere; nothing if that takes too long.
    std::optional<bool> is_found() {
        const Places everywhere = ~Places{0} >> (kTextSizeMax - text_.size());
        const Places ends = behind(syntax_.root, everywhere);
        return visits_ > kVisitsMax ? std::nullopt : std::optional(ends != 0);
    }

private:
    Places behind(std::uint32_t number, Places starts) {
        if (starts == 0 || ++visits_ > kVisitsMax) {
            return 0;
        }
        const auto [known, is_new] = known_.try_emplace({number, starts}, 0);
        if (is_new) {
            known->second = behind_node(syntax_.nodes[number], starts);
        }
        return known->second;
    }

    Places behind_node(const RegexNode& node, Places starts) {
        switch (node.kind) {
            case RegexNodeKind::kEmpty:
                return starts;
            case RegexNodeKind::kCharacters:
                return behind_character(node.characters, starts);
            case RegexNodeKind::kTextBegin:
                return starts & 1U;
            case RegexNodeKind::kTextEnd:
                return starts & (Places{1} << text_.size());
            case RegexNodeKind::kSequence:
                for (const std::uint32_t child : node.children) {
                    starts = behind(child, starts);
                }
                return starts;
            case RegexNodeKind::kChoice: {
                Places ends = 0;
                for (const std::uint32_t child : node.children) {
                    ends |= behind(child, starts);
                }
                return ends;
            }
            case RegexNodeKind::kRepeat:
                return behind_repeat(node, starts);
        }
        fail("the tree has no other nodes");
    }

    Places behind_repeat(const RegexNode& node, Places starts) {
        for (std::uint32_t round = 0; round < node.repeat_min; ++round) {
            starts = behind(node.children.front(), starts);
        }
        Places ends = starts;
        for (std::uint32_t round = node.repeat_min; round < node.repeat_max; ++round) {
            const Places more = ends | behind(node.children.front(), ends);
            if (more == ends) {
                break;
            }
            ends = more;
        }
        return ends;
    }

    Places behind_character(const CodePointSet& set, Places starts) const {
        Places ends = 0;
        for (std::size_t place = 0; place < text_.size(); ++place) {
            if ((starts >> place & 1U) == 0) {
                continue;
            }
            const CodePoint found = first_code_point(text_.substr(place));
            for (const CodePointRange& range : set) {
                const bool is_inside = range.first <= found.value && found.value <= range.last;
                ends |= found.size > 0 && is_inside ? Places{1} << (place + found.size) : 0;
            }
        }
        return ends;
    }

    const RegexSyntax& syntax_;
    std::string_view text_;
    std::uint32_t visits_ = 0;
    std::map<std::pair<std::uint32_t, Places>, Places> known_;
};

void check(std::string_view pattern, std::string_view text, RegexOptions options) {
    const auto table = compile_regex(pattern, options);
    if (!table) {
        require(!table.error().empty(), "a refusal says why");
        return;
    }
    // Memory that ends with the last word.
    const std::unique_ptr<std::uint16_t[]> words(new std::uint16_t[table->size()]);
    std::copy(table->begin(), table->end(), words.get());
    require(check_regex_table(words.get(), table->size()), "a compiled table is sound");
    const bool answer = regex_matches(words.get(), table->size(), text);
    if (text.size() > kTextSizeMax) {
        return;
    }
    const auto syntax = parse_regex(pattern, options);
    require(syntax.has_value(), "what compiles can be parsed");
    const std::optional<bool> expected = TreeWalk(*syntax, text).is_found();
    require(!expected || *expected == answer, "the table answers as the pattern says");
}

void run(InputReader input, std::size_t size) {
    const std::string_view pattern = input.take_line();
    const std::string_view text = input.take_text(size);
    check(pattern, text, {});
    check(pattern, text, {.is_case_insensitive = true});
}

}  // namespace
}  // namespace burgee::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    burgee::fuzz::run(burgee::fuzz::InputReader(data, size), size);
    return 0;
}
