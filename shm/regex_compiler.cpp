#include "shm/regex_compiler.hpp"

#include <burgee/regex_match.hpp>

#include "shm/regex_dfa.hpp"
#include "shm/regex_minimiser.hpp"
#include "shm/regex_nfa.hpp"

namespace burgee {
namespace {

std::vector<std::uint16_t> table_of(const RegexDfa& dfa) {
    const std::uint32_t state_count = dfa.state_count();
    std::vector<std::uint16_t> words{kRegexTableTag, static_cast<std::uint16_t>(state_count),
                                     static_cast<std::uint16_t>(dfa.class_count),
                                     static_cast<std::uint16_t>(dfa.start)};
    for (std::size_t byte = 0; byte < 256; byte += 2) {
        words.push_back(
            static_cast<std::uint16_t>(dfa.class_of[byte] | dfa.class_of[byte + 1] << 8U));
    }
    words.resize(words.size() + (state_count + 15) / 16, 0);
    for (std::uint32_t state = 0; state < state_count; ++state) {
        const unsigned bit = dfa.is_end[state] != 0 ? 1U << state % 16 : 0U;
        std::uint16_t& ends = words[kRegexHeaderWordCount + state / 16];
        ends = static_cast<std::uint16_t>(ends | bit);
    }
    for (std::uint32_t byte_class = 0; byte_class < dfa.class_count; ++byte_class) {
        for (std::uint32_t state = 0; state < state_count; ++state) {
            words.push_back(dfa.next[state * dfa.class_count + byte_class]);
        }
    }
    return words;
}

}  // namespace

boost::system::result<std::vector<std::uint16_t>, std::string> compile_regex(
    std::string_view pattern, RegexOptions options) {
    const auto syntax = parse_regex(pattern, options);
    if (!syntax) {
        return syntax.error();
    }
    const auto nfa = build_regex_nfa(*syntax);
    if (!nfa) {
        return nfa.error();
    }
    const auto dfa = build_regex_dfa(*nfa);
    if (!dfa) {
        return dfa.error();
    }
    return table_of(minimised(*dfa));
}

}  // namespace burgee
