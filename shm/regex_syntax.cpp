#include "shm/regex_syntax.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "shm/regex_escape.hpp"

namespace burgee {
namespace {

using NodeNumber = std::optional<std::uint32_t>;  // nothing: refused, and refusal_ says why

/// Recursive descent, one function a level of precedence. The first refusal stands; everything
/// returns at once behind it.
class RegexParser {
public:
    RegexParser(std::string_view pattern, RegexOptions options)
        : pattern_(pattern), options_(options) {}

    boost::system::result<RegexSyntax, std::string> parse() {
        if (pattern_.size() > kRegexPatternSizeMax) {
            return std::to_string(pattern_.size()) + " bytes, at most " +
                   std::to_string(kRegexPatternSizeMax) + " are possible: shorten the pattern";
        }
        NodeNumber root = choice();
        if (root && offset_ < pattern_.size()) {  // only a bracket ends a choice early
            root = refuse(offset_, ") closes no group: write \\) for a parenthesis");
        }
        if (!root) {
            return std::move(refusal_);
        }
        syntax_.root = *root;
        return std::move(syntax_);
    }

private:
    bool has(char byte) const { return offset_ < pattern_.size() && pattern_[offset_] == byte; }
    bool take(char byte) {
        const bool is_there = has(byte);
        offset_ += is_there ? 1 : 0;
        return is_there;
    }
    bool starts_with(std::string_view text) const {
        return pattern_.substr(offset_).starts_with(text);
    }

    std::nullopt_t refuse(std::size_t offset, std::string_view what) {
        refusal_ = "at offset " + std::to_string(offset) + ": " + std::string(what);
        return std::nullopt;
    }

    std::uint32_t add(RegexNode node) {
        syntax_.nodes.push_back(std::move(node));
        return static_cast<std::uint32_t>(syntax_.nodes.size() - 1);
    }
    std::uint32_t add(RegexNodeKind kind) {
        RegexNode node;
        node.kind = kind;
        return add(std::move(node));
    }
    std::uint32_t add_characters(CodePointSet set) {
        RegexNode node;
        node.kind = RegexNodeKind::kCharacters;
        node.characters = std::move(set);
        return add(std::move(node));
    }
    std::uint32_t add_parent(RegexNodeKind kind, std::vector<std::uint32_t> children) {
        if (children.size() == 1) {
            return children.front();
        }
        RegexNode node;
        node.kind = children.empty() ? RegexNodeKind::kEmpty : kind;
        node.children = std::move(children);
        return add(std::move(node));
    }

    NodeNumber choice();
    NodeNumber sequence();
    NodeNumber repetition();
    NodeNumber atom();
    NodeNumber group();
    NodeNumber bracket();
    NodeNumber repeat(std::uint32_t child);
    bool read_bounds(std::uint32_t& least, std::uint32_t& most);
    std::optional<std::uint32_t> number();
    bool bracket_item(CodePointSet& set);
    std::optional<RegexEscape> bracket_atom();
    std::optional<RegexEscape> literal();
    CodePointSet finished(CodePointSet set) const;

