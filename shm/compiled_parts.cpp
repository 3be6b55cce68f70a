#include "shm/compiled_parts.hpp"

#include <algorithm>

#include <burgee/checksum.hpp>
#include <burgee/text_match.hpp>

namespace burgee {
namespace {

// A text is looked for in the flag's strings only while those are short: looking costs more than
// the repeated bytes beyond that. Chosen by feel.
constexpr std::size_t kShareTextsBelow = 4'096;

}  // namespace

void CompiledParts::clear() {
    variants.clear();
    config.clear();
    targeting.clear();
    sets.clear();
    text_refs.clear();
    instructions.clear();
    rules.clear();
    requirements.clear();
    slot_ranges.clear();
    attributes.clear();
    tables.clear();
    strings.clear();
    known_sets_.clear();
}

OwnPartCounts CompiledParts::counts() const {
    OwnPartCounts counts;
    std::size_t part = 0;
    for_each_part([&](const auto& elements) {
        counts[static_cast<Part>(part++)] = static_cast<std::uint32_t>(elements.size());
    });
    return counts;
}

TextRef CompiledParts::add_text(std::string_view text) {
    std::size_t offset = strings.size() < kShareTextsBelow ? std::string_view(strings).find(text)
                                                           : std::string_view::npos;
    if (offset == std::string_view::npos) {
        offset = strings.size();
        strings.append(text);
    }
    return {static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(text.size())};
}

std::pair<std::uint32_t, std::uint32_t> CompiledParts::add_set(
    const std::vector<std::string>& units) {
    const std::size_t first = sets.size();
    for (const std::string& unit : units) {
        sets.push_back(hash64(unit));
    }
    return settle_set(first);
}

std::pair<std::uint32_t, std::uint32_t> CompiledParts::add_packed_set(
    const std::vector<std::string>& texts) {
    const std::size_t first = sets.size();
    for (const std::string& text : texts) {
        sets.push_back(packed_text(text));
    }
    return settle_set(first);
}

std::pair<std::uint32_t, std::uint32_t> CompiledParts::add_set_entries(
    std::span<const std::uint64_t> entries) {
    const std::size_t first = sets.size();
    sets.insert(sets.end(), entries.begin(), entries.end());
    return settle_set(first);
}

std::pair<std::uint32_t, std::uint32_t> CompiledParts::settle_set(std::size_t first) {
    const auto begin = static_cast<std::ptrdiff_t>(first);
    std::sort(sets.begin() + begin, sets.end());
    sets.erase(std::unique(sets.begin() + begin, sets.end()), sets.end());
    const std::size_t count = sets.size() - first;
    const std::pair place{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count)};
    if (count == 0) {
        return place;
    }
    const std::uint64_t checksum = hash64(sets.data() + first, count * sizeof(sets[0]));
    const auto [known, is_new] = known_sets_.insert({checksum, place});
    const bool is_equal =
        !is_new && known->second.second == count &&
        std::equal(sets.begin() + begin, sets.end(), sets.begin() + known->second.first);
    if (is_equal) {
        sets.resize(first);
        return known->second;
    }
    return place;
}

}  // namespace burgee