    std::string_view pattern_;
    RegexOptions options_;
    std::size_t offset_ = 0;
    std::uint32_t depth_ = 0;
    RegexSyntax syntax_;
    std::string refusal_;
};

CodePointSet RegexParser::finished(CodePointSet set) const {
    if (options_.is_case_insensitive) {
        add_other_ascii_case(set);
    }
    finish_set(set);
    return set;
}

NodeNumber RegexParser::choice() {
    std::vector<std::uint32_t> branches;
    do {
        const NodeNumber branch = sequence();
        if (!branch) {
            return std::nullopt;
        }
        branches.push_back(*branch);
    } while (take('|'));
    return add_parent(RegexNodeKind::kChoice, std::move(branches));
}

NodeNumber RegexParser::sequence() {
    std::vector<std::uint32_t> parts;
    while (offset_ < pattern_.size() && !has('|') && !has(')')) {
        const NodeNumber part = repetition();
        if (!part) {
            return std::nullopt;
        }
        parts.push_back(*part);
    }
    return add_parent(RegexNodeKind::kSequence, std::move(parts));
}

NodeNumber RegexParser::repetition() {
    const bool is_border = has('^') || has('$');
    const NodeNumber child = atom();
    if (!child || !(has('*') || has('+') || has('?') || has('{'))) {
        return child;
    }
    if (is_border) {
        return refuse(offset_, "^ and $ cannot be repeated: drop the repetition, or escape them");
    }
    return repeat(*child);
}

NodeNumber RegexParser::repeat(std::uint32_t child) {
    RegexNode node;
    node.kind = RegexNodeKind::kRepeat;
    node.children = {child};
    node.repeat_max = kRegexUnlimited;
    if (take('+')) {
        node.repeat_min = 1;
    } else if (take('?')) {
        node.repeat_max = 1;
    } else if (!take('*') && !read_bounds(node.repeat_min, node.repeat_max)) {
        return std::nullopt;
    }
    take('?');  // lazy: another match, but the same answer
    if (has('+')) {
        return refuse(offset_, "possessive repetition is not supported: drop the second +");
    }
    if (has('*') || has('?') || has('{')) {
        return refuse(offset_, "a repetition of a repetition: put the inner one into (...)");
    }
    return add(std::move(node));
}

/// {m}, {m,} or {m,n}; false: refused.
bool RegexParser::read_bounds(std::uint32_t& least, std::uint32_t& most) {
    const std::size_t begin = offset_;
    ++offset_;
    const std::optional<std::uint32_t> first = number();
    std::optional<std::uint32_t> second = first;
    if (take(',')) {
        second = has('}') ? kRegexUnlimited : number();
    }
    if (!first || !second || !take('}')) {
        refuse(begin, "{ begins no repetition: write {2}, {2,} or {2,5}, or \\{ for a brace");
        return false;
    }
    if (*first > kRegexRepeatMax || (*second > kRegexRepeatMax && *second != kRegexUnlimited)) {
        refuse(begin, "at most " + std::to_string(kRegexRepeatMax) +
                          " repetitions can be counted: write *, + or {m,} for any number");
        return false;
    }
    if (*first > *second) {
        refuse(begin, "{m,n} with m greater than n matches nothing: swap them");
        return false;
    }
    least = *first;
    most = *second;
    return true;
}

/// Digits at offset_, nothing if there are none. Saturates above every bound.
std::optional<std::uint32_t> RegexParser::number() {
    std::optional<std::uint32_t> value;
    for (; offset_ < pattern_.size() && pattern_[offset_] >= '0' && pattern_[offset_] <= '9';
         ++offset_) {
        const auto digit = static_cast<std::uint32_t>(pattern_[offset_] - '0');
        value = std::min(value.value_or(0) * 10 + digit, kRegexRepeatMax + 1);
    }
    return value;
}

NodeNumber RegexParser::atom() {
    switch (pattern_[offset_]) {
        case '^':
            ++offset_;
            return add(RegexNodeKind::kTextBegin);
        case '$':
            ++offset_;
            return add(RegexNodeKind::kTextEnd);
        case '.':
            ++offset_;
            return add_characters(complement_of({{U'\n', U'\n'}}));
        case '(':
            return group();
        case '[':
            return bracket();
        case '*':
        case '+':
        case '?':
            return refuse(offset_, "nothing to repeat: escape it with a backslash to mean itself");
        case '{':
            return refuse(offset_, "nothing to repeat: write \\{ for a brace");
        default:
            break;
    }
    std::optional<RegexEscape> one = literal();
    if (!one) {
        return std::nullopt;
    }
    // A class of escapes is closed under case already, but not once it is negated: \W has no
    // letters at all, and that is right for both cases.
    return add_characters(one->is_class ? std::move(one->characters)
                                        : finished(std::move(one->characters)));
}

/// An escape, or one code point that means itself.
std::optional<RegexEscape> RegexParser::literal() {
    if (has('\\')) {
        RegexEscape escape = read_regex_escape(pattern_.substr(offset_));
        if (!escape.refusal.empty()) {
            return refuse(offset_, escape.refusal);
        }
        offset_ += escape.size;
        return escape;
    }
    const CodePoint one = first_code_point(pattern_.substr(offset_));
    if (one.size == 0) {
        return refuse(offset_, "no valid UTF-8: write the pattern in UTF-8");
    }
    offset_ += one.size;
    RegexEscape escape;
    escape.characters = {{one.value, one.value}};
    return escape;
}

NodeNumber RegexParser::group() {
    const std::size_t begin = offset_;
    if (starts_with("(?=") || starts_with("(?!") || starts_with("(?<=") || starts_with("(?<!")) {
        return refuse(begin, "lookaround is not supported: combine two constraints instead");
    }
    if (starts_with("(?<") || starts_with("(?P") || starts_with("(?'")) {
        return refuse(begin, "groups have no names here: write (...)");
    }
    if (starts_with("(?>")) {
        return refuse(begin, "atomic groups are not supported: write (...)");
    }
    if (starts_with("(?") && !starts_with("(?:")) {
        return refuse(begin,
                      "options inside a pattern are not supported: write (...), and "
                      "case_insensitive beside the pattern");
    }
    if (depth_ == kRegexDepthMax) {
        return refuse(begin, "more than " + std::to_string(kRegexDepthMax) +
                                 " groups inside each other: simplify the pattern");
    }
    offset_ += starts_with("(?:") ? 3U : 1U;
    ++depth_;
    const NodeNumber inside = choice();
    --depth_;
    if (inside && !take(')')) {
        return refuse(begin, "( is never closed: add ), or write \\( for a parenthesis");
    }
    return inside;
}

NodeNumber RegexParser::bracket() {
    const std::size_t begin = offset_;
    ++offset_;
    const bool is_negated = take('^');
    if (has(']')) {
        return refuse(begin, "an empty class: write \\] for a bracket inside one");
    }
    CodePointSet set;
    while (!take(']')) {
        if (offset_ == pattern_.size()) {
            return refuse(begin, "[ is never closed: add ], or write \\[ for a bracket");
        }
        if (!bracket_item(set)) {
            return std::nullopt;
        }
    }
    set = finished(std::move(set));
    return add_characters(is_negated ? complement_of(set) : std::move(set));
}

/// One code point, escape or range of a class, added to `set`; false: refused.
bool RegexParser::bracket_item(CodePointSet& set) {
    const std::size_t begin = offset_;
    const std::optional<RegexEscape> first = bracket_atom();
    if (!first) {
        return false;
    }
    const bool is_range = has('-') && offset_ + 1 < pattern_.size() && pattern_[offset_ + 1] != ']';
    if (!is_range) {
        set.insert(set.end(), first->characters.begin(), first->characters.end());
        return true;
    }
    ++offset_;
    const std::optional<RegexEscape> last = bracket_atom();
    if (!last) {
        return false;
    }
    if (first->is_class || last->is_class) {
        refuse(begin, "a range needs a character at both ends: write \\- for a hyphen");
        return false;
    }
    if (first->characters.front().first > last->characters.front().first) {
        refuse(begin,
               "a range that ends before it begins: swap its ends, or write \\- for a hyphen");
        return false;
    }
    set.push_back({first->characters.front().first, last->characters.front().first});
    return true;
}

std::optional<RegexEscape> RegexParser::bracket_atom() {
    if (starts_with("[:") || starts_with("[.") || starts_with("[=")) {
        return refuse(offset_,
                      "named classes are not supported: write \\w, \\d, \\s or ranges, and "
                      "\\[ for a bracket");
    }
    return literal();
}

}  // namespace

boost::system::result<RegexSyntax, std::string> parse_regex(std::string_view pattern,
                                                            RegexOptions options) {
    return RegexParser(pattern, options).parse();
}

}  // namespace burgee
